"""A folder for each class: its name is the label."""

import re
from pathlib import Path

import numpy as np
import pytest

from preprocess.sources.scan import scan
from tests.helpers.layouts import touch

CLASS_FOLDERS = [
    ("with_mask", 0, -1, np.nan),
    ("Incorrect Mask", 1, -1, np.nan),
    ("without-mask", 2, -1, np.nan),
    ("women", -1, 1, np.nan),
    ("wear male <30", 0, 0, 25),
    ("incorrect_female_30-59", 1, 1, 45),
    ("normal male >=60", 2, 0, 65),
    ("10", 1, 1, 45),
    ("17", 2, 1, 65),
]


@pytest.mark.parametrize(("name", "mask", "gender", "age"), CLASS_FOLDERS)
def test_a_folder_named_as_a_class_labels_its_photos(
    tmp_path: Path, name: str, mask: int, gender: int, age: float
) -> None:
    touch(tmp_path / name / "deeper" / "a.jpg")
    touch(tmp_path / "normal" / "b.jpg")
    (tmp_path / "notes").mkdir()
    listing = scan(tmp_path)
    [photo] = listing.photos[listing.photos.source == f"{name}/deeper/a.jpg"].itertuples()
    assert listing.layout == "classes"
    assert (photo.mask, photo.gender) == (mask, gender)
    np.testing.assert_equal(photo.age, age)
    assert [*listing.photos.person] == [*listing.photos.source], "each counts as a person of its own"
    assert any("each counts as a person of its own" in note for note in listing.notes)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("wear/a.jpg", "beach/b.jpg", "beach/c.jpg"),
            r'beach mean no label; found: beach 2, wear 1.*label = \["beach", "wear"\]',
        ),
        (("wear/a.jpg", "b.jpg"), r"folders wear mean mask, but \(photos beside them\) mean no label"),
        (("train/wear/a.jpg", "val/beach/b.jpg"), "folders wear mean mask, but beach mean no label"),
    ],
)
def test_folders_of_which_only_some_are_labels_are_an_error(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    for name in names:
        touch(tmp_path / name)
    with pytest.raises(ValueError, match=message):
        scan(tmp_path)


def test_low_numbers_may_be_no_classes_so_photos_are_without_labels_and_it_is_said(tmp_path: Path) -> None:
    for name in "012":
        touch(tmp_path / name / "a.jpg")
    listing = scan(tmp_path)
    assert listing.layout == "folder" and (listing.photos["mask"] == -1).all()
    assert re.match(
        "folders 0, 1, 2: numbers of mask, gender, age or classes; taken for none", listing.notes[0]
    )
    assert 'label = ["0", "1", "2"]' in listing.notes[1], "proposed, to be named by somebody who knows"


def test_numbers_beyond_the_classes_are_only_names(tmp_path: Path) -> None:
    for number in range(16, 20):
        touch(tmp_path / str(number) / "a.jpg")
    assert scan(tmp_path).layout == "folder"


def test_a_folder_called_none_is_no_mask_beside_labels_alone(tmp_path: Path) -> None:
    for name in ("with_mask", "none"):
        touch(tmp_path / "masks" / name / "a.jpg")
    listing = scan(tmp_path / "masks")
    assert [*listing.photos["mask"]] == [2, 0]
    assert any("mask 'none', which is taken for normal" in note for note in listing.notes)
    for name in ("none", "some", "full"):
        touch(tmp_path / "beards" / name / "a.jpg")
    listing = scan(tmp_path / "beards")
    assert listing.layout == "folder" and any('["full", "none", "some"]' in note for note in listing.notes)
    (tmp_path / "beards" / "labels.toml").write_text('beard = ["none", "some", "full"]')
    assert [*scan(tmp_path / "beards").photos.beard] == [2, 0, 1]
