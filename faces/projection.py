"""How the predictions of several tasks together give the classes of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from faces.labels import FloatArray, IntArray, LabelSet, Part, Task


def covers(tasks: Iterable[str], space: str, labels: LabelSet) -> bool:
    """Whether heads of these tasks give the classes of the task `space`."""
    own = [labels.task(name) for name in tasks]
    wanted = labels.task(space)
    if same_head(own, wanted) is not None:
        return True
    told = {part.factor.name for task in own for part in task.parts if folds_whole(part)}
    return {*wanted.factors} <= told and all(from_whole(part) for part in wanted.parts)


def same_head(tasks: Iterable[Task], wanted: Task) -> str | None:
    """Name of the task that has the very classes of the one wanted, or None."""
    return next((task.name for task in tasks if task.parts == wanted.parts), None)


def folds_whole(part: Part) -> bool:
    """Whether a factor's own values follow from what is told of it: all its edges are among those told."""
    own = part.factor.edges
    return part.least is None and {*own} <= {*part.edges}


def from_whole(part: Part) -> bool:
    """Whether what is told of a factor follows from its own values: each of its edges is one of them."""
    own = {*part.factor.edges}
    return {*part.edges} <= own and (part.least is None or part.least in own)


def project(predictions: Mapping[str, FloatArray], space: str, labels: LabelSet) -> FloatArray:
    """Probabilities of one task's classes, from all heads of a model.

    A head of that very task is taken as it is, and of one that tells all its factors in their own values any
    other is a sum. Otherwise every factor's marginal (numbers folded to their own bands) is averaged over the
    heads that have it, and the factors are taken as independent given the photo: P(mask, gender, age) =
    P(mask) P(gender) P(age). Of a part of the people the probabilities are those given that the photo is of
    one: `senior` is P(>=60) as against P(30-59).

    Args:
        predictions: [n, classes of the task] probabilities by task.
        space: the task wanted.
        labels: that the tasks are of.

    Returns:
        [n, classes of `space`] probabilities; rows sum to 1 where those of the heads do.

    Raises:
        ValueError: the heads do not cover it.
    """
    wanted = labels.task(space)
    same = same_head(map(labels.task, predictions), wanted)
    if same is not None:
        return predictions[same]
    if not covers(predictions, space, labels):
        raise ValueError(
            f"heads {', '.join(predictions)} do not say {space}, which tells {', '.join(wanted.factors)} in "
            f"{len(wanted.classes)} classes: use models that do (tasks = {[space]}, or "
            f"{[labels.product([name]).name for name in wanted.factors]}, say all of it)"
        )
    joint = _joint(predictions, wanted.factors, labels)
    return joint if wanted.whole else _narrowed(joint, wanted)


def split_classes(classes: ArrayLike, task: Task) -> dict[str, IntArray]:
    """Codes of each factor of a task's classes: 10 of the contest's 18 is mask 1, gender 1, age 1."""
    code = np.asarray(classes, np.int64)
    codes: dict[str, IntArray] = {}
    for factor, size in zip(reversed(task.factors), reversed(task.sizes), strict=True):
        codes[factor], code = code % size, code // size
    return {factor: codes[factor] for factor in task.factors}


def marginal(probabilities: FloatArray, task: Task, factor: str) -> FloatArray:
    """[n, the factor's own values] of [n, classes] probabilities of a task that tells it whole, or finer."""
    cube = probabilities.reshape(len(probabilities), *task.sizes)
    axis = 1 + task.factors.index(factor)
    summed: FloatArray = cube.sum(tuple(a for a in range(1, cube.ndim) if a != axis))
    part = task.parts[axis - 1]
    if part.whole:
        return summed
    own = part.factor.edges
    bands = np.digitize((-np.inf, *part.edges), own)
    folded = np.zeros((len(summed), len(own) + 1), summed.dtype)
    for column, band in enumerate(bands):
        folded[:, band] += summed[:, column]
    return folded


def _joint(predictions: Mapping[str, FloatArray], factors: Sequence[str], labels: LabelSet) -> FloatArray:
    """[n, product of the factors' own values] joint probabilities of some factors, in their order."""
    whole = joint_head([labels.task(name) for name in predictions], factors)
    if whole is not None:
        cube = predictions[whole.name].reshape(-1, *whole.sizes)
        kept = [factor for factor in whole.factors if factor in factors]
        summed = cube.sum(tuple(1 + i for i, factor in enumerate(whole.factors) if factor not in factors))
        ordered = summed.transpose(0, *(1 + kept.index(factor) for factor in factors))
        return np.asarray(ordered.reshape(len(cube), -1))
    joint: FloatArray | None = None
    for factor in factors:
        heads = [name for name in predictions if tells(labels.task(name), factor)]
        marginals = [marginal(predictions[name], labels.task(name), factor) for name in heads]
        part = np.asarray(np.mean(marginals, axis=0))
        joint = part if joint is None else (joint[:, :, None] * part[:, None, :]).reshape(len(part), -1)
    assert joint is not None
    return joint


def joint_head(heads: Sequence[Task], factors: Sequence[str]) -> Task | None:
    """The head that alone has the joint probabilities of some factors, or of all that any head tells."""
    told = {part.factor.name for task in heads for part in task.parts if folds_whole(part)}
    wanted = {*factors} if len(factors) > 1 else told
    telling = [task for task in heads if len(task.factors) > 1 and task.whole and wanted <= {*task.factors}]
    return max(telling, key=lambda task: len(task.factors), default=None)


def tells(task: Task, factor: str) -> bool:
    """Whether a factor's own values follow from what a task tells."""
    return any(part.factor.name == factor and folds_whole(part) for part in task.parts)


def _narrowed(joint: FloatArray, wanted: Task) -> FloatArray:
    """Joint probabilities of the own values of a task's factors as those of its classes: own values that it
    does not tell apart summed, those that are not its people's left out."""
    cube = joint.reshape(-1, *(len(part.factor.classes) for part in wanted.parts))
    dropped = False
    for axis, part in enumerate(wanted.parts, 1):
        if part.whole:
            continue
        starts = np.digitize([-np.inf if part.least is None else part.least, *part.edges], part.factor.edges)
        dropped |= part.least is not None
        cube = np.add.reduceat(cube, starts, axis=axis)
    narrow = cube.reshape(len(cube), -1)
    if dropped:
        narrow = narrow / np.maximum(narrow.sum(1, keepdims=True), np.finfo(narrow.dtype).tiny)
    return np.asarray(narrow)
