"""Labels as shares of classes: certain ones as one class, numbers spread over neighbouring bands."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from faces.labels import Categories, FloatArray, Part, Photos, Task
from train.recipe.data import SENIOR, Age


def share_below(limits: FloatArray, numbers: FloatArray, settings: Age) -> NDArray[np.float64]:
    """Share of each label that lies below some limits, the label spread as a Gaussian.

    Labels are whole units: an age of 59 stands for [59, 60) and is spread about 59.5, so that with sigma = 3
    the share below 60 is Phi(.5 / 3) = .57 for 59 and .43 for 60. Labels at or above `clipped_at`, where
    there is such a number, are mirrored at it: what would lie below comes to lie as far above.

    Args:
        limits: [m] in the number's unit.
        numbers: [n] labels, known.
        settings: with `sigma` above 0.

    Returns:
        [n, m] in [0, 1].
    """
    centre = np.floor(numbers)[:, None] + 0.5
    below = ndtr((limits - centre) / settings.sigma)
    end = settings.end
    if math.isinf(end):
        return np.asarray(below)
    mirrored = np.where(limits < end, 0, below - ndtr((2 * end - limits - centre) / settings.sigma))
    return np.where(numbers[:, None] >= end, mirrored, below)


def trained_task(task: Task, senior_from: float) -> Task:
    """The task with an edge at 60 where training puts it."""
    parts = tuple(
        dataclasses.replace(part, edges=tuple(senior_from if edge == SENIOR else edge for edge in part.edges))
        for part in task.parts
    )
    return Task(name=task.name, parts=parts)


def lowest(part: Part) -> float:
    """The least number that is a task's; any is where nothing is said."""
    return -np.inf if part.least is None else part.least


def uncertain_numbers(numbers: FloatArray, settings: Age) -> NDArray[np.bool_]:
    """[n] which labels are among the recipe's uncertain ones."""
    return np.asarray(np.isin(np.floor(numbers), settings.uncertain))


def band_rows(edges: tuple[float, ...], numbers: FloatArray, settings: Age) -> NDArray[np.float64]:
    """[n, len(edges) + 1] share of each label in each band; all 0 where the number is NaN."""
    known = ~np.isnan(numbers)
    rows = np.zeros((len(numbers), len(edges) + 1))
    if settings.sigma:
        below = share_below(np.array(edges), numbers[known], settings)
        rows[known] = np.diff(below, axis=1, prepend=0.0, append=1.0)
    else:
        rows[known, np.digitize(numbers[known], edges)] = 1
    return rows


def class_rows(task: Task, photos: Photos, settings: Age) -> NDArray[np.float32]:
    """What a head with an outcome for each class is taught.

    Args:
        task: the head's.
        photos: labels of n photos.
        settings: of the recipe.

    Returns:
        float32 [n, classes]; a row sums to 1, to `uncertain_weight` where the task tells a number and the
        photo's is uncertain, and to 0 where a factor is not known or the photo not the task's.
    """
    rows = np.ones((len(photos[task.factors[0]]), 1))
    for part in trained_task(task, settings.senior_from).parts:
        values = np.asarray(photos[part.factor.name])
        more = (
            _category_rows(part, values)
            if isinstance(part.factor, Categories)
            else _number_rows(part, values.astype(np.float64), settings)
        )
        rows = (rows[:, :, None] * more[:, None, :]).reshape(len(rows), -1)
    return rows.astype(np.float32)


def _category_rows(part: Part, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(codes[:, None] == np.arange(len(part.classes)), np.float64)


def _number_rows(part: Part, numbers: FloatArray, settings: Age) -> NDArray[np.float64]:
    rows = band_rows(part.edges, numbers, settings)
    rows[numbers < lowest(part)] = 0
    rows[uncertain_numbers(numbers, settings)] *= settings.uncertain_weight
    return rows
