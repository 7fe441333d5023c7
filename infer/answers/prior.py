"""Shares of the classes among the training photos, as runs keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from faces.labels import FloatArray, LabelSet
from faces.projection import covers, project


def training_shares(
    priors: Sequence[Mapping[str, Sequence[float]]], space: str, labels: LabelSet
) -> FloatArray:
    """The shares of a task's classes, averaged over runs.

    Args:
        priors: of each run, shares of classes by task.
        space: the task wanted.
        labels: that the tasks are of.

    Returns:
        [classes of `space`], from the runs that know the shares of its classes; where none does, every
        factor's shares are averaged over the runs that know them, and the factors taken as independent.

    Raises:
        ValueError: shares that no runs know.
    """
    rows = [{task: np.array([shares]) for task, shares in prior.items()} for prior in priors]
    whole = _mean(rows, space, labels)
    if whole is not None:
        return whole
    names = [labels.product([factor]).name for factor in labels.task(space).factors]
    means = {name: _mean(rows, name, labels) for name in names}
    heads = {name: mean[None] for name, mean in means.items() if mean is not None}
    if not covers(heads, space, labels):
        raise ValueError(
            f"task {space}: these runs did not keep the shares of its classes among their training photos, "
            "by which photos that cannot be read are answered; leave `task` out of the ensemble's file"
        )
    shares: FloatArray = project(heads, space, labels)[0]
    return shares


def _mean(rows: Sequence[Mapping[str, FloatArray]], task: str, labels: LabelSet) -> FloatArray | None:
    """The mean over the runs that know a task; None where none does."""
    known = [project(row, task, labels)[0] for row in rows if covers(row, task, labels)]
    return np.asarray(np.mean(known, axis=0)) if known else None
