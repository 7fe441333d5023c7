"""What folds.png shows of an out-of-fold table."""

import numpy as np
import pandas as pd

from faces.labels import CONTEST
from train.results.folds_picture import folds_figure
from train.results.oof import columns_of

PHOTOS = 40


def table(task: str) -> pd.DataFrame:
    """40 photos of two folds, the last of unknown age, and random answers in a task."""
    random = np.random.default_rng(0)
    columns = columns_of(CONTEST.task(task))
    facts = pd.DataFrame(
        {
            "fold": np.arange(PHOTOS) % 2,
            "mask": random.integers(0, 3, PHOTOS),
            "gender": random.integers(0, 2, PHOTOS),
            "age": [*np.linspace(18, 70, PHOTOS - 1), np.nan],
        }
    )
    answers = random.dirichlet(np.ones(len(columns)), PHOTOS)
    return facts.join(pd.DataFrame(answers, columns=columns))


def test_every_labelled_photo_is_counted_once_in_each_panel() -> None:
    figure = folds_figure(table("class18"), "x", CONTEST)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["18 classes", "mask", "gender", "age", "is age >=60? answers out of fold"]
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes]
    assert counts == [PHOTOS - 1, PHOTOS, PHOTOS, PHOTOS - 1, PHOTOS - 1]
    # The bars of each fold stand together: those of the 18 classes first, then those of the other.
    heights = [bar.get_height() for bar in figure.axes[3].patches]
    assert sum(heights[:3]) == PHOTOS / 2


def test_answers_that_tell_no_number_have_no_histogram() -> None:
    titles = [axes.get_title() for axes in folds_figure(table("mask"), "x", CONTEST).axes]
    assert titles == ["18 classes", "mask", "gender", "age"]
