"""Known answers: scores of predictions with other people drawn."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.intervals import DRAWS, drawn_f1, estimate, gain
from faces.labels import CLASS_COUNT, CONTEST, TASKS
from faces.photos.names import path_cell
from faces.projection import split_classes
from faces.scores import class_scores
from faces.storage.cells import csv_bytes
from infer.answers.known import Known, Truth, read_people, read_truth
from tests.helpers.own_labels import OWN

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
    with pytest.raises(ValueError, match=r"csv: 1 photos have no person, the first is b.jpg, in row 3; fill"):
        read_people(path, table)
    path.write_text("ImageID,ans\na.jpg,1\nb.jpg,1\nc.jpg,1\n")
    assert read_people(path, table) is None


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Photos of which not every factor is known, in words, codes and numbers."""
    path = tmp_path / "own.csv"
    path.write_text("path,glasses,years,person\nb.jpg,no,,x\na.jpg,YES,39,x\nc.jpg,,60+,y\nd.jpg,no,65,y\n")
    return path


TABLE = pd.DataFrame({"ImageID": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]})


def test_factors_are_read_from_their_columns_and_count_where_they_are_known(own: Path) -> None:
    truth = read_truth(own, TABLE, OWN.task("glasses*years"), OWN)
    assert truth.factors["glasses"].tolist() == [0, 1, -1, 1]
    assert truth.factors["years"].tolist() == [0, -1, 1, 1]
    assert truth.classes.tolist() == [0, -1, -1, 3]
    assert truth.unknown == "glasses of 1 photos, years of 1 photos"
    scores = truth.scores(np.array([0, 2, 0, 1]))
    # a and d are known whole, of which a is right: F1 1 of class 0, and 0 of 1 and 3.
    assert scores == pytest.approx({"macro_f1": 1 / 3, "accuracy": 1 / 2, "glasses": 2 / 3, "years": 2 / 3})
    known = Known(truth, np.array([0, 0, 1, 1]))
    assert estimate(known.counts([np.array([0, 2, 0, 1])])).value == pytest.approx(1 / 3)


def test_scores_of_nothing_are_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("ImageID,glasses,years\na.jpg,,20\nb.jpg,yes,\nc.jpg,,\nd.jpg,,\n")
    scores = read_truth(path, TABLE, OWN.task("glasses*years"), OWN).scores(np.zeros(4, np.int64))
    assert np.isnan([scores["macro_f1"], scores["accuracy"]]).all()
    assert (scores["glasses"], scores["years"]) == (1, 1)


def test_ans_counts_the_contests_classes_whatever_of_them_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("ImageID,ans\na.jpg,0\nb.jpg,7\nc.jpg,\nd.jpg,17.0\n")
    truth = read_truth(path, TABLE, TASKS["mask_gender"], CONTEST)
    assert truth.classes.tolist() == [0, 2, -1, 5]
    with pytest.raises(ValueError, match=r"no column 'age'; it has ImageID, ans"):
        read_truth(path, TABLE, TASKS["age6"], CONTEST)
    path.write_text("ImageID,ans\na.jpg,0\nb.jpg,18\nc.jpg,2\nd.jpg,3\n")
    with pytest.raises(ValueError, match=r"row 3, b\.jpg: ans is '18', and the classes of class18 are 0"):
        read_truth(path, TABLE, TASKS["class18"], CONTEST)


def test_ans_of_other_labels_counts_the_classes_answered(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("ImageID,ans\na.jpg,5\nb.jpg,0\nc.jpg,-1\nd.jpg,2\n")
    truth = read_truth(path, TABLE, OWN.task("glasses*helmet"), OWN)
    assert truth.classes.tolist() == [5, 0, -1, 2]
    assert truth.factors["helmet"].tolist() == [2, 0, -1, 2]


def test_ans_of_something_else_is_not_read_where_the_factors_have_columns(tmp_path: Path) -> None:
    path = tmp_path / "answers.csv"
    path.write_text("ImageID,ans,glasses\na.jpg,9,yes\nb.jpg,0,no\nc.jpg,1,\nd.jpg,17,no\n")
    assert read_truth(path, TABLE, OWN.task("glasses"), OWN).classes.tolist() == [0, 1, -1, 1]


def test_words_that_mean_nothing_are_named_with_their_photo(own: Path) -> None:
    own.write_text(own.read_text().replace("YES", "yse"))
    with pytest.raises(ValueError, match=r"csv, row 3, a\.jpg: glasses 'yse' is none .*did you mean 'yes'"):
        read_truth(own, TABLE, OWN.task("glasses*years"), OWN)
    with pytest.raises(
        ValueError, match=r"no column 'ans', nor 'helmet'; it has path, glasses, years, person"
    ):
        read_truth(own, TABLE, OWN.task("helmet"), OWN)
    own.write_text("photo,glasses\na.jpg,yes\n")
    with pytest.raises(ValueError, match=r"no column 'ImageID', nor 'path'; it has photo, glasses"):
        read_truth(own, TABLE, OWN.task("glasses"), OWN)


def test_a_path_as_answers_have_it_names_the_photo(tmp_path: Path) -> None:
    names = ["=a.jpg", "@b.jpg", "c\rd.jpg", "./e.jpg", "사진.jpg"]
    table = pd.DataFrame({"ImageID": names})
    answers = pd.DataFrame({"path": [path_cell(name) for name in names], "ans": range(5)})
    assert answers.path.tolist()[:2] == ["./=a.jpg", "./@b.jpg"]
    (tmp_path / "answers.csv").write_bytes(csv_bytes(answers))
    assert read_truth(tmp_path / "answers.csv", table, TASK, CONTEST).classes.tolist() == [*range(5)]
