import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.photos.names import source_name, source_path
from preprocess.settings import Columns
from preprocess.sources.scan import scan
from tests.helpers.layouts import HEADER, STEMS, touch

PERSON = "000001,female,Asian,45,000001_female_Asian_45\n"


def train_folder(data: Path, csv: str = HEADER + PERSON) -> Path:
    for stem in STEMS:
        touch(data / "images" / "000001_female_Asian_45" / f"{stem}.jpg")
    (data / "train.csv").write_text(csv)
    return data


def eval_folder(data: Path, csv: str = "ImageID,ans\nb.jpg,0\na.png,0\n") -> Path:
    for name in ("a.png", "b.jpg"):
        touch(data / "images" / name)
    (data / "info.csv").write_text(csv)
    return data


def test_train_layout_keys_people_by_folder_and_ignores_other_files(tmp_path: Path) -> None:
    csv = HEADER + PERSON + "000001,male,Asian,60,000001-1_male_Asian_60\n"
    data = train_folder(tmp_path, csv)
    other = data / "images" / "000001-1_male_Asian_60"
    for stem, suffix in zip(STEMS, (".jpg", ".jpeg", ".png", ".JPG", ".jpg", ".png", ".jpeg"), strict=True):
        touch(other / f"{stem}{suffix}")
        touch(other / f"._{stem}{suffix}")
    touch(other / "notes.txt")
    touch(other / "holiday.jpg")

    listing = scan(data)
    photos = listing.photos
    assert listing.layout == "train"
    assert len(photos) == 14 and (photos.problem == "").all()
    assert [*photos.position] == [*range(14)]
    assert [*photos["mask"]] == [0, 0, 0, 0, 0, 1, 2] * 2
    assert [*photos.gender] == [1] * 7 + [0] * 7
    assert [*photos.age] == [45.0] * 7 + [60.0] * 7
    assert set(photos.person) == {"000001_female_Asian_45", "000001-1_male_Asian_60"}
    assert photos.source[10] == photos.image_id[10] == "images/000001-1_male_Asian_60/mask4.JPG"


def test_a_missing_photo_and_a_missing_folder_are_rows_with_a_reason(tmp_path: Path) -> None:
    data = train_folder(tmp_path, HEADER + PERSON + "2,male,Asian,20,2_male\n")
    (data / "images" / "000001_female_Asian_45" / "mask3.jpg").unlink()
    photos = scan(data).photos
    assert len(photos) == 14
    assert photos.problem[2] == "missing: no mask3.jpg, .jpeg or .png in images/000001_female_Asian_45"
    assert photos["mask"][2] == 0 and photos.bytes[2] == -1
    assert photos.problem[7:].str.startswith("missing: no folder images/2_male").all()


def test_a_second_photo_of_the_same_mask_is_not_used(tmp_path: Path) -> None:
    data = train_folder(tmp_path)
    touch(data / "images" / "000001_female_Asian_45" / "normal.png")
    photos = scan(data).photos
    assert [*photos.problem[photos.problem != ""]] == ["a second normal, beside normal.jpg"]


def test_eval_layout_keeps_the_order_of_its_table(tmp_path: Path) -> None:
    data = eval_folder(tmp_path, "ImageID,ans\nb.jpg,0\nlost.jpg,0\na.png,0\n")
    touch(data / "images" / "not-listed.jpg")
    listing = scan(data)
    photos = listing.photos
    assert listing.layout == "eval"
    assert [*photos.image_id] == ["b.jpg", "lost.jpg", "a.png"]
    assert [*photos.source] == ["images/b.jpg", "images/lost.jpg", "images/a.png"]
    assert [*photos.problem] == ["", "missing: no such file", ""]
    assert (photos["mask"] == -1).all() and (photos.gender == -1).all() and photos.age.isna().all()
    assert (photos.person == "").all()


