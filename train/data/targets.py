"""What each head is taught of each photo: a row over its outcomes, whose sum is the photo's weight."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from faces.cache import Cache
from faces.labels import AGE_EDGES, GENDERS, MASKS, TASKS, UNKNOWN, FloatArray, IntArray, Task
from train.data.teacher import teach
from train.data.teacher_file import read_teacher
from train.recipe.data import Age
from train.recipe.recipe import Recipe, age_alone

AGE_OUTPUT = "age"
"""Name of the output and target of the auxiliary age regression, beside those of the tasks."""
YEARS = 101
"""Outcomes of a distribution over years: 0 to 99, and 100 or more."""


def age_cumulative(limits: FloatArray, ages: FloatArray, settings: Age) -> NDArray[np.float64]:
    """Share of each label that lies below some ages, the label spread as a Gaussian.

    Labels are whole years: 59 stands for [59, 60) and is spread about 59.5, so that with sigma = 3 the share
    below 60 is Phi(.5 / 3) = .57 for 59 and .43 for 60. Labels at or above `clipped_at` are mirrored at it:
    what would lie below comes to lie as far above.

    Args:
        limits: [m] years.
        ages: [n] years, known.
        settings: with `sigma` above 0.

    Returns:
        [n, m] in [0, 1].
    """
    centre = np.floor(ages)[:, None] + 0.5
    below = ndtr((limits - centre) / settings.sigma)
    if not settings.clipped_at:
        return np.asarray(below)
    mirrored = below - ndtr((2 * settings.clipped_at - limits - centre) / settings.sigma)
    mirrored = np.where(limits < settings.clipped_at, 0, mirrored)
    return np.where(ages[:, None] >= settings.clipped_at, mirrored, below)


def training_edges(task: Task, settings: Age) -> tuple[float, ...]:
    """The task's age edges with the oldest boundary where training puts it."""
    return tuple(settings.senior_from if edge == AGE_EDGES[-1] else edge for edge in task.edges)


def age_rows(edges: tuple[float, ...], ages: FloatArray, settings: Age) -> NDArray[np.float64]:
    """[n, len(edges) + 1] share of each label in each band; all 0 where the age is NaN."""
    known = ~np.isnan(ages)
    rows = np.zeros((len(ages), len(edges) + 1))
    if settings.sigma:
        below = age_cumulative(np.array(edges), ages[known], settings)
        rows[known] = np.diff(below, axis=1, prepend=0.0, append=1.0)
    else:
        rows[known, np.digitize(ages[known], edges)] = 1
    return rows


def class_rows(task: Task, photos: pd.DataFrame, settings: Age) -> NDArray[np.float32]:
    """What a head with an output for each class is taught.

    Args:
        task: the head's.
        photos: n rows with `mask`, `gender` and `age`.
        settings: of the recipe.

    Returns:
        float32 [n, classes]; a row sums to 1, to `uncertain_weight` where the task tells age and the photo's
        is uncertain, and to 0 where a factor is unknown or the person too young for the task.
    """
    years = photos["age"].to_numpy(np.float64)
    rows = np.ones((len(photos), 1))
    for factor in task.factors:
        if factor == "age":
            part = age_rows(training_edges(task, settings), years, settings)
            part[years < task.youngest] = 0
            part[np.isin(np.floor(years), settings.uncertain)] *= settings.uncertain_weight
        else:
            names = MASKS if factor == "mask" else GENDERS
            part = (photos[factor].to_numpy()[:, None] == np.arange(len(names))).astype(np.float64)
        rows = (rows[:, :, None] * part[:, None, :]).reshape(len(photos), -1)
    return rows.astype(np.float32)


def year_rows(task: Task, ages: FloatArray, settings: Age) -> NDArray[np.float32]:
    """What a head over years is taught: float32 [n, YEARS], with row sums as in `class_rows`."""
    mine = ages >= task.youngest  # False for NaN
    rows = np.zeros((len(ages), YEARS))
    below = age_cumulative(np.arange(1.0, YEARS), ages[mine], settings)
    rows[mine] = np.diff(below, axis=1, prepend=0.0, append=1.0)
    rows[np.isin(np.floor(ages), settings.uncertain)] *= settings.uncertain_weight
    return rows.astype(np.float32)


def regression_rows(ages: FloatArray, training: IntArray) -> NDArray[np.float32]:
    """float32 [n, 2]: the age in standard deviations of the training photos' from their mean, and weight 1;
    both 0 where it is unknown."""
    known = ages[training][~np.isnan(ages[training])]
    if not len(known):
        raise ValueError("age.regression: no training photo has a known age; set it to 0")
    scaled = (ages - known.mean()) / max(float(known.std()), 1e-6)
    weight = ~np.isnan(ages)
    return np.stack([np.where(weight, scaled, 0), weight], 1).astype(np.float32)


def make_targets(recipe: Recipe, cache: Cache, training: IntArray) -> dict[str, NDArray[np.float32]]:
    """The targets of every row of a cache, by task, and `AGE_OUTPUT` where the recipe regresses age.

    Args:
        recipe: whose tasks and `age` are meant.
        cache: with labels.
        training: rows that train, which alone scale the regression.

    Raises:
        ValueError: regression without any known age, or predictions of a teacher that cannot be used.
    """
    photos = cache.columns("mask", "gender", "age")
    ages = photos["age"].to_numpy(np.float64)
    targets = {}
    for name in recipe.tasks:
        task = TASKS[name]
        if recipe.age.coding == "years" and age_alone(name):
            targets[name] = year_rows(task, ages, recipe.age)
        else:
            targets[name] = class_rows(task, photos, recipe.age)
    if recipe.teacher.predictions:
        answers = read_teacher(recipe.teacher.predictions, cache)
        labelled = cache.labels("class18") != UNKNOWN
        targets = {
            name: teach(rows, name, labelled, answers, recipe.teacher) for name, rows in targets.items()
        }
    if recipe.age.regression:
        targets[AGE_OUTPUT] = regression_rows(ages, training)
    return targets
