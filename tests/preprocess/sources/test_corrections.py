"""Known wrong labels are put right, with a reason."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from preprocess.sources.corrections import apply
from preprocess.sources.listing import Listing
from preprocess.sources.scan import scan
from tests.helpers.layouts import HEADER, STEMS, touch

COLUMNS = "path,person,column,value,why\n"


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    for person in ("p1", "p2"):
        for stem in STEMS:
            touch(tmp_path / "images" / person / f"{stem}.jpg")
    (tmp_path / "train.csv").write_text(HEADER + "1,female,Asian,45,p1\n2,male,Asian,20,p2\n")
    return scan(tmp_path)


def test_without_a_table_nothing_is_changed(listing: Listing) -> None:
    same, done = apply(listing, None)
    assert same is listing and done.empty and "why" in done.columns


def test_swapped_masks_a_wrong_gender_and_a_wrong_age_are_put_right(listing: Listing) -> None:
    (listing.folder / "corrections.csv").write_text(
        COLUMNS
        + "images/p1/incorrect_mask.jpg,,mask,normal,swapped\n"
        + "images/p1/normal.jpg,,mask,incorrect,swapped\n"
        + ",p2,gender,Female,seen\n"
        + ",p2,age,60,seen\n"
    )
    before = listing.photos.copy()
    corrected, done = apply(listing, None)
    pd.testing.assert_frame_equal(listing.photos, before)
    photos = corrected.photos.set_index("source")
    assert photos["mask"]["images/p1/normal.jpg"] == 1 and photos["mask"]["images/p1/incorrect_mask.jpg"] == 2
    assert (photos.gender[photos.person == "p2"] == 1).all() and (
        photos.age[photos.person == "p2"] == 60
    ).all()
    changed = (corrected.photos[["mask", "gender", "age"]] != before[["mask", "gender", "age"]]).any(axis=1)
    assert [*np.flatnonzero(changed)] == [5, 6, *range(7, 14)], "nobody else"
    assert [*corrected.photos.dtypes] == [*before.dtypes]
    assert corrected.fingerprint != listing.fingerprint
    assert [*done.line] == [2, 3, 4, 5] and [*done.photos] == [1, 1, 7, 7]
    assert [*done.before] == ["incorrect", "normal", "male", "20"]
    assert [*done.after] == ["normal", "incorrect", "female", "60"]
    assert [*done.why] == ["swapped", "swapped", "seen", "seen"]
    assert [*done.person] == ["", "", "p2", "p2"]


def test_a_person_can_be_given_to_photos_and_a_label_taken_away(listing: Listing, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(
        "path,column,value,why\nimages/p1/mask1.jpg,person,p2,seen\nimages/p1/mask1.jpg,age,unknown,twins\n"
    )
    corrected, done = apply(listing, table)
    assert corrected.photos.person[0] == "p2" and np.isnan(corrected.photos.age[0])
    assert (corrected.photos.person[1:7] == "p1").all() and (corrected.photos.age[1:7] == 45).all()
    assert [*done.after] == ["p2", "unknown"]


def test_people_are_those_of_the_source_whatever_else_is_corrected(listing: Listing, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("person,column,value,why\np1,person,p2,the same\np1,gender,male,seen\n")
    corrected, done = apply(listing, table)
    assert (corrected.photos.person == "p2").all() and (corrected.photos.gender == 0).all()
    assert [*done.photos] == [7, 7]


def test_a_correction_of_what_is_right_already_is_listed(listing: Listing, tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("person,column,value,why\np1,gender,female,seen\np1,gender,F,seen again\n")
    corrected, done = apply(listing, table)
    pd.testing.assert_frame_equal(corrected.photos, listing.photos)
    assert [*done.photos] == [0, 0] and [*done.before] == [*done.after] == ["female", "female"]


def test_photos_whose_name_is_not_utf8_are_named_as_in_the_index(tmp_path: Path) -> None:
    data = tmp_path / "wear"
    data.mkdir()
    (data / "a\\b.jpg").write_bytes(b"x")
    (tmp_path.joinpath("wear") / b"\xff.jpg".decode(errors="surrogateescape")).write_bytes(b"x")
    table = tmp_path / "corrections.csv"
    table.write_text(
        "path,column,value,why\nwear/\\xff.jpg,mask,normal,seen\nwear/a\\b.jpg,mask,normal,seen\n"
    )
    corrected, _ = apply(scan(tmp_path), None)
    assert [*corrected.photos["mask"]] == [2, 2]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("images/p1/normale.jpg,,mask,wear,seen\n", "row 2: no path .*did you mean 'images/p1/normal.jpg'"),
        (",p1x,gender,male,seen\n", "row 2: no person 'p1x' .*did you mean 'p1'"),
        (",nobody-like-that,gender,male,seen\n", "known are p1, p2"),
        (",p1,gendre,male,seen\n", "row 2: column 'gendre': did you mean 'gender'"),
        (",p1,gender,other,seen\n", "row 2: gender 'other' is none of"),
        (",p1,age,old,seen\n", "row 2: age 'old' is no number"),
        (",p1,age,,seen\n", "row 2: no value; write unknown"),
        (",p1,person,unknown,seen\n", "row 2: person 'unknown'"),
        (",p1,gender,male,\n", "row 2: no reason in column why"),
        ("images/p1/normal.jpg,p1,gender,male,seen\n", "row 2: give a path or a person, one of them"),
        (",,gender,male,seen\n", "row 2: give a path or a person, one of them"),
        (
            ",p1,gender,male,seen\n\nimages/p1/mask2.jpg,,gender,female,seen\n",
            "rows 2 and 4 give images/p1/mask2.jpg two values of gender",
        ),
    ],
)
def test_a_correction_that_cannot_be_trusted_is_an_error(
    listing: Listing, tmp_path: Path, rows: str, message: str
) -> None:
    table = tmp_path / "mine.csv"
    table.write_text(COLUMNS + rows)
    with pytest.raises(ValueError, match=rf"mine.csv.*{message}"):
        apply(listing, table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,column,value\n", "no column why; there are path, column, value"),
        ("column,value,why\n", "no column path or person"),
    ],
)
def test_a_table_of_another_kind_is_an_error(
    listing: Listing, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        apply(listing, tmp_path / "mine.csv")


def test_a_table_that_is_given_must_be_there(listing: Listing, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mine.csv: no such file"):
        apply(listing, tmp_path / "mine.csv")