def test_folder_layout_is_sorted_and_opens_regular_files_only(tmp_path: Path) -> None:
    for name in ("b.JPEG", "a.png", "sub/c.webp", "sub/deeper/d.bmp", "._a.png", "notes.txt"):
        touch(tmp_path / name)
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    (tmp_path / "folder.jpg").mkdir()
    touch(tmp_path / "folder.jpg" / "inside.jpg")
    (tmp_path / "sub" / "circle").symlink_to(tmp_path)
    photos = scan(tmp_path).photos.set_index("source")
    assert [*photos.index] == [
        "a.png",
        "b.JPEG",
        "fifo.jpg",
        "folder.jpg/inside.jpg",
        "gone.jpg",
        "loop.jpg",
        "sub/c.webp",
        "sub/deeper/d.bmp",
    ]
    problems = photos.problem[photos.problem != ""]
    assert problems.to_dict() == {
        "fifo.jpg": "not a regular file but a named pipe",
        "gone.jpg": "broken link: No such file or directory",
        "loop.jpg": "broken link: Too many levels of symbolic links",
    }


def test_photos_behind_a_linked_folder_are_found(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "a.jpg")
    data = tmp_path / "data"
    data.mkdir()
    (data / "link").symlink_to(tmp_path / "elsewhere")
    assert [*scan(data).photos.source] == ["link/a.jpg"]


