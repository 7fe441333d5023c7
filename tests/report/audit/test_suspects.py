"""What confident learning takes for wrong, and photos whose labels are each other's."""

import numpy as np
import pandas as pd
import pytest

from faces.labels import CONTEST
from report.audit.suspects import quality_of, suspects_of, units_of
from report.audit.swaps import swaps_of
from tests.report.audit.wrongly_labelled import sure

MASK, GENDER = CONTEST.factor("mask"), CONTEST.factor("gender")


def photos(people: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"person": people, "source": [f"{place}.jpg" for place in range(len(people))]})


def test_labels_that_were_made_wrong_are_suspect_and_ranked_by_their_own_probability() -> None:
    truth = np.arange(120) % 3
    probabilities = sure(truth.tolist(), 3)
    codes = truth.copy()
    for place, code, share in ((10, 2, 0.97), (40, 0, 0.9), (77, 1, 0.99)):
        codes[place] = code
        probabilities[place] = sure([int(truth[place])], 3, share)[0]
    assert (codes != truth).sum() == 3
    units = units_of(photos(["p"] * 120), MASK, codes, probabilities)
    found = suspects_of(units)
    assert [int(each.rows[0]) for each in found] == [77, 10, 40]
    assert [each.suggested for each in found] == [truth[77], truth[10], truth[40]]
    assert [each.quality for each in found] == pytest.approx([0.005, 0.015, 0.05])
    assert [each.confidence for each in found] == pytest.approx([0.99, 0.97, 0.9])
    # 0.9 does not reach the mean of those that are labelled with the class.
    assert [each.flagged for each in found] == [True, True, False]
    np.testing.assert_allclose(quality_of(units), probabilities[np.arange(120), codes])


def test_right_labels_are_not_suspect_and_classes_without_a_photo_are_no_hindrance() -> None:
    truth = [0, 2] * 30
    units = units_of(photos(["p"] * 60), MASK, np.array(truth), sure(truth, 3))
    assert suspects_of(units) == []


def test_a_person_bears_one_label_and_the_mean_of_the_photos_answers() -> None:
    people = ["a", "b", "a", "b", "c.jpg", "a"]
    told = photos(people).assign(source=["0.jpg", "1.jpg", "2.jpg", "3.jpg", "c.jpg", "5.jpg"])
    codes = np.array([0, 1, 0, -1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5], [0.3, 0.7], [0.3, 0.7]])
    units = units_of(told, GENDER, codes, probabilities)
    assert [each.tolist() for each in units.rows] == [[0, 2, 5], [1], [4]]
    assert units.labels.tolist() == [0, 1, 1]
    np.testing.assert_allclose(units.probabilities, [[0.6, 0.4], [0.2, 0.8], [0.3, 0.7]])
    assert units.named.tolist() == [True, True, False]  # c.jpg is a photo of nobody named


def test_swapped_labels_are_found_within_a_person_each_photo_once() -> None:
    people = pd.Series(["a", "a", "a", "b", "b", "c"])
    codes = np.array([1, 2, 2, 1, 0, 2])
    probabilities = np.array(
        [
            [0.0, 0.1, 0.9],
            [0.0, 0.8, 0.2],  # with the first: .9 * .8 against .1 * .2
            [0.0, 0.6, 0.4],  # with the first: .9 * .6 against .1 * .4
            [0.1, 0.1, 0.8],  # nobody of b is answered so
            [0.9, 0.1, 0.0],
            [0.0, 0.9, 0.1],  # another person's
        ]
    )
    [swap] = swaps_of(people, codes, probabilities)
    assert (swap.rows, swap.given) == ((0, 1), (1, 2))
    assert swap.probability == pytest.approx(0.72 / (0.72 + 0.02))
