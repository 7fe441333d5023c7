"""Published sets of photos are recognised, and read with labels, people, parts of the data and boxes."""

import re
from pathlib import Path

import numpy as np
import pytest

from preprocess.sources.scan import scan
from tests.helpers import published
from tests.helpers.pictures import picture, save


def test_folders_of_masks_lie_below_parts_of_the_data_and_a_folder_of_all(tmp_path: Path) -> None:
    inside = tmp_path / "Face Mask Dataset"
    for part in ("Train", "Validation", "Test"):
        published.photos(inside / part, "WithMask/1.png", "WithoutMask/2.png", "mask_weared_incorrect/3.png")
    listing = scan(tmp_path)
    photos = listing.photos.set_index("source")
    assert listing.layout == "classes" and len(photos) == 9
    assert photos["mask"]["Face Mask Dataset/Test/WithMask/1.png"] == 0
    assert [*photos["mask"]] == [0, 2, 1] * 3
    assert [*photos.split] == ["test"] * 3 + ["train"] * 3 + ["val"] * 3


def test_parts_of_the_data_may_lie_below_the_classes_and_one_class_below_another(tmp_path: Path) -> None:
    published.photos(
        tmp_path,
        *(
            f"{g}/{p}/{m}/a.png"
            for g in ("women", "men")
            for p in ("train", "valid")
            for m in ("wear", "normal")
        ),
    )
    photos = scan(tmp_path).photos.set_index("source")
    assert photos.loc["women/valid/normal/a.png", ["gender", "mask", "split"]].tolist() == [1, 2, "val"]
    assert photos.loc["men/train/wear/a.png", ["gender", "mask", "split"]].tolist() == [0, 0, "train"]


def test_without_parts_there_is_no_column_of_parts(tmp_path: Path) -> None:
    published.photos(tmp_path, "wear/a.png", "normal/b.png")
    assert "split" not in scan(tmp_path).photos and "box" not in scan(tmp_path).photos


def test_afdb_has_one_person_with_and_without_a_mask(tmp_path: Path) -> None:
    published.photos(published.afdb(tmp_path), "overview.png")
    listing = scan(tmp_path)
    photos = listing.photos
    assert listing.layout == "afdb" and len(photos) == 4
    assert sorted(zip(photos.person, photos["mask"], strict=True)) == [
        ("li", 2),
        ("li", 2),
        ("wang", 0),
        ("wang", 2),
    ]
    assert any(note.startswith("1 photos are in no person's folder") for note in listing.notes)


def test_maskedface_is_known_by_its_folders_and_its_people_by_ffhq_numbers(tmp_path: Path) -> None:
    listing = scan(published.maskedface(tmp_path))
    assert listing.layout == "maskedface"
    assert [*listing.photos["mask"]] == [0, 1, 1]
    assert [*listing.photos.person] == ["00000", "00000", "00007"]


def test_utkface_is_read_from_names_and_a_name_with_a_part_missing_keeps_its_age(tmp_path: Path) -> None:
    listing = scan(published.utkface(tmp_path))
    assert listing.layout == "utkface"
    ages = listing.photos.set_index("source").age
    assert {name[6:8]: age for name, age in ages.items()} == {
        "25": 25,
        "61": 61,
        "53": 53,
        "70": 70,
        "26": 26,
    }
    genders = dict(zip(listing.photos.age, listing.photos.gender, strict=True))
    assert genders == {25: 1, 61: -1, 53: -1, 70: 0, 26: 1}
    assert any(note.startswith("2 photos, such as part1/61_1_2017") for note in listing.notes)
    assert any("race (indian, white)" in note for note in listing.notes), "told, and not taken"
    (tmp_path / "labels.toml").write_text('race = ["white", "black", "asian", "indian", "others"]\n')
    photos = scan(tmp_path).photos
    assert photos.race[photos.source.str.contains("53__0")].tolist() == [0]
    assert photos.race[photos.source.str.contains("61_1")].tolist() == [-1]


