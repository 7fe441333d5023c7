"""What a face photo is labelled with, and how tasks built on those labels compose.

A photo carries three factors: mask wear, gender and age. The contest scores 18 classes,
`class = mask * 6 + gender * 3 + age band`. A `Task` maps the factors to a class of its own; a set of tasks
whose predictions together cover all three factors can be composed back to the 18 classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MASKS = ("wear", "incorrect", "normal")
GENDERS = ("male", "female")
AGE_EDGES = (30.0, 60.0)
AGE_BANDS = ("<30", "30-59", ">=60")
CLASS_COUNT = len(MASKS) * len(GENDERS) * len(AGE_BANDS)
UNKNOWN = -1
"""The mask or gender code, and the class of any task, of a photo whose label is not known."""

FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One classification problem over the three factors."""

    name: str
    classes: tuple[str, ...]
    factors: tuple[str, ...]
    """Which of `mask`, `gender` and `age` the task distinguishes, in the order of its mixed-radix class."""
    edges: tuple[float, ...] = AGE_EDGES
    """Lower ages, in years, of the second and later age classes."""
    youngest: float = 0.0
    """Photos of younger people are not this task's: they get `UNKNOWN` and are left out of training on it."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each of `factors` takes in this task."""
        size = {"mask": len(MASKS), "gender": len(GENDERS), "age": len(self.edges) + 1}
        return tuple(size[factor] for factor in self.factors)

    def encode(self, mask: ArrayLike, gender: ArrayLike, age: ArrayLike) -> IntArray:
        """Classes of photos.

        Args:
            mask: [n] codes into `MASKS`, or `UNKNOWN`.
            gender: [n] codes into `GENDERS`, or `UNKNOWN`.
            age: [n] years, or NaN where not known.

        Returns:
            [n] int64 classes in [0, len(classes)), `UNKNOWN` where a needed factor is not known or
            the person is younger than `youngest`.
        """
        years = np.asarray(age, np.float64)
        band = np.where(np.isnan(years), UNKNOWN, np.digitize(years, self.edges)).astype(np.int64)
        known = {"mask": np.asarray(mask, np.int64), "gender": np.asarray(gender, np.int64), "age": band}
        code = np.zeros(len(years), np.int64)
        valid = np.ones(len(years), bool)
        for factor, size in zip(self.factors, self.sizes, strict=True):
            code = code * size + known[factor]
            valid &= known[factor] >= 0
        if "age" in self.factors:
            valid &= ~(years < self.youngest)
        return np.where(valid, code, UNKNOWN)


def _names(*factors: Sequence[str]) -> tuple[str, ...]:
    names: list[str] = [""]
    for values in factors:
        names = [f"{name} {value}".strip() for name in names for value in values]
    return tuple(names)


AGE6_EDGES = (20.0, 30.0, 47.0, 55.0, 60.0)
AGE6_BANDS = ("<20", "20-29", "30-46", "47-54", "55-59", ">=60")
CLASS_NAMES = _names(MASKS, GENDERS, AGE_BANDS)

TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(name="class18", classes=CLASS_NAMES, factors=("mask", "gender", "age")),
        Task(name="mask", classes=MASKS, factors=("mask",)),
        Task(name="gender", classes=GENDERS, factors=("gender",)),
        Task(name="age3", classes=AGE_BANDS, factors=("age",)),
        Task(name="age6", classes=AGE6_BANDS, factors=("age",), edges=AGE6_EDGES),
        Task(name="mask_gender", classes=_names(MASKS, GENDERS), factors=("mask", "gender")),
        Task(name="senior", classes=("30-59", ">=60"), factors=("age",), edges=(60.0,), youngest=30.0),
    )
}


def covers_classes(tasks: Sequence[str]) -> bool:
    """Whether the predictions of these tasks give mask, gender and age band of every photo."""
    return covers(tasks, "class18")


