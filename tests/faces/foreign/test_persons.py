"""One person spelt in two ways is one person; what may be two people stays two."""

import unicodedata

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.foreign.persons import one_spelling, person_key, several_spellings
from tests.faces.foreign.spelt import NAMES, spellings


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Jose\u0301", "José"),
        (unicodedata.normalize("NFD", "홍길동"), "홍길동"),
        (" \u3000p1\xa0", "p1"),
        ("７", "7"),
        ("7.0", "7"),
        ("-7.00", "-7"),
        ("007", "007"),
        ("7.5", "7.5"),
        ("v1.0", "v1.0"),
        ("Anna", "Anna"),
        ("a  b", "a  b"),
    ],
)
def test_the_normal_form_is_composed_trimmed_and_whole(name: str, key: str) -> None:
    assert person_key(name) == key


@settings(deadline=None, max_examples=200)
@given(st.data(), NAMES)
def test_every_spelling_has_the_normal_form_and_that_has_itself(data: st.DataObject, name: str) -> None:
    assert person_key(name) == name
    assert person_key(data.draw(st.sampled_from(spellings(name)))) == name


@settings(deadline=None, max_examples=40)
@given(st.data(), st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_who_is_there_by_the_normal_form_too_is_called_so(data: st.DataObject, names: list[str]) -> None:
    spelt = [data.draw(st.sampled_from(spellings(name))) for name in names]
    people, sources = pd.Series([*names, *spelt, ""]), pd.Series([""] * (2 * len(names)) + ["x.jpg"])
    assert one_spelling(people, sources).tolist() == [*names, *names, ""]


@settings(deadline=None, max_examples=40)
@given(st.data(), st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_who_is_spelt_one_way_keeps_it(data: st.DataObject, names: list[str]) -> None:
    """So the folds of caches of before are what they were."""
    people = pd.Series([data.draw(st.sampled_from(spellings(name))) for name in names] * 2)
    assert several_spellings(people) == {}
    assert one_spelling(people, pd.Series("", people.index)).equals(people)


def test_photos_of_nobody_named_are_called_as_their_files_are() -> None:
    files = pd.Series(["é.jpg", "e\u0301.jpg", "a.jpg", "b.jpg"])
    people = pd.Series(["é.jpg", "e\u0301.jpg", "7", "7.0"])
    assert one_spelling(people, files).tolist() == ["é.jpg", "e\u0301.jpg", "7", "7"]
