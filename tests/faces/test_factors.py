"""What people write for a label, and what it means."""

import math
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.factors import UNKNOWN, Categories, Number, band_codes, band_names, number_range
from faces.labels import CONTEST

GLASSES = Categories(
    name="glasses", categories=("yes", "no"), words=(("Brille", "con gafas", "1"), ("0", "ohne"))
)
AGE = CONTEST.factor("age")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("yes", 0),
        (" YES ", 0),
        ("brille", 0),
        ("con-gafas", 0),
        ("Con_Gafas", 0),
        ("1.0", 0),
        ("0", 1),
        ("OHNE", 1),
        *((word, UNKNOWN) for word in ("", " ", "nan", "Unknown", "N/A", "null")),
    ],
)
def test_words_of_any_language_mean_a_category(text: str, code: int) -> None:
    assert GLASSES.read(text) == code


def test_a_word_that_none_knows_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"glasses 'brile' is none of yes, .* did you mean 'brille'"):
        GLASSES.read("brile")


def test_none_is_a_category_where_one_is_called_so_and_else_refused() -> None:
    beard = Categories(name="beard", categories=("none", "some", "full"))
    assert (beard.read("None"), beard.read(""), beard.read("full")) == (0, UNKNOWN, 2)
    with pytest.raises(ValueError, match="glasses 'none' is none of yes"):
        GLASSES.read("none")


@pytest.mark.parametrize(
    ("categories", "words", "complaint"),
    [
        (("yes",), (), "at least two values"),
        ((), (), "no values"),
        (("yes", "YES"), (), "means both"),
        (("yes", "no"), (("x",), ("X",)), "'x' means both 'yes' and 'no'"),
        (("yes", "a:b"), (), "no colon"),
        (("yes", "unknown"), (), "not known"),
    ],
)
def test_what_is_no_factor_is_refused(
    categories: tuple[str, ...], words: tuple[tuple[str, ...], ...], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Categories(name="glasses", categories=categories, words=words)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("45", 45),
        ("45.5", 45.5),
        ("30-39", 35),
        ("(30, 39)", 35),
        ("30 to 39", 35),
        ("60+", 65),
        (">=60", 65),
        ("more than 70", 75),
        ("<30", 25),
        ("under 30", 25),
        ("over 60", 65),
        ("older than 60", 65),
        ("> 60", 65),
        ("≥60", 65),
        ("below 30", 25),
        ("30~39", 35),
        ("30～39", 35),
        ("30–39", 35),
        ("40s", 45),
        ("40's", 45),
        ("20대", 25),
        ("0s", 5),
        ("25세", 25),
        ("30-39세", 35),
        ("60세 이상", 65),
        ("60대 이상", 65),
        ("30세 미만", 25),
        (unicodedata.normalize("NFD", "20대"), 25),
        ("0-2", 1.5),
    ],
)
def test_a_number_may_be_a_range(text: str, years: float) -> None:
    assert AGE.read(text) == years


def test_decades_are_years_alone() -> None:
    """10s may be ten seconds."""
    for unit in ("", "s", "cm"):
        with pytest.raises(ValueError, match="'10s' is no number"):
            Number(name="wait", edges=(5.0,), unit=unit).read("10s")
    with pytest.raises(ValueError, match="'45s' is no number"):
        AGE.read("45s")


MASK_WORDS = (
    ("worn", "mask on", "Mask-On", "착용", "마스크 착용"),
    ("incorrectly worn", "오착용", "턱스크"),
    (
        "none",
        "None",
        "no mask",
        "NoMask",
        "mask off",
        "without mask",
        "unmasked",
        "not worn",
        "미착용",
        "마스크 미착용",
    ),
)
GENDER_WORDS = (("M", "male", "남", "남성", "남자"), ("F", "woman", "여", "여성", "여자"))


@pytest.mark.parametrize(("name", "words"), [("mask", MASK_WORDS), ("gender", GENDER_WORDS)])
def test_words_of_the_contests_factors_in_pieces_too(name: str, words: tuple[tuple[str, ...], ...]) -> None:
    for code, each in enumerate(words):
        for word in each:
            assert CONTEST.factor(name).read(word) == code
            assert CONTEST.factor(name).read(unicodedata.normalize("NFD", word)) == code
    assert CONTEST.factor("gender").read("none") == UNKNOWN and math.isnan(AGE.read("none"))


def test_what_is_not_known_of_a_number_is_nan() -> None:
    assert all(math.isnan(AGE.read(text)) for text in ("", "None", "nan"))
    assert number_range("39-30") is None


@pytest.mark.parametrize("text", ["old", "121", "-1", "39-30", "1e9", "inf"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no number of years from 0 to 120"):
        AGE.read(text)


@given(st.lists(st.integers(1, 100), min_size=1, max_size=6, unique=True).map(sorted), st.integers(0, 120))
def test_each_number_is_in_the_band_that_its_name_says(edges: list[int], number: int) -> None:
    name = band_names(edges)[band_codes([number], edges)[0]]
    low, high = number_range(name) or (int(name), int(name) + 1)
    assert low <= number < high


@given(st.sampled_from(CONTEST.factors), st.integers(0, 2))
def test_a_label_in_words_is_read_back(factor: Categories | Number, code: int) -> None:
    value = [20.0, 40.5, 70.0][code] if isinstance(factor, Number) else min(code, len(factor.classes) - 1)
    assert factor.read(factor.say(value)) == value
    assert factor.say(factor.missing) == "unknown"


def test_edges_that_are_none_are_refused() -> None:
    for edges, complaint in (
        ((), "no edges"),
        ((40, 20), "must ascend"),
        ((20, 20), "ascend"),
        ((0, 20), "range"),
    ):
        with pytest.raises(ValueError, match=complaint):
            Number(name="age", edges=tuple(map(float, edges)))


def test_bands_of_decimal_edges_are_named_by_their_ends() -> None:
    assert band_names((0.5, 1.5)) == ("<0.5", "0.5 to 1.5", ">=1.5")
    assert band_names((30.0, 31.0, 60.0), 20) == ("20-29", "30", "31-59", ">=60")
