"""People who disagree with themselves, look-alikes, and classes that are told by what is filled."""

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.factors import Categories
from faces.labels import CONTEST, LabelSet
from report.audit.answers import Answers
from report.audit.people import disagreements, divergence_of
from report.audit.pixels import padding_of
from report.audit.twins import twins_of
from tests.helpers.coloured import write_told
from tests.report.audit.wrongly_labelled import sure


@pytest.mark.parametrize(
    ("rows", "bits"),
    [
        ([[0.7, 0.3], [0.7, 0.3]], 0.0),
        ([[1, 0], [0, 1]], 1.0),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.log2(3)),
    ],
)
def test_the_divergence_is_jensens_and_shannons(rows: list[list[float]], bits: float) -> None:
    assert divergence_of(np.array(rows)) == pytest.approx(bits)


def test_people_disagree_by_answers_and_by_labels_of_what_is_their_own(
    make_cache: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Gender is labelled photo by photo here, and is one value in 19 of 20 people; mask wear in none."""
    own = LabelSet(
        name="own",
        factors=(
            Categories(name="mask", categories=("on", "off")),
            Categories(name="gender", categories=("m", "f")),
        ),
    )
    table = pd.DataFrame({"person": [f"p{place // 2:02d}" for place in range(40)]})
    table["mask"], table["gender"] = np.arange(40) % 2, np.arange(40) // 2 % 2
    table.loc[1, "gender"] = 1
    cache: Cache = write_told(tmp_path_factory.mktemp("own") / "cache", table, own)
    photos = cache.index.assign(row=np.arange(40))
    answered = table["gender"].to_list()
    answered[1], answered[6] = 0, 0  # p00 is answered as one person, p03 as two
    probabilities = {"mask": sure(table["mask"].to_list(), 2), "gender": sure(answered, 2, 1.0)}
    found = disagreements(Answers(photos, probabilities, {}), cache)
    assert [(each.person, each.factor, each.by) for each in found] == [
        ("p00", "gender", "labels"),
        ("p03", "gender", "answers"),
    ]
    assert [each.divergence for each in found] == pytest.approx([1, 1])
    assert found[1].values.tolist() == [0, 1]


def test_look_alikes_of_two_people_or_two_labels_are_named_and_others_not() -> None:
    crops = pd.DataFrame(
        {
            "source": [f"{place}.jpg" for place in range(6)],
            "person": ["a", "b", "a", "a", "c", "d"],
            "status": ["detected"] * 5 + ["fallback"],
            "mask": [0, 0, 2, 0, 1, 1],
            "gender": [0, 1, 0, 0, 1, 1],
            "age": [30.0] * 6,
        }
    )
    apart = 0xFFFF0000
    hashes = np.array([7, 7 ^ 0b11, apart, apart, 99 << 40, 99 << 40], np.uint64)
    found = twins_of(crops, hashes, CONTEST)
    assert [(each.rows, each.distance, each.other_person, each.differing) for each in found] == [
        ((0, 1), 2, True, ("gender",)),
        ((2, 3), 0, False, ("mask",)),  # one person's photo under two labels
    ]  # of 4 and 5 one shows no face


def test_a_class_whose_crops_are_filled_more_is_told_by_that() -> None:
    masks = np.repeat([0, 1, 2], 40)
    photos = pd.DataFrame({"mask": masks, "gender": np.arange(120) % 2, "age": [40.0] * 120})
    true = np.where(masks == 2, 0.7, 1.0) + np.where(np.arange(120) % 10 == 0, -0.2, 0.0)
    found = {(each.factor, each.value): each for each in padding_of(true, photos, CONTEST)}
    assert found["mask", "normal"].tells and not found["mask", "wear"].tells
    assert found["mask", "normal"].padded == 1 and found["mask", "wear"].padded == pytest.approx(0.1)
    assert found["mask", "wear"].true == pytest.approx(0.98)
    assert not found["gender", "male"].tells and not found["gender", "female"].tells
    assert found["age", "30-59"].area is None  # there is nobody else
