"""Answers in words: the columns of answers.csv, closed form."""

import numpy as np
import pytest

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from faces.plots import class_names, value_names
from infer.answers.submission import answer_table
from infer.answers.words import headings, part_shares, words_table
from infer.ensemble.vote import Verdict
from tests.helpers.own_labels import OWN


def test_columns_are_called_by_factors_and_what_is_cut_by_the_task() -> None:
    for name, called in {
        "class18": ("mask", "gender", "age"),
        "mask": ("mask",),
        "age3": ("age",),
        "senior": ("senior",),
        "age6": ("age6",),
        "mask*age>=30[60]": ("mask", "age>=30[60]"),
        "mask*age6": ("mask", "age[20, 30, 47, 55, 60]"),
    }.items():
        assert headings(CONTEST.task(name)) == called


def test_values_that_are_called_alike_are_told_apart_by_their_factor() -> None:
    assert class_names(TASKS["class18"]) == [*TASKS["class18"].classes]
    assert value_names(OWN.task("glasses")) == [("yes", "no")]
    assert class_names(OWN.task("glasses*helmet"))[3] == "glasses no helmet yes"


def test_shares_of_a_part_are_sums_over_the_others() -> None:
    shares = part_shares(np.arange(12.0)[None] / 66, OWN.task("glasses*helmet*years"))
    glasses, helmet, years = ((66 * each[0]).round(9).tolist() for each in shares)
    assert (glasses, helmet, years) == ([15, 51], [14, 22, 30], [30, 36])


def test_the_value_is_that_of_the_answered_class_not_the_likeliest_of_its_factor(unseen: Cache) -> None:
    task = OWN.task("glasses*years")
    # yes young .4, no young .35, no old .25: no is likelier than yes, and yes young the likeliest class.
    chances = np.tile([0.4, 0.0, 0.35, 0.25], (len(unseen), 1))
    verdict = Verdict(
        classes=np.zeros(len(unseen), np.int64), probabilities=chances, agreement=np.ones(len(unseen))
    )
    table = answer_table(unseen, verdict, np.array([0.1, 0.2, 0.3, 0.4]), task)
    assert [*table.columns[4:]] == [
        "glasses*years:yes <40",
        "glasses*years:yes >=40",
        "glasses*years:no <40",
        "glasses*years:no >=40",
    ]
    words = words_table(unseen, table, task)
    rows = words.to_csv(index=False).splitlines()
    assert rows[0] == (
        "path,left,top,right,bottom,glasses,glasses probability,years,years probability,status"
    )
    assert rows[1] == "0.jpg,8.0,8.0,40.0,40.0,yes,0.4000,<40,0.7500,detected"
    assert rows[4] == "3.jpg,,,,,yes,0.4000,<40,0.7500,fallback"
    assert rows[13:] == [f"{place}.jpg,,,,,no,0.7000,>=40,0.6000,rejected" for place in (12, 13)]


@pytest.mark.parametrize(
    ("name", "said"), [("senior", "senior,senior probability"), ("age6", "age6,age6 probability")]
)
def test_a_part_of_the_people_or_a_finer_cut_says_its_class(unseen: Cache, name: str, said: str) -> None:
    task = CONTEST.task(name)
    chances = np.tile(np.eye(len(task.classes))[1] * 0.5, (len(unseen), 1))
    answered = np.ones(len(unseen), np.int64)
    verdict = Verdict(classes=answered, probabilities=chances, agreement=answered)
    words = words_table(unseen, answer_table(unseen, verdict, chances[0], task), task)
    assert words.to_csv(index=False).splitlines()[:2] == [
        f"path,left,top,right,bottom,{said},status",
        f"0.jpg,8.0,8.0,40.0,40.0,{task.classes[1]},0.5000,detected",
    ]


def test_a_photo_that_is_called_like_a_formula_is_named_by_a_path(
    unseen: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = unseen.index.assign(source=[f"={name}" for name in unseen.index.source])
    monkeypatch.setattr(Cache, "columns", lambda _, *names: index[[*names]])
    verdict = Verdict(
        classes=np.zeros(len(unseen), np.int64),
        probabilities=np.eye(18)[np.zeros(len(unseen), np.int64)],
        agreement=np.ones(len(unseen)),
    )
    task = CONTEST.task("class18")
    words = words_table(unseen, answer_table(unseen, verdict, np.eye(18)[0], task), task)
    assert words.path.tolist() == [*(f"./={place}.jpg" for place in range(12)), "12.jpg", "13.jpg"]
