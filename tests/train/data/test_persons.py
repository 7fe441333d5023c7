"""Nobody stands on both sides of a fold, however caches, joined and extra ones spell names; no file does."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.cache.reader import Cache
from preprocess.faults import find_faults
from preprocess.join import JoinSettings, join
from tests.faces.foreign.spelt import NAMES, spellings
from tests.helpers.coloured import write_told
from tests.helpers.extras import joined
from train.data.rows import FoldRows, fold_rows
from train.leak.work import rows_apart

PEOPLE = ["José", "Anna", "홍길동", "7", "8", "9", "p1", "p2"]


def told(people: list[str], start: int = 0, **columns: object) -> pd.DataFrame:
    """Three photos of each, of each mask one, of files of their own."""
    rows = np.arange(3 * len(people))
    return pd.DataFrame(
        {
            "person": np.repeat(np.array(people, object), 3),
            "mask": rows % 3,
            "age": 20.0,
            "source_sha256": [f"{start + row:064x}" for row in rows],
            **columns,
        }
    )


def spelt_otherwise(people: list[str]) -> list[str]:
    return [spellings(name)[(number % 2) + 1] for number, name in enumerate(people)]


def rows_of(cache: Cache, fold: int, seed: int = 0, folds: int = 3) -> FoldRows:
    return fold_rows(cache, ("mask",), fold=fold, folds=folds, seed=seed)


def sides(cache: Cache, fold: int, column: str) -> tuple[set[str], set[str]]:
    """Whom, or what, a fold trains and validates."""
    rows, values = rows_of(cache, fold), cache.index[column]
    return {*values[rows.training]}, {*values[rows.validation]}


@settings(deadline=None, max_examples=3)
@given(data=st.data(), people=st.lists(NAMES, min_size=4, max_size=7, unique=True), seed=st.integers(0, 9))
def test_folds_of_a_cache_that_spells_people_in_two_ways_are_those_of_the_plain_one(
    data: st.DataObject, people: list[str], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As caches of before may: each has one photo by the normal form, and others by any."""
    folder, plain = tmp_path_factory.mktemp("spelt"), told(people)
    spelt = plain.assign(
        person=[
            name if row % 3 == 0 else data.draw(st.sampled_from(spellings(name)))
            for row, name in enumerate(plain["person"])
        ]
    )
    caches = [write_told(folder / name, each) for name, each in (("plain", plain), ("spelt", spelt))]
    for fold in range(2):
        one, other = (rows_of(cache, fold, seed, folds=2) for cache in caches)
        assert one.identity == other.identity and one.validation.tolist() == other.validation.tolist()


def test_caches_that_spell_the_same_people_in_two_ways_have_the_folds_of_plain_ones_when_joined(
    tmp_path: Path,
) -> None:
    one = write_told(tmp_path / "one", told(PEOPLE))
    plain = write_told(tmp_path / "plain", told(PEOPLE, start=100))
    spelt = write_told(tmp_path / "spelt", told(spelt_otherwise(PEOPLE), start=100))
    same, other = joined(tmp_path / "a", one, plain), joined(tmp_path / "b", one, spelt)
    assert other.columns("person")["person"].nunique() == other.index["person"].nunique() == len(PEOPLE)
    for fold in range(3):
        assert rows_of(same, fold).identity == rows_of(other, fold).identity
        trained, validated = sides(other, fold, "person")
        assert validated and not trained & validated
    apart = rows_apart(other, 4, 0)
    people = other.index["person"]
    assert len(apart) and not {*people[apart]} & {*people.drop(apart)}
    assert [*find_faults(other.folder)] == [], "shards still have the names as they were"


def test_extra_photos_of_people_spelt_otherwise_sit_out_where_these_validate(tmp_path: Path) -> None:
    one = write_told(tmp_path / "one", told(PEOPLE))
    extra = write_told(tmp_path / "extra", told(spelt_otherwise(PEOPLE), start=100))
    all_ = joined(tmp_path / "all", one, extra=[extra])
    for fold in range(3):
        rows = rows_of(all_, fold)
        people = all_.index["person"]
        assert rows.validation.tolist() == rows_of(one, fold).validation.tolist()
        assert len(rows.training) == 2 * (len(one) - len(rows.validation))
        assert not {*people[rows.training]} & {*people[rows.validation]}


def test_files_of_two_people_in_two_caches_are_on_one_side_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_told(tmp_path / "first", told(PEOPLE))
    again = write_told(tmp_path / "again", told([f"q{n}" for n in range(8)]))  # the same files
    made = write_told(tmp_path / "made", told(["g1", "g2"], start=3))  # those of the second and third
    folders = {"caches": (first.folder, again.folder), "extra_caches": (made.folder,)}
    join(JoinSettings(cache=tmp_path / "all", **folders))  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    all_ = Cache.open(tmp_path / "all")
    for fold in range(3):
        trained, validated = sides(all_, fold, "source_sha256")
        assert validated and not trained & validated
        assert rows_of(all_, fold).notes == ("16 people share photos with others and were dealt together",)
    files = all_.index["source_sha256"]
    apart = rows_apart(all_, 4, 0)
    assert len(apart) and not {*files[apart]} & {*files.drop(apart)}
    assert lines[1:] == [
        "24 files stand under two persons or more, such as 0.jpg (José) and 0.jpg (q0): their people are "
        "dealt to one fold",
        "6 extra photos are the same file as an ordinary one, such as 0.jpg and 3.jpg: they sit out where "
        "that validates",
    ]


def test_joining_says_whom_two_caches_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = write_told(tmp_path / "one", told(PEOPLE))
    spelt = write_told(tmp_path / "spelt", told(["7.0", "anna"], start=100))
    join(JoinSettings(caches=(one.folder, spelt.folder), cache=tmp_path / "all"))
    several, shared, alike = capsys.readouterr().out.splitlines()[1:]
    assert several.startswith("1 person is written in several ways")
    assert shared.startswith("1 person is in two caches by name, such as 7 in one and spelt: ")
    assert alike.startswith("2 people differ from another in case")
