"""What lies among photos and is none: told by its content, counted, listed, and never taken for a person."""

from pathlib import Path

import pytest
from PIL import Image

from faces.photos.kinds import kind_of
from preprocess.sources.listing import Listing
from preprocess.sources.scan import scan
from tests.helpers import published
from tests.helpers.layouts import HEADER, STEMS, touch
from tests.helpers.pictures import picture, save

COPIES = (".ipynb_checkpoints", ".Trash-0", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "System Volume Information")


def reasons(listing: Listing) -> dict[str, str]:
    return listing.left_out.set_index("source").reason.to_dict()


def hidden(photos: int) -> str:
    return f"left out: a hidden folder or a tool's, with {photos} photo{'s' * (photos != 1)}"


def test_copies_that_tools_keep_are_neither_classes_nor_people(tmp_path: Path) -> None:
    """pytorch/vision#2831: a notebook's checkpoints became a class; here they would be twins across folds."""
    for folder in ("with_mask", "without_mask"):
        touch(tmp_path / folder / "a.jpg")
        touch(tmp_path / folder / ".ipynb_checkpoints" / "a-checkpoint.jpg")
    for name in COPIES:
        touch(tmp_path / name / "inner" / "a.jpg")
        touch(tmp_path / name / "b.jpg")
        touch(tmp_path / name / "index")
    listing = scan(tmp_path)
    assert listing.layout == "classes"
    assert [*listing.photos.source] == ["with_mask/a.jpg", "without_mask/a.jpg"]
    assert reasons(listing) == dict.fromkeys(COPIES, hidden(2)) | {
        f"{folder}/.ipynb_checkpoints": hidden(1) for folder in ("with_mask", "without_mask")
    }
    [note] = [note for note in listing.notes if "hidden" in note]
    assert note.startswith("left out: 14 photos in 8 folders, hidden or a tool's: $RECYCLE.BIN (2), ")
    assert note.endswith(" and 3 more")


def test_a_published_set_among_copies_of_itself_is_read_once(tmp_path: Path) -> None:
    published.afdb(tmp_path / ".Trash-0" / "old")
    touch(tmp_path / "wear" / "a.jpg")
    assert scan(tmp_path).layout == "classes"
    published.photos(published.afdb(tmp_path / "set"), "overview.png")
    listing = scan(tmp_path / "set")
    assert listing.layout == "afdb"
    elsewhere = "in no person's folder of AFDB_masked_face_dataset or AFDB_face_dataset"
    assert reasons(listing) == {"overview.png": f"left out: a photo {elsewhere}"}


def test_what_lies_in_a_persons_folder_and_is_none_of_the_seven_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "images" / "1_male_Asian_20"
    for stem in STEMS[1:]:
        touch(folder / f"{stem}.jpg")
    Image.fromarray(picture(9, 9)).save(folder / f"{STEMS[0]}.jpe", "JPEG")
    for name in (
        "._mask2.jpg",
        "holiday.jpg",
        "notes",
        ".ipynb_checkpoints/mask1-checkpoint.jpg",
        "old/a.jpg",
    ):
        touch(folder / name)
    (tmp_path / "train.csv").write_text(HEADER + "1,male,Asian,20,1_male_Asian_20\n")
    listing = scan(tmp_path)
    assert len(listing.photos) == 7 and (listing.photos.problem == "").all()
    assert listing.photos.source[0] == f"images/1_male_Asian_20/{STEMS[0]}.jpe"
    assert {name.split("/", 2)[2]: reason for name, reason in reasons(listing).items()} == {
        "._mask2.jpg": "left out: a hidden file",
        "holiday.jpg": "left out: none of the seven photos of a person, by its name",
        "notes": reasons(listing)["images/1_male_Asian_20/notes"],
        ".ipynb_checkpoints": hidden(1),
        "old": "left out: a folder in a person's, which is not looked into",
    }


def test_pictures_without_annotation_are_listed_and_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    data = published.voc(tmp_path, {"a": [("with_mask", 1, 1, 20, 20)]})
    images = data / "images"
    before = scan(data)
    (data / "annotations" / "._a.xml").write_bytes(b"\0\5\x16\7")
    (images / "Thumbs.db").write_bytes(b"x")
    save(images / "lonely.png", picture(9, 9))
    save(images / "@eaDir" / "lonely.png", picture(9, 9))
    listing = scan(data)
    assert listing.photos.equals(before.photos)
    assert {Path(name).name: reason for name, reason in reasons(listing).items()} == {
        "lonely.png": "left out: a picture without annotation",
        "Thumbs.db": "left out: a system file",
        "@eaDir": hidden(1),
    }


def test_files_that_tell_of_the_photos_are_used_and_not_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "yes" / "a.jpg")
    touch(tmp_path / "no" / "a.jpg")
    for name in ("labels.toml", "mine.toml"):
        (tmp_path / name).write_text('glasses = ["yes", "no"]\n')
    (tmp_path / "corrections.csv").write_text("path,person,column,value,why\n")
    assert [*reasons(scan(tmp_path))] == ["mine.toml"]
    assert [*reasons(scan(tmp_path, labels_file=tmp_path / "mine.toml"))] == []


@pytest.mark.parametrize(
    ("head", "name", "what"),
    [
        (b"\xff\xd8\xff\xe1", "a JPEG", "read"),
        (b"\0\0\0\x1cftypavif", "an AVIF", "read"),
        (b"\0\0\0\x1cftypmif1", "a HEIC (HEIF) photo", "picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000", "read"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL photo", "picture"),
        (b"MM\0*\0\0\0\x08", "a TIFF", "read"),
        (b"II*\0\x10\0\0\0CR\2\0", "a raw photo of a camera", "picture"),
        (b"FUJIFILMCCD-RAW 0201", "a raw photo of a camera", "picture"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "a raw photo of a camera", "picture"),
        (b"\0\0\0\x18ftypmp42", "a video", "other"),
        (b"RIFF\0\0\0\0AVI LIST", "a video", "other"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "a WebP", "read"),
        (b"BMI,age\n20,30\n30,40\n", "a text file", "other"),
        (b"P5 is a pad of the game", "a text file", "other"),
        ("마스크,성별\n".encode("cp949"), "a text file", "other"),
        ("mask,gender\n".encode("utf-16"), "a text file", "other"),
        (b"<?xml version='1.0'?><annotation/>", "an XML file", "other"),
        (b"\xef\xbb\xbf<svg xmlns='a'/>", "a drawing (SVG)", "picture"),
        (b" \n<html><body>", "an HTML page", "other"),
        (b"\x93NUMPY\1\0v\0", "an unknown file", "other"),
    ],
)
def test_a_file_is_what_its_first_bytes_say(head: bytes, name: str, what: str) -> None:
    assert (kind_of(head).name, kind_of(head).what) == (name, what)
