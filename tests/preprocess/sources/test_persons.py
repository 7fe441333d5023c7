"""People of a source by one name each, whatever the table, folders or corrections call them."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.folds import divide_photos
from faces.labels import CONTEST
from preprocess.sources.corrections import apply
from preprocess.sources.listing import Listing
from preprocess.sources.persons import joined_notes, name_persons
from preprocess.sources.scan import scan
from preprocess.sources.spellings import alike_notes
from tests.faces.foreign.spelt import NAMES, spellings
from tests.helpers.layouts import touch

SEVERAL = (
    "{} written in several ways (letters in pieces, blanks around, 7.0 for 7), the first {}: "
    "each is one person"
)


def listed(folder: Path, people: list[str], genders: str = "") -> Listing:
    """A table of a photo of each of these people, in the notation of JSON strings."""
    for number in range(len(people)):
        touch(folder / f"{number}.jpg")
    rows = [f"{n}.jpg,{name},{genders[n : n + 1] or 'M'}" for n, name in enumerate(people)]
    (folder / "t.csv").write_text("\n".join(["path,person,gender", *rows]), encoding="utf-8")
    return scan(folder / "t.csv")


def folds_of(photos: pd.DataFrame, folds: int, seed: int) -> list[int]:
    division = divide_photos(
        "person",
        keys=photos["source"],
        persons=photos["person"],
        photos=photos[[*CONTEST.names]],
        labels=CONTEST,
        folds=folds,
        seed=seed,
    )
    return division.fold.tolist()


@settings(deadline=None, max_examples=40)
@given(
    data=st.data(),
    people=st.lists(NAMES, min_size=4, max_size=10, unique=True),
    folds=st.integers(2, 4),
    seed=st.integers(0, 9),
)
def test_folds_of_a_source_that_spells_people_in_any_way_are_those_of_the_plain_one(
    data: st.DataObject, people: list[str], folds: int, seed: int
) -> None:
    number = np.arange(3 * len(people)) // 3
    plain = pd.DataFrame({"source": [f"{row}.jpg" for row in range(len(number))]})
    plain = plain.assign(person=[people[n] for n in number], mask=-1, gender=number % 2, age=np.nan)
    spelt = plain.assign(person=[data.draw(st.sampled_from(spellings(people[n]))) for n in number])
    name_persons(spelt, CONTEST, [])
    assert spelt["person"].tolist() == plain["person"].tolist()
    fold = folds_of(spelt, folds, seed)
    assert fold == folds_of(plain, folds, seed)
    assert all(len({*fold[3 * n : 3 * n + 3]}) == 1 for n in range(len(people)))


def test_a_table_that_spells_people_in_several_ways_says_so(tmp_path: Path) -> None:
    listing = listed(tmp_path, ["José", "Jose\u0301", " 7", "7.0", "007", "９"])
    assert listing.photos.person.tolist() == ["José", "José", "7", "7", "007", "9"]
    assert SEVERAL.format("2 people are", "José") in listing.notes
    assert not [line for line in listed(tmp_path / "b", ["é", "b"]).notes if "several ways" in line]


def test_people_of_folders_that_macos_named_are_those_of_the_others(tmp_path: Path) -> None:
    pieces = unicodedata.normalize("NFD", "홍길동")
    touch(tmp_path / "AFDB_masked_face_dataset" / pieces / "0.jpg")
    touch(tmp_path / "AFDB_face_dataset" / "홍길동" / "1.jpg")
    listing = scan(tmp_path)
    assert listing.photos.person.tolist() == ["홍길동"] * 2
    assert SEVERAL.format("1 person is", "홍길동") in listing.notes


def test_photos_of_nobody_named_are_as_many_people_as_files(tmp_path: Path) -> None:
    for name in ("é.jpg", "e\u0301.jpg"):
        touch(tmp_path / "a" / name)
        touch(tmp_path / "b" / f"x{name}")
    (tmp_path / "t.csv").write_text("path,gender\na/é.jpg,M\na/e\u0301.jpg,F\nb/xé.jpg,M\n", encoding="utf-8")
    photos = scan(tmp_path / "t.csv").photos
    assert photos.person.nunique() == 3 and (photos.person == photos.source).all()


def test_corrections_name_people_in_any_spelling(tmp_path: Path) -> None:
    listing = listed(tmp_path, ["José", "Jose\u0301", "7", "b"])
    (tmp_path / "corrections.csv").write_text(
        "person,column,value,why\nJose\u0301,gender,F,seen\n7.0,gender,F,seen\nb,person,７.0,seen\n",
        encoding="utf-8",
    )
    photos = apply(listing, None)[0].photos
    assert photos.person.tolist() == ["José", "José", "7", "7"] and photos.gender.tolist() == [1, 1, 1, 0]


def test_a_cache_of_before_is_known_by_the_names_as_they_were_spelt(tmp_path: Path) -> None:
    """The fingerprint of a listing is that of its table's own spelling, and changes with it."""
    decimals, plain = (listed(tmp_path / str(n), each) for n, each in enumerate((["7.0", "8.0"], ["7", "8"])))
    pd.testing.assert_frame_equal(decimals.photos, plain.photos)
    assert decimals.fingerprint != plain.fingerprint
    before = Listing(decimals.folder, "table", decimals.photos.assign(person=["7.0", "8.0"]), decimals.labels)
    assert decimals.fingerprint == before.fingerprint


def test_people_who_are_nearly_called_alike_are_counted_and_told_how_to_be_one() -> None:
    assert alike_notes(pd.Series(["a b", "ab", "7", "70", "x.0", "x"])) == []
    [note] = alike_notes(pd.Series(["c", "007", "Anna Kim", "anna-kim", "7", "d"]))
    assert note.startswith(
        "4 people differ from another in case, blanks, hyphens or leading zeros alone, such as 007 and 7: "
        "they count as 4,"
    )
    assert note.endswith(
        "if they are one, give them one name in the table or by a corrections.csv (column person), and "
        "preprocess again"
    )


def joined(**columns: list[object]) -> pd.DataFrame:
    rows = len(columns["person"])
    files = [f"{row}.jpg" for row in range(rows)]
    return pd.DataFrame({"source": files, "mask": -1, "gender": -1, "age": np.nan, **columns})


def test_people_whom_two_caches_have_are_counted_and_told_apart_by_their_labels() -> None:
    caches = ["a", "a", "b", "b", "b"]
    [several, shared] = joined_notes(joined(person=["1", "2", "1.0", "3", ""], cache=caches), CONTEST)
    assert several == SEVERAL.format("1 person is", "1")
    cure = "give those of one cache other names in its table (column person), and preprocess it again"
    first = "1 person is in two caches by name, such as 1 in a and b: each counts as one person; "
    assert shared == f"{first}if they are others, {cure}"
    other = joined(person=["1", "2", "1", "3", ""], cache=caches, gender=[0, 0, 1, 1, -1])
    values = "1 person has two values of gender (1: male in a, female in b)"
    assert joined_notes(other, CONTEST) == [f"{first}but {values}, so they are others: {cure}"]
    assert joined_notes(joined(person=["1", "2", "3", "4", ""], cache=caches), CONTEST) == []