def _marginal(task: Task, probabilities: FloatArray, factor: str) -> FloatArray:
    cube = probabilities.reshape(len(probabilities), *task.sizes)
    axis = 1 + task.factors.index(factor)
    other = tuple(a for a in range(1, cube.ndim) if a != axis)
    marginal: FloatArray = cube.sum(other)
    if factor != "age" or task.edges == AGE_EDGES:
        return marginal
    lower = (0.0, *task.edges)
    bands = np.digitize(lower, AGE_EDGES)
    folded = np.zeros((len(marginal), len(AGE_BANDS)), marginal.dtype)
    for column, band in enumerate(bands):
        folded[:, band] += marginal[:, column]
    return folded


def compose(predictions: Mapping[str, FloatArray]) -> FloatArray:
    """The [n, 18] class probabilities that a model's heads give together: `project` to class18."""
    return project(predictions, "class18")


def covers(tasks: Sequence[str], space: str) -> bool:
    """Whether heads of these tasks give the classes of the task `space`."""
    wanted = TASKS[space]
    if space in tasks:
        return True
    covered = {factor for name in tasks if TASKS[name].youngest == 0 for factor in TASKS[name].factors}
    return covered >= set(wanted.factors) and (wanted.edges == AGE_EDGES or space == "senior")


def project(predictions: Mapping[str, FloatArray], space: str) -> FloatArray:
    """Probabilities of one task's classes, from all heads of a model.

    A head of that very task is taken as it is, and of `class18` any other is a sum. Otherwise every factor's
    marginal (age folded to the three scored bands) is averaged over the heads that have it, and the factors
    are taken as independent given the photo: P(mask, gender, age) = P(mask) P(gender) P(age). `senior` is
    P(>=60) as against P(30-59).

    Args:
        predictions: [n, classes of the task] probabilities by task name.
        space: name of the task wanted.

    Returns:
        [n, classes of `space`] probabilities; rows sum to 1 where those of the heads do.

    Raises:
        ValueError: the heads do not cover it.
    """
    if space in predictions:
        return predictions[space]
    if not covers(tuple(predictions), space):
        raise ValueError(
            f"heads {', '.join(predictions)} do not say {space}, which tells "
            f"{', '.join(TASKS[space].factors)} in {len(TASKS[space].classes)} classes: use models that do "
            '(tasks = ["class18"], or ["mask", "gender", "age3"], say all of them)'
        )
    joint = _joint(predictions, TASKS[space].factors)
    if space == "senior":
        older = joint[:, 1:]
        return np.asarray(older / np.maximum(older.sum(1, keepdims=True), np.finfo(older.dtype).tiny))
    return joint


def _joint(predictions: Mapping[str, FloatArray], factors: Sequence[str]) -> FloatArray:
    """[n, product of the factors' scored values] joint probabilities of some factors."""
    if "class18" in predictions:
        cube = predictions["class18"].reshape(-1, len(MASKS), len(GENDERS), len(AGE_BANDS))
        unwanted = tuple(1 + i for i, f in enumerate(TASKS["class18"].factors) if f not in factors)
        return np.asarray(cube.sum(unwanted).reshape(len(cube), -1))
    joint: FloatArray | None = None
    for factor in factors:
        heads = [n for n in predictions if factor in TASKS[n].factors and TASKS[n].youngest == 0]
        part = np.asarray(np.mean([_marginal(TASKS[n], predictions[n], factor) for n in heads], axis=0))
        joint = part if joint is None else (joint[:, :, None] * part[:, None, :]).reshape(len(part), -1)
    assert joint is not None
    return joint


def split_classes(classes: ArrayLike) -> dict[str, IntArray]:
    """Mask, gender and age-band codes of 18-class codes: 10 -> mask 1, gender 1, age 1."""
    code = np.asarray(classes, np.int64)
    return {"mask": code // 6, "gender": code // 3 % 2, "age": code % 3}
