"""What each head is taught of each photo: a row over its outcomes, whose sum or last column is its weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faces.cache.reader import Cache
from faces.labels import FloatArray, IntArray
from train.data.clipped import with_end
from train.data.teacher import teach
from train.data.teacher_file import read_teacher
from train.network.kinds import codings_of
from train.recipe.data import Teacher
from train.recipe.fit import number_meant
from train.recipe.recipe import Recipe

NUMBER_OUTPUT: Final = "age"
"""Name of the output and the target of the auxiliary regression of a number, beside those of the tasks."""


def number_output(tasks: Sequence[str]) -> str:
    """`NUMBER_OUTPUT`, or what no task can be called where one is called like that."""
    return f"{NUMBER_OUTPUT}:number" if NUMBER_OUTPUT in tasks else NUMBER_OUTPUT


def regression_rows(numbers: FloatArray, training: IntArray) -> NDArray[np.float32]:
    """float32 [n, 2]: the number in standard deviations of the training photos' from their mean, and weight
    1; both 0 where it is unknown."""
    known = _known(numbers, training)
    scaled = (numbers - known.mean()) / _spread(known)
    weight = ~np.isnan(numbers)
    return np.stack([np.where(weight, scaled, 0), weight], 1).astype(np.float32)


def make_targets(recipe: Recipe, cache: Cache, training: IntArray) -> dict[str, NDArray[np.float32]]:
    """The targets of every row of a cache, by task, and `number_output` where the recipe regresses a number.

    Args:
        recipe: whose tasks and `age` are meant.
        cache: with labels.
        training: rows that train, which alone scale the regression and say where numbers end.

    Raises:
        ValueError: regression without any known number, or predictions of a teacher that cannot be used.
    """
    photos, labels = cache.photos(), cache.label_set
    recipe, _ = with_end(recipe, cache, training)
    targets = {name: coding.targets(photos) for name, coding in codings_of(recipe, labels).items()}
    if recipe.teacher.predictions:
        answers = read_teacher(recipe.teacher.predictions, cache)
        targets = {
            name: teach(rows, labels.task(name), cache.known(name), answers, recipe.teacher, labels)
            for name, rows in targets.items()
        }
    if recipe.age.regression:
        number = number_meant(recipe.tasks, labels)
        assert number is not None
        numbers = photos[number.name].to_numpy(np.float64)
        targets[number_output(recipe.tasks)] = regression_rows(numbers, training)
    return targets


def labels_alone(
    recipe: Recipe, cache: Cache, training: IntArray, targets: Mapping[str, Tensor]
) -> Mapping[str, Tensor]:
    """Targets of `make_targets` without what a teacher says, whose answers are no truth to be judged by."""
    if not recipe.teacher.predictions:
        return targets
    alone = make_targets(replace(recipe, teacher=Teacher()), cache, training)
    return {name: torch.from_numpy(values).to(targets[name].device) for name, values in alone.items()}


def number_variance(recipe: Recipe, cache: Cache, training: IntArray) -> float:
    """By what a squared error of `regression_rows` becomes one in the number's unit; 1 without regression."""
    number = number_meant(recipe.tasks, cache.label_set) if recipe.age.regression else None
    if number is None:
        return 1.0
    return _spread(_known(cache.columns(number.name)[number.name].to_numpy(np.float64), training)) ** 2


def check_numbers(recipe: Recipe, cache: Cache, training: IntArray) -> None:
    """Refuse to regress a number that is known of no training photo.

    Raises:
        ValueError: as `regression_rows`.
    """
    number = number_meant(recipe.tasks, cache.label_set) if recipe.age.regression else None
    if number is not None:
        _known(cache.columns(number.name)[number.name].to_numpy(np.float64), training)


def _spread(known: FloatArray) -> float:
    """Standard deviation, above 0."""
    return max(float(known.std()), 1e-6)


def _known(numbers: FloatArray, training: IntArray) -> FloatArray:
    known = numbers[training][~np.isnan(numbers[training])]
    if not len(known):
        raise ValueError("age.regression: no training photo has a known number; set it to 0")
    return known
