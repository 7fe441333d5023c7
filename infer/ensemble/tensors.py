"""The array operations of voting in torch, so that `torch.export` can trace a vote into a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from faces.labels import LabelSet, Task
from faces.projection import joint_head, marginal, project, same_head, tells


class Tensors:
    """`infer.ensemble.arrays.Arrays` of torch."""

    def project(self, heads: Mapping[str, Tensor], space: str, labels: LabelSet) -> Tensor:
        """`faces.projection.project`; the heads are taken to tell the task."""
        wanted = labels.task(space)
        same = same_head(map(labels.task, heads), wanted)
        if same is not None:
            return heads[same]
        joint = _joint(heads, wanted.factors, labels)
        if wanted.whole:
            return joint
        narrow = joint @ _sums(labels.task("*".join(wanted.factors)), wanted, labels)
        if all(part.least is None for part in wanted.parts):
            return narrow
        return narrow / narrow.sum(1, keepdim=True).clamp(min=torch.finfo(narrow.dtype).tiny)

    def stack(self, arrays: Sequence[Tensor]) -> Tensor:
        """Equal shapes along a new first axis."""
        return torch.stack(list(arrays))

    def weighted_sum(self, weights: Sequence[float], arrays: Tensor) -> Tensor:
        """float64 [n, k], summed over the first axis."""
        return (torch.tensor(weights, dtype=torch.float64)[:, None, None] * arrays).sum(0)

    def times(self, values: Tensor, factors: Sequence[float]) -> Tensor:
        """[n, k] times [k]."""
        return values * torch.tensor(factors, dtype=torch.float64)

    def log(self, values: Tensor, least: float) -> Tensor:
        """Natural logarithm, of `least` where a value is below it."""
        return values.clamp(min=least).log()

    def softmax(self, logits: Tensor) -> Tensor:
        """[n, k] to probabilities over k."""
        return torch.softmax(logits, 1)

    def ranks(self, values: Tensor) -> Tensor:
        """Refused: a traced model answers photo by photo.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            'rule="rank": a photo\'s rank depends on the other photos, which a model does not know while it '
            "answers one; vote by soft, log or hard"
        )

    def row_max(self, values: Tensor) -> Tensor:
        """[n, k] to [n, 1]."""
        return values.amax(1, keepdim=True)

    def first(self, mask: Tensor) -> Tensor:
        """int64 [n] column of the first True in each row."""
        return mask.to(torch.int64).argmax(1)

    def where(self, mask: Tensor, one: Tensor | int, other: Tensor | int) -> Tensor:
        """`one` where the mask is True."""
        return torch.where(mask, one, other)

    def one_hot(self, codes: Tensor, count: int) -> Tensor:
        """[..., count] mask, True at each code."""
        return codes[..., None] == torch.arange(count)


def _joint(heads: Mapping[str, Tensor], factors: Sequence[str], labels: LabelSet) -> Tensor:
    """[n, product of the factors' own values] joint probabilities of some factors, in their order."""
    tasks = [labels.task(name) for name in heads]
    whole = joint_head(tasks, factors)
    if whole is not None:
        return heads[whole.name] @ _sums(whole, labels.task("*".join(factors)), labels)
    joint, *parts = (_marginal(heads, tasks, factor) for factor in factors)
    for part in parts:
        joint = (joint[:, :, None] * part[:, None, :]).flatten(1)
    return joint


def _marginal(heads: Mapping[str, Tensor], tasks: Sequence[Task], factor: str) -> Tensor:
    """Mean over the heads that tell a factor."""
    telling = [task for task in tasks if tells(task, factor)]
    certain = [torch.tensor(marginal(np.eye(len(task.classes)), task, factor)) for task in telling]
    return torch.stack([heads[task.name] @ sums for task, sums in zip(telling, certain, strict=True)]).mean(0)


def _sums(task: Task, wanted: Task, labels: LabelSet) -> Tensor:
    """float64 [classes of `task`, classes of `wanted`] of 0 and 1: which classes are summed to which."""
    return torch.tensor(project({task.name: np.eye(len(task.classes))}, wanted.name, labels))
