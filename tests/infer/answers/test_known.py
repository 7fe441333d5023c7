"""Known answers: scores of predictions with other people drawn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.intervals import DRAWS, drawn_f1, estimate, gain
from faces.labels import CLASS_COUNT, TASKS
from faces.projection import split_classes
from faces.scores import class_scores
from infer.answers.known import Known, Truth, read_people

RANDOM = np.random.default_rng(0)
PEOPLE = np.repeat(np.arange(30), 7)
CLASSES = RANDOM.integers(CLASS_COUNT, size=len(PEOPLE))
TASK = TASKS["class18"]
TRUTH = Truth.of(split_classes(CLASSES, TASK), TASK)


def answered(share: float) -> np.ndarray:
    """The truth for a share of the photos, other classes for the rest."""
    wrong = RANDOM.random(len(CLASSES)) >= share
    return np.where(wrong, (CLASSES + 1) % CLASS_COUNT, CLASSES)


def test_answers_against_themselves_differ_by_nothing_in_every_draw() -> None:
    known, answers = Known(TRUTH, PEOPLE), answered(0.5)
    counts = known.counts([answers])
    assert known.people == 30 and drawn_f1(counts).shape == (DRAWS,)
    assert gain(known.counts([answers, answers]), counts).signed_interval == "[+0.000, +0.000]"
    assert estimate(known.counts([CLASSES])).interval == "[1.000, 1.000]"


def test_several_answers_score_their_mean_in_every_draw() -> None:
    known, one, other = Known(TRUTH, PEOPLE), answered(0.3), answered(0.7)
    both, first, second = (drawn_f1(known.counts(answers)) for answers in ([one, other], [one], [other]))
    np.testing.assert_allclose(both, (first + second) / 2)
    means, alone = (
        TRUTH.mean_scores([one, other]),
        [class_scores(CLASSES, each, TASK) for each in (one, other)],
    )
    assert means == pytest.approx({name: (alone[0][name] + alone[1][name]) / 2 for name in means})


def test_a_difference_that_every_person_bears_out_excludes_zero() -> None:
    known = Known(TRUTH, PEOPLE)
    found = gain(known.counts([answered(0.8)]), known.counts([answered(0.2)]))
    assert 0.3 < found.low < found.high < 0.9


def test_people_follow_the_order_of_the_predictions(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("ImageID,ans,person\nb.jpg,0,007\na.jpg,1,12\nc.jpg,2,007\n")
    table = pd.DataFrame({"ImageID": ["a.jpg", "c.jpg", "b.jpg"]})
    people = read_people(path, table)
    assert people is not None and people.tolist() == [0, 1, 1]
    path.write_text("ImageID,ans,person\na.jpg,1,7\nb.jpg,1,\nc.jpg,1,7\n")
    with pytest.raises(ValueError, match=r"answers.csv: 1 photos have no person, the first is b.jpg; fill"):
        read_people(path, table)
    path.write_text("ImageID,ans\na.jpg,1\nb.jpg,1\nc.jpg,1\n")
    assert read_people(path, table) is None