def test_names_that_are_not_utf8_are_told_apart_and_found_again(tmp_path: Path) -> None:
    names = [b"\xff.jpg", b"\xfe.jpg", b"\\xff.jpg", "müller.jpg".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    photos = scan(tmp_path).photos
    assert photos.source.is_unique and len(photos) == 4
    assert "müller.jpg" in set(photos.source)
    for source in photos.source:
        source.encode()
        assert (tmp_path / source_path(source)).is_file()
    assert {os.fsencode(source_path(source)) for source in photos.source} == set(names)


def test_source_names_are_one_to_one() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        name = os.fsdecode(bytes(rng.choice(np.frombuffer(b"\\xfe01\xff\xc3\xa4", np.uint8), 8)))
        assert source_path(source_name(name)) == name


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("id,gender,race,age\n1,female,Asian,45\n", "train.csv: no column path; there are id, gender, race"),
        (HEADER, "train.csv: no rows"),
        ("", "train.csv: not readable"),
        (HEADER + PERSON + PERSON, "path '000001_female_Asian_45' occurs twice, in rows 2 and 3"),
        (HEADER + "1,other,Asian,45,p\n", "row 2, column gender: gender 'other' is none of male, 0, m, man"),
        (HEADER + "\n1,male,Asian,old,p\n", "row 3, column age: age 'old'"),
        (HEADER + "1,,Asian,45,p\n", "row 2: gender '' is not known; give it, or leave the person out"),
        (
            HEADER + PERSON + "1,male,Asian,old,p\n",
            "row 3, column age: age 'old' is no number of years from 0 to 120",
        ),
        (HEADER + "1,male,Asian,nan,p\n", "age 'nan'"),
        (HEADER + "1,None,Asian,30,p\n", "gender 'None' is not known; give it"),
        (HEADER + "1,male,Asian,none,p\n", "age 'none' is not known; give it"),
        (HEADER + "1,male,Asian,-3,p\n", "age '-3'"),
        (HEADER + "1,male,Asian,33,../../etc\n", "'../../etc' names nothing inside `images`"),
        (HEADER + "1,male,Asian,33,\n", "train.csv, row 2: no path; fill it in, or remove the row"),
        (
            HEADER + "1,male,Asian,33,nobody\n",
            "none of 7 photos can be read; the first, images/nobody/mask1.jpg: missing",
        ),
    ],
)
def test_a_train_table_that_cannot_be_trusted_is_an_error(tmp_path: Path, csv: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scan(train_folder(tmp_path, csv))


def test_a_table_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    data = train_folder(tmp_path)
    (data / "train.csv").write_bytes(HEADER.encode() + b"1,female,\xff,30,p\n")
    with pytest.raises(ValueError, match=r"train.csv: not readable as a UTF-8 CSV table"):
        scan(data)


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("image,ans\na.png,0\n", "info.csv: no column ImageID; there are image, ans"),
        ("ImageID,ans\na.png,0\nb.jpg,0\na.png,0\n", "ImageID 'a.png' occurs twice, in rows 2 and 4"),
        ("ImageID,ans\n/etc/a.png,0\n", "names nothing inside `images`"),
    ],
)
def test_an_eval_table_that_cannot_be_trusted_is_an_error(tmp_path: Path, csv: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scan(eval_folder(tmp_path, csv))


def test_a_table_without_its_photos_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(HEADER + PERSON)
    with pytest.raises(ValueError, match=r"holds train.csv but no folder `images`.*--data .*/train.csv"):
        scan(tmp_path)


def test_folders_without_photos_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such folder"):
        scan(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no photos in it"):
        scan(tmp_path)


def test_a_contest_folder_one_level_too_high_says_which_to_give(tmp_path: Path) -> None:
    train_folder(tmp_path / "train")
    eval_folder(tmp_path / "eval")
    with pytest.raises(ValueError, match=rf"give --data {tmp_path}/train or --data {tmp_path}/eval"):
        scan(tmp_path)


def test_the_fingerprint_notices_labels_names_and_order_but_no_repair(tmp_path: Path) -> None:
    data = train_folder(tmp_path, HEADER + PERSON + "2,male,Asian,20,p2\n")
    prints = [scan(data).fingerprint]
    touch(data / "images" / "000001_female_Asian_45" / "mask1.jpg", size=4)
    (data / "images" / "p2").mkdir()
    touch(data / "images" / "p2" / "mask1.jpg")
    assert scan(data).fingerprint == prints[0], "a damaged or lost photo may be replaced"
    (data / "train.csv").write_text(HEADER + "2,male,Asian,20,p2\n" + PERSON)
    prints.append(scan(data).fingerprint)
    (data / "train.csv").write_text(HEADER + PERSON.replace(",45,", ",46,") + "2,male,Asian,20,p2\n")
    prints.append(scan(data).fingerprint)
    photo = data / "images" / "000001_female_Asian_45" / "mask2.jpg"
    photo.rename(photo.with_suffix(".png"))
    prints.append(scan(data).fingerprint)
    assert len(set(prints)) == 4


def test_fingerprints_of_the_contests_layouts_stay_so_that_caches_go_on(tmp_path: Path) -> None:
    prints = [
        scan(train_folder(tmp_path / "train")).fingerprint,
        scan(eval_folder(tmp_path / "eval")).fingerprint,
    ]
    assert prints == [
        "e11ecd8eaf5475bfb01e8cfd68a2cf454a9b5c46950accccbb3ab1179879019a",
        "7c78d241fb9cfd1355cd49fea284f77e8c2f33d908122ff851b6f818fb6bab17",
    ]


def test_a_spreadsheet_mark_before_the_header_does_no_harm(tmp_path: Path) -> None:
    data = eval_folder(tmp_path)
    (data / "info.csv").write_bytes(b"\xef\xbb\xbf" + (data / "info.csv").read_bytes())
    assert isinstance(scan(data).photos, pd.DataFrame)


def test_listed_photos_that_are_no_files_say_what_they_are(tmp_path: Path) -> None:
    data = eval_folder(tmp_path, "ImageID,ans\nb.jpg,0\nfolder,0\npipe.jpg,0\nsocket.jpg,0\n")
    (data / "images" / "folder").mkdir()
    os.mkfifo(data / "images" / "pipe.jpg")
    os.mknod(data / "images" / "socket.jpg", stat.S_IFSOCK | 0o600)
    assert [*scan(data).photos.problem] == [
        "",
        "not a regular file but a folder",
        "not a regular file but a named pipe",
        "not a regular file but a socket",
    ]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.jpg")
    (tmp_path / "closed").mkdir()
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ValueError, match=r"closed: cannot be listed .Permission denied."):
        scan(tmp_path)


def test_a_plain_folder_has_no_labels_and_no_persons(tmp_path: Path) -> None:
    touch(tmp_path / "holiday" / "a.jpg")
    touch(tmp_path / "b.jpg")
    listing = scan(tmp_path)
    assert listing.layout == "folder" and listing.notes == () and listing.folder == tmp_path
    assert (listing.photos.person == "").all()


def test_columns_go_with_tables_only(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="a folder has no columns"):
        scan(tmp_path, Columns(mask="wear"))
