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
    ("names", "note"),
    [
        (("wear/a.jpg", "beach/b.jpg"), "folders wear are named as classes are, but beach not"),
        (("wear/a.jpg", "b.jpg"), "but .photos beside the folders. not"),
        (("0/a.jpg", "1/a.jpg", "2/a.jpg"), "folders 0, 1, 2: numbers of masks, genders or classes"),
    ],
)
def test_folders_that_may_be_no_classes_are_without_labels_and_said(
    tmp_path: Path, names: tuple[str, ...], note: str
) -> None:
    for name in names:
        touch(tmp_path / name)
    listing = scan(tmp_path)
    assert listing.layout == "folder" and (listing.photos["mask"] == -1).all()
    [found] = listing.notes
    assert re.search(note, found)


def test_numbers_beyond_the_classes_are_only_names(tmp_path: Path) -> None:
    for number in range(16, 20):
        touch(tmp_path / str(number) / "a.jpg")
    assert scan(tmp_path).layout == "folder"
