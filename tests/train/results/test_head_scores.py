"""Scores of heads, by formulas written out for photos that are labelled in part."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from faces.factors import Categories
from faces.labelling.label_file import label_set
from faces.labels import CONTEST, TASKS, FloatArray, IntArray, LabelSet
from tests.helpers.own_labels import OWN
from train.results.head_scores import score_heads

YES_NO = ("yes", "no")
PHOTOS = pd.DataFrame(
    {
        "glasses": [0, 0, 1, 1, -1, -1],
        "helmet": [0, 1, 2, -1, -1, 0],
        "years": [25.0, 65.0, math.nan, math.nan, math.nan, math.nan],
    }
)


def said(task: str, answers: Sequence[int] | IntArray, labels: LabelSet) -> FloatArray:
    """[n, classes] probabilities that are all the answer's."""
    return np.eye(len(labels.task(task).classes), dtype=np.float32)[[*answers]]


def scores_of(
    labels: LabelSet, photos: pd.DataFrame, **heads: Sequence[int] | IntArray
) -> Mapping[str, float]:
    return score_heads(photos, {task: said(task, found, labels) for task, found in heads.items()}, labels)


def drawn(n: int = 60) -> pd.DataFrame:
    """Contest photos, all labelled."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "mask": random.integers(0, 3, n),
            "gender": random.integers(0, 2, n),
            "age": random.uniform(18, 80, n),
        }
    )


def test_each_head_is_scored_on_the_photos_labelled_for_it() -> None:
    found = scores_of(OWN, PHOTOS, glasses=[0, 1, 1, 1, 0, 1], helmet=[0, 0, 2, 1, 2, 0])
    # glasses over photos 0-3: yes is right once of one guess and two true, no twice of three guesses.
    assert found["glasses_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    # helmet over photos 0, 1, 2, 5: yes 2 of 2 true and 3 guessed, no never, unsure always.
    assert found["helmet_f1"] == pytest.approx((4 / 5 + 0 + 1) / 3)
    assert found["macro_f1"] == pytest.approx((found["glasses_f1"] + found["helmet_f1"]) / 2)


def test_classes_of_one_name_are_told_apart_by_their_task() -> None:
    found = scores_of(OWN, PHOTOS, glasses=[0, 1, 1, 1, 0, 1], helmet=[0, 0, 2, 1, 2, 0])
    each = {name: value for name, value in found.items() if name.startswith("f1 ")}
    assert [*each] == [
        "f1 glasses yes",
        "f1 glasses no",
        "f1 helmet yes",
        "f1 helmet no",
        "f1 helmet unsure",
    ]
    assert (each["f1 glasses yes"], each["f1 helmet yes"]) == pytest.approx((2 / 3, 4 / 5))
    assert {name for name in scores_of(OWN, PHOTOS, helmet=[0] * 6) if name.startswith("f1 ")} == {
        "f1 yes",
        "f1 no",
        "f1 unsure",
    }


def test_a_head_without_a_labelled_photo_is_left_out_of_the_mean() -> None:
    unknown = PHOTOS.assign(helmet=-1)
    found = scores_of(OWN, unknown, glasses=[0, 0, 1, 1, 0, 0], helmet=[0] * 6, years=[0, 0, 1, 1, 1, 1])
    assert math.isnan(found["helmet_f1"]) and math.isnan(found["f1 helmet unsure"])
    # years over two photos: <40 is right once of two guesses, >=40 never.
    assert found["years_f1"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["macro_f1"] == pytest.approx((1 + found["years_f1"]) / 2)


@pytest.mark.parametrize(
    ("labels", "task"), [(OWN, "helmet"), (CONTEST, "class18"), (CONTEST, "mask"), (CONTEST, "age3")]
)
def test_nothing_labelled_is_no_score_and_no_crash(labels: LabelSet, task: str) -> None:
    photos = pd.DataFrame({factor.name: [factor.missing] * 3 for factor in labels.factors})
    found = scores_of(labels, photos, **{task: [0, 1, 1]})
    assert all(math.isnan(value) for value in found.values())
    assert len(found) == 2 + len(labels.task(task).classes)


def test_of_the_contest_class_and_factors_are_scored_as_scikit_learn_does() -> None:
    photos = drawn()
    heads = {
        task: np.random.default_rng(place).dirichlet(np.ones(len(TASKS[task].classes)), len(photos))
        for place, task in enumerate(("mask", "gender", "age3"))
    }
    found = score_heads(photos, heads, CONTEST)
    guess = {task: values.argmax(1) for task, values in heads.items()}
    truth = TASKS["class18"].encode(photos)
    joint = guess["mask"] * 6 + guess["gender"] * 3 + guess["age3"]
    assert [*found][:5] == ["macro_f1", "accuracy", "mask", "gender", "age"]
    assert [*found][5:] == [f"f1 {name}" for name in TASKS["class18"].classes]
    assert found["macro_f1"] == f1_score(truth, joint, average="macro", zero_division=0)
    assert found["accuracy"] == accuracy_score(truth, joint)
    for factor, task in (("mask", "mask"), ("gender", "gender"), ("age", "age3")):
        assert found[factor] == accuracy_score(TASKS[task].encode(photos), guess[task])


def test_partly_labelled_photos_count_for_the_factors_that_are_known() -> None:
    photos = drawn(8).assign(mask=[0, 0, 1, 1, 2, 2, -1, -1], gender=[0, 1] * 4)
    photos.loc[:3, "age"] = math.nan
    young = TASKS["class18"].encode(photos.assign(mask=photos["mask"].clip(lower=0), age=25.0))
    # Every gender is right, and the masks of the four photos whose age is not known.
    found = scores_of(CONTEST, photos, class18=np.where(photos["age"].isna(), young, (young + 6) % 18))
    assert (found["accuracy"], found["mask"], found["gender"]) == (0, 4 / 6, 1)
    assert found["age"] == pytest.approx((photos["age"][4:] < 30).mean())


def test_without_one_photo_of_all_labels_the_heads_are_judged_one_by_one() -> None:
    photos = drawn(6).assign(age=[25.0, 25, 25, math.nan, math.nan, math.nan], mask=[-1, -1, -1, 0, 1, 2])
    found = scores_of(CONTEST, photos, mask=[0] * 3 + [0, 1, 2], gender=[*photos["gender"]], age3=[0] * 6)
    scores = {"macro_f1": 1.0, "mask_f1": 1.0, "gender_f1": 1.0, "age3_f1": 1.0}
    assert {name: found[name] for name in scores} == scores
    assert "accuracy" not in found


def test_labels_of_the_mask_alone_have_no_headline_but_their_own_head() -> None:
    labels = label_set("masks", (CONTEST.factor("mask"),))
    found = scores_of(labels, pd.DataFrame({"mask": [0, 1, 2, -1]}), mask=[0, 1, 1, 2])
    expected = {"f1 wear": 1.0, "f1 incorrect": 2 / 3, "f1 normal": 0.0}
    assert found == pytest.approx({"macro_f1": 5 / 9, "mask_f1": 5 / 9, **expected})


def test_labels_with_two_of_the_contests_factors_are_judged_by_both_together() -> None:
    labels = label_set("faces", (CONTEST.factor("mask"), CONTEST.factor("gender")))
    photos = pd.DataFrame({"mask": [0, 1, 2, 2], "gender": [0, 1, 0, 1]})
    found = scores_of(labels, photos, mask=[0, 1, 2, 1], gender=[0, 1, 0, 1])
    assert [*found][:4] == ["macro_f1", "accuracy", "mask", "gender"]
    assert (found["accuracy"], found["mask"], found["gender"]) == (3 / 4, 3 / 4, 1)


def test_beside_the_contests_factors_one_more_means_that_heads_are_judged_one_by_one() -> None:
    labels = label_set("more", (*CONTEST.factors, Categories(name="glasses", categories=YES_NO)))
    photos = drawn(5).assign(glasses=[0, 1, 0, 1, 0])
    found = scores_of(labels, photos, class18=[*TASKS["class18"].encode(photos)], glasses=[0, 1, 0, 1, 1])
    assert found["class18_f1"] == 1
    assert found["macro_f1"] == pytest.approx((1 + found["glasses_f1"]) / 2)
