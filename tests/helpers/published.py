"""Small copies of published sets of photos, as they are unpacked, with photos too small for a face."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.helpers.pictures import picture, save

FAIRFACE = "file,age,gender,race,service_test\n"
ADIENCE = "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\n"


def photos(data: Path, *names: str) -> Path:
    """Photos of these names, each of other pixels."""
    for number, name in enumerate(names):
        save(data / name, picture(19, 18, seed=number))
    return data


def voc(
    data: Path,
    objects: Mapping[str, Sequence[tuple[str, int, int, int, int]]],
    folders: str = "annotations images",
) -> Path:
    """An annotation and a picture of 40 x 30 for each name, with the objects' xmin, ymin, xmax and ymax."""
    notes, pictures = folders.split()
    for number, (name, things) in enumerate(objects.items()):
        save(data / pictures / f"{name}.png", picture(30, 40, seed=number))
        boxes = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
            f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            for kind, left, top, right, bottom in things
        )
        (data / notes).mkdir(parents=True, exist_ok=True)
        text = f"<annotation><filename>{name}.png</filename>{boxes}</annotation>"
        (data / notes / f"{name}.xml").write_text(text)
    return data


def masks(data: Path) -> Path:
    """Two pictures, of two faces and one."""
    return voc(
        data,
        {
            "a": [("with_mask", 1, 1, 10, 10), ("without_mask", 21, 11, 40, 30)],
            "b": [("mask_weared_incorrect", 5, 5, 20, 20)],
        },
    )


def afdb(data: Path) -> Path:
    """One person with and without a mask, another without."""
    inside = data / "self-built-masked-face-recognition-dataset"
    photos(inside / "AFDB_masked_face_dataset", "wang/0.jpg")
    photos(inside / "AFDB_face_dataset", "wang/0.jpg", "li/3.jpg", "li/4.jpg")
    return data


def maskedface(data: Path) -> Path:
    """One face both ways, and another."""
    return photos(
        data,
        "CMFD/00000/00000_Mask.jpg",
        "IMFD/00000/00000_Mask_Mouth_Chin.jpg",
        "IMFD/00000/00007_Mask_Chin.jpg",
    )


def utkface(data: Path) -> Path:
    """Two whole names, one that lacks a part, and one of which a part is empty."""
    return photos(
        data,
        "part1/25_1_3_20170109142408075.jpg.chip.jpg",
        "part1/61_1_20170109142408075.jpg.chip.jpg",
        "part2/53__0_20170116184028385.jpg",
        "part2/70_0_0_20170111005158693.jpg",
        "part2/26_1_0_20170111005158693.jpg",
    )


def fairface(data: Path) -> Path:
    """Three people of train, one of val."""
    rows = {"train": ("3-9,Male,East Asian", "more than 70,Female,White", "20-29,Male,White")}
    rows["val"] = ("30-39,Female,Indian",)
    for split, people in rows.items():
        names = [f"{split}/{number}.jpg" for number in range(1, len(people) + 1)]
        photos(data, *names)
        lines = [f"{name},{person},False\n" for name, person in zip(names, people, strict=True)]
        (data / f"fairface_label_{split}.csv").write_text(FAIRFACE + "".join(lines))
    return data


def adience(data: Path) -> Path:
    """An album of two people, and one of somebody of whom nothing is known."""
    rows = {
        0: "30601258@N03\ta.jpg\t1\t(25, 32)\tf\t0\t0\n30601258@N03\tb.jpg\t2\t(60, 100)\tm\t0\t0\n",
        1: "9@N01\tc.jpg\t3\tNone\tu\t0\t0\n9@N01\td.jpg\t4\t35\tf\t0\t0\n",
    }
    for fold, text in rows.items():
        data.mkdir(exist_ok=True)
        (data / f"fold_{fold}_data.txt").write_text(ADIENCE + text)
        for line in text.splitlines():
            user, image, face, *_ = line.split("\t")
            photos(data / "faces" / user, f"coarse_tilt_aligned_face.{face}.{image}")
    return data


def celeba(data: Path) -> Path:
    """Three photos of two people, in all three parts."""
    photos(data / "img_align_celeba", "000001.jpg", "000002.jpg", "000003.jpg")
    (data / "list_attr_celeba.txt").write_text(
        "3\nEyeglasses Male\n000001.jpg -1  1\n000002.jpg  1 -1\n000003.jpg  1  1\n"
    )
    (data / "identity_CelebA.txt").write_text("000001.jpg 2880\n000002.jpg 17\n000003.jpg 2880\n")
    (data / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 1\n000003.jpg 2\n")
    return data
