import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy.stats import binom

from faces.labels import CLASS_NAMES, TASKS
from infer.answers.shares import PHOTOS_A_PERSON, class_shares, shares_table

TASK = TASKS["class18"]
UNIFORM = np.full(18, 1 / 18)


def marked(answers: np.ndarray, prior: np.ndarray) -> set[tuple[str, str]]:
    rows = class_shares(answers, prior, TASK)
    return set(zip(rows.group[rows.unlike], rows.name[rows.unlike], strict=True))


def test_counts_and_shares_of_every_factor_and_class() -> None:
    # mask 0 gender 0 age 0; mask 0 gender 1 age 2; mask 2 gender 1 age 2, twice
    rows = class_shares(np.array([0, 5, 17, 17]), UNIFORM, TASK).set_index(["group", "name"])
    assert len(rows) == 3 + 2 + 3 + 18
    assert rows.loc["mask", "count"].to_dict() == {"wear": 2, "incorrect": 0, "normal": 2}
    assert rows.loc["gender", "share"].to_dict() == {"male": 0.25, "female": 0.75}
    assert rows.loc["age", "count"].to_dict() == {"<30": 1, "30-59": 0, ">=60": 3}
    assert rows.loc[("class", CLASS_NAMES[17]), "share"] == 0.5
    np.testing.assert_allclose(rows.loc["age", "training"], 1 / 3)
    for _, part in rows.groupby(level="group"):
        assert part["count"].sum() == 4
        assert part.training.sum() == pytest.approx(1)


def test_equal_shares_are_not_marked() -> None:
    assert not marked(np.tile(np.arange(18), 700), UNIFORM)
    one_class = np.eye(18)[4]
    assert not marked(np.full(700, 4), one_class)


def test_a_difference_must_be_both_large_and_sure() -> None:
    prior = np.zeros(18)
    prior[0], prior[2] = 0.9, 0.1
    seniors = ("age", ">=60"), ("class", CLASS_NAMES[2])
    surely_but_little = np.repeat([0, 2], [8100, 1900])
    much_but_by_chance = np.repeat([0, 2], [49, 21])
    much_and_surely = np.repeat([0, 2], [4900, 2100])
    assert not marked(surely_but_little, prior)
    assert not marked(much_but_by_chance, prior)
    assert marked(much_and_surely, prior) == {*seniors}


@pytest.mark.parametrize("people", [40, 60])
def test_a_class_never_answered_is_marked_once_that_is_too_unlikely_to_be_chance(people: int) -> None:
    # (1 - 0.1) ** people is 0.0148 for 40 and 0.0018 for 60; a side of a 99 % interval leaves out 0.005.
    prior = np.zeros(18)
    prior[0], prior[2] = 0.9, 0.1
    found = ("age", ">=60") in marked(np.zeros(people * PHOTOS_A_PERSON, np.int64), prior)
    assert found == (0.9**people < 0.005)


def test_the_interval_is_that_of_the_binomial_where_people_are_whole() -> None:
    people, prior = 50, np.zeros(18)
    prior[0], prior[2] = 0.8, 0.2
    for hits in range(people + 1):
        answers = np.repeat([0, 2], [(people - hits) * PHOTOS_A_PERSON, hits * PHOTOS_A_PERSON])
        unlikely = min(binom.cdf(hits, people, 0.2), binom.sf(hits - 1, people, 0.2)) < 0.005
        large = hits > 0.4 * people or hits < 0.1 * people
        assert (("age", ">=60") in marked(answers, prior)) == (unlikely and large)


def test_a_class_that_training_never_saw_is_marked_when_it_is_answered() -> None:
    never = np.array([*[1 / 17] * 17, 0])
    assert ("class", CLASS_NAMES[17]) in marked(np.tile(np.arange(18), 100), never)


def test_the_table_marks_rows_and_says_what_the_mark_means() -> None:
    def printed(answers: np.ndarray) -> str:
        text = io.StringIO()
        Console(file=text, width=100).print(shares_table(pd.DataFrame({"ans": answers}), UNIFORM, TASK))
        return text.getvalue()

    skewed = printed(np.zeros(1400, np.int64))
    assert "the 1,400 answers" in skewed
    assert skewed.count("*") > 1
    assert "* unlike training" in skewed
    assert "*" not in printed(np.tile(np.arange(18), 70))
