"""Suggestions as cells that stage 1 reads, beside what it corrected before."""

from pathlib import Path

import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.factors import Number
from faces.files import write_atomically
from faces.labels import CONTEST
from faces.storage.cells import csv_bytes
from preprocess.sources.corrections import apply
from report.audit.draft import COLUMNS, earlier_corrections, merged, renamed_people, word_of
from tests.helpers.coloured import write_told
from tests.helpers.own_labels import OWN
from tests.report.audit.wrongly_labelled import listing_of, right_labels

HALVES = Number(name="size", edges=(1.5, 2.25), least=0, most=4)


@pytest.mark.parametrize("factor", [*CONTEST.factors, *OWN.factors, HALVES], ids=lambda each: each.name)
def test_every_class_is_a_word_that_is_read_as_that_class(factor: Number) -> None:
    for code in range(len(factor.classes)):
        assert factor.codes([factor.read(word_of(factor, code))]).tolist() == [code]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """What stage 1 has corrected lies in it: a mask, a person's gender, and who is on a photo."""
    cache = write_told(tmp_path / "cache", right_labels())
    done = pd.DataFrame(
        [
            (2, "0.jpg", "", "mask", "normal", "wear", 1, "seen"),
            (3, "", "p001", "gender", "male", "female", 4, "seen"),
            (4, "9.jpg", "", "person", "other", "p002", 1, "the same woman"),
        ],
        columns=["line", "path", "person", "column", "before", "after", "photos", "why"],
    )
    write_atomically(cache.folder / "corrections.csv", csv_bytes(done))
    return cache


def test_what_was_corrected_before_is_corrected_again_and_new_words_win(cache: Cache, tmp_path: Path) -> None:
    earlier = earlier_corrections(cache)
    assert [*earlier.columns] == [*COLUMNS] and [*earlier["value"]] == ["wear", "female", "p002"]
    new = pd.DataFrame(
        [("0.jpg", "", "mask", "incorrect", "new"), ("5.jpg", "", "gender", "male", "new")],
        columns=[*COLUMNS],
    )
    table = merged(earlier, new, cache)
    said = {(row.path, row.person, row.column): row.value for row in table.itertuples()}
    assert said == {
        ("0.jpg", "", "mask"): "incorrect",
        ("5.jpg", "", "gender"): "male",
        # p001 was corrected as a person, of whom one photo is another's now.
        ("4.jpg", "", "gender"): "female",
        ("6.jpg", "", "gender"): "female",
        ("7.jpg", "", "gender"): "female",
        ("9.jpg", "", "person"): "p002",
    }
    (tmp_path / "corrections.csv").write_bytes(csv_bytes(table))
    corrected, _ = apply(listing_of(right_labels(), CONTEST, tmp_path), None)
    assert corrected.photos["gender"][4:8].tolist() == [1, 0, 1, 1]


def test_people_who_were_renamed_are_corrected_photo_by_photo(cache: Cache) -> None:
    assert renamed_people(earlier_corrections(cache), cache) == {"p002"}


def test_without_earlier_corrections_the_new_ones_stand_alone(tmp_path: Path) -> None:
    cache = write_told(tmp_path / "cache", right_labels())
    new = pd.DataFrame([("", "p003", "gender", "male", "new")], columns=[*COLUMNS])
    assert merged(earlier_corrections(cache), new, cache).to_numpy().tolist() == new.to_numpy().tolist()