def test_fairface_is_one_source_of_both_tables(tmp_path: Path) -> None:
    listing = scan(published.fairface(tmp_path))
    assert listing.layout == "fairface"
    assert [*listing.photos.age] == [6.5, 75, 25, 35] and [*listing.photos.gender] == [0, 1, 0, 1]
    assert [*listing.photos.split] == ["train", "train", "train", "val"]
    assert (listing.photos.problem == "").all()
    [told] = [note for note in listing.notes if "race" in note]
    assert "race (East Asian, Indian, White)" in told and "service_test" not in told
    assert len(scan(tmp_path / "fairface_label_val.csv").photos) == 1


def test_fairface_may_keep_its_photos_in_the_folder_of_their_margin(tmp_path: Path) -> None:
    published.fairface(tmp_path)
    inside = tmp_path / "fairface-img-margin025-trainval"
    inside.mkdir()
    for part in ("train", "val"):
        (tmp_path / part).rename(inside / part)
    photos = scan(tmp_path).photos
    assert (photos.problem == "").all() and photos.split[3] == "val"


def test_adience_has_albums_for_people_and_its_own_folds(tmp_path: Path) -> None:
    listing = scan(published.adience(tmp_path))
    photos = listing.photos
    assert listing.layout == "adience" and (photos.problem == "").all()
    assert [*photos.person] == ["30601258@N03"] * 2 + ["9@N01"] * 2
    assert [*photos.split] == ["fold0", "fold0", "fold1", "fold1"]
    np.testing.assert_equal([*photos.age], [29.0, 80.5, np.nan, 35.0])
    assert [*photos.gender] == [1, 0, -1, 1]


def test_celeba_has_attributes_identities_and_parts(tmp_path: Path) -> None:
    published.celeba(tmp_path)
    (tmp_path / "labels.toml").write_text('gender = "contest"\nEyeglasses = ["no", "yes"]\n')
    listing = scan(tmp_path)
    assert listing.layout == "celeba" and (listing.photos.problem == "").all()
    assert [*listing.photos.gender] == [0, 1, 0] and [*listing.photos.Eyeglasses] == [0, 1, 1]
    assert [*listing.photos.person] == ["2880", "17", "2880"]
    assert [*listing.photos.split] == ["train", "val", "test"]


def test_celeba_as_csv_says_the_same(tmp_path: Path) -> None:
    text, csv = published.celeba(tmp_path / "text"), published.celeba(tmp_path / "csv")
    for file in [*csv.glob("*.txt")]:
        lines = [",".join(line.split()) for line in file.read_text().splitlines()]
        if file.stem.startswith("list_attr"):
            lines = [f"image_id,{lines[1]}", *lines[2:]]
        else:
            lines.insert(0, "image_id,value")
        file.with_suffix(".csv").write_text("\n".join(lines) + "\n")
        file.unlink()
    assert scan(csv).fingerprint == scan(text).fingerprint


def test_voc_has_a_row_for_each_face_and_a_person_for_each_picture(tmp_path: Path) -> None:
    published.masks(tmp_path)
    save(tmp_path / "images" / "lonely.png", picture(9, 9))
    listing = scan(tmp_path)
    photos = listing.photos
    assert listing.layout == "voc" and [*photos["mask"]] == [0, 2, 1]
    assert [*photos.source] == ["images/a.png", "images/a.png", "images/b.png"] == [*photos.person]
    assert [*photos.image_id] == ["images/a.png#1", "images/a.png#2", "images/b.png#1"]
    assert [*photos.box] == [(0, 0, 10, 10), (20, 10, 40, 30), (4, 4, 20, 20)], "from 1, the last included"
    assert any(note == "left out: 1 pictures without annotation" for note in listing.notes)


def test_voc_may_have_the_names_of_its_own_folders(tmp_path: Path) -> None:
    published.voc(tmp_path, {"a": [("with_mask", 1, 1, 10, 10)]}, folders="Annotations JPEGImages")
    assert [*scan(tmp_path).photos.source] == ["JPEGImages/a.png"]


def test_an_empty_box_is_a_reject_with_file_and_object(tmp_path: Path) -> None:
    published.voc(tmp_path, {"a": [("with_mask", 1, 1, 9, 9), ("with_mask", 8, 1, 7, 9)]})
    assert [*scan(tmp_path).photos.problem] == [
        "",
        "empty box: a.xml, object 2 (with_mask) is from 8, 1 to 7, 9",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object>", "a.xml: not readable as XML"),
        ("<a><object><name>with_mask</name></object></a>", "a.xml, object 1: name 'with_mask' and box ''"),
        (
            "<a><object><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>x</xmax><ymax>2</ymax></bndbox></object></a>",
            "object 1: name '' and box '1' '1' 'x' '2', where a name and numbers",
        ),
    ],
)
def test_an_annotation_that_cannot_be_trusted_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    published.masks(tmp_path)
    (tmp_path / "annotations" / "a.xml").write_text(text)
    with pytest.raises(ValueError, match=message):
        scan(tmp_path)


def test_objects_of_which_only_some_are_labels_are_an_error(tmp_path: Path) -> None:
    things = [("with_mask", 1, 1, 9, 9), ("helmet", 1, 1, 9, 9), ("helmet", 2, 2, 9, 9)]
    published.voc(tmp_path, {"a": things})
    message = r"objects with_mask mean mask, but helmet mean no label; found: with_mask 1, helmet 2: declare"
    with pytest.raises(ValueError, match=message):
        scan(tmp_path)
    (tmp_path / "labels.toml").write_text('head = ["helmet", "bare"]\n')
    with pytest.raises(
        ValueError, match=r"helmet mean head, but with_mask mean no label; .*correct the label"
    ):
        scan(tmp_path)
    (tmp_path / "labels.toml").write_text('head = ["helmet", "with_mask"]\n')
    assert [*scan(tmp_path).photos["head"]] == [1, 0, 0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("000003.jpg  1\n", "list_attr_celeba.txt, row 5: 2 cells where the file name and 2 attributes"),
        ("000003.jpg  1 2\n", "list_attr_celeba.txt, row 5: Male '2' is neither 1 nor -1"),
        ("000001.jpg  1 1\n", "image_id '000001.jpg' occurs twice, in rows 3 and 5"),
        ("../a.jpg  1 1\n", "row 5: image_id '../a.jpg' names nothing inside the folder"),
    ],
)
def test_a_list_of_celeba_that_cannot_be_trusted_is_an_error(tmp_path: Path, row: str, message: str) -> None:
    file = published.celeba(tmp_path) / "list_attr_celeba.txt"
    file.write_text(file.read_text().replace("000003.jpg  1  1\n", row))
    with pytest.raises(ValueError, match=message):
        scan(tmp_path)


def test_a_part_of_celeba_that_is_none_is_an_error(tmp_path: Path) -> None:
    (published.celeba(tmp_path) / "list_eval_partition.txt").write_text("000001.jpg 7\n")
    with pytest.raises(ValueError, match=r"list_eval_partition.txt: '000001.jpg 7' is no .* one of 0, 1, 2"):
        scan(tmp_path)


def test_tables_without_their_photos_are_errors(tmp_path: Path) -> None:
    for make, folder in ((published.celeba, "img_align_celeba"), (published.adience, "faces")):
        data = make(tmp_path / folder)
        (data / folder).rename(tmp_path / f"{folder} elsewhere")
        with pytest.raises(ValueError, match=f"but no folder {folder}.* unpack "):
            scan(data)


def test_a_value_that_a_published_table_should_not_have_is_named_with_its_row(tmp_path: Path) -> None:
    file = published.fairface(tmp_path) / "fairface_label_train.csv"
    file.write_text(file.read_text().replace("20-29,Male", "20-29,Mail"))
    message = "fairface_label_train.csv, row 4, column gender: gender 'Mail' is none of .*did you mean 'male'"
    with pytest.raises(ValueError, match=message):
        scan(tmp_path)
    file.write_text(file.read_text().replace("20-29,Mail", "200,Male"))
    with pytest.raises(ValueError, match="row 4, column age: age '200' is no number of years"):
        scan(tmp_path)


def test_sets_are_told_apart(tmp_path: Path) -> None:
    makers = ("masks", "afdb", "maskedface", "utkface", "fairface", "adience", "celeba")
    found = [scan(getattr(published, name)(tmp_path / name)).layout for name in makers]
    assert found == ["voc", *makers[1:]]
    assert not re.search("left out", " ".join(scan(tmp_path / "masks").notes))
