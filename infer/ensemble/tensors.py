"""The array operations of voting in torch, so that `torch.export` can trace a vote into a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from faces import labels
from faces.labels import TASKS

FACTOR_TASKS = {"mask": "mask", "gender": "gender", "age": "age3"}
"""The task that tells one factor and no more."""


class Tensors:
    """`infer.ensemble.arrays.Arrays` of torch."""

    def project(self, heads: Mapping[str, Tensor], space: str) -> Tensor:
        """`faces.labels.project`; the heads are taken to tell the task."""
        if space in heads:
            return heads[space]
        joint = _joint(heads, space)
        if space != "senior":
            return joint
        older = joint[:, 1:]
        return older / older.sum(1, keepdim=True).clamp(min=torch.finfo(older.dtype).tiny)

    def stack(self, arrays: Sequence[Tensor]) -> Tensor:
        """Equal shapes along a new first axis."""
        return torch.stack(list(arrays))

    def weighted_sum(self, weights: Sequence[float], arrays: Tensor) -> Tensor:
        """float64 [n, k], summed over the first axis."""
        return (torch.tensor(weights, dtype=torch.float64)[:, None, None] * arrays).sum(0)

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


def _joint(heads: Mapping[str, Tensor], space: str) -> Tensor:
    """[n, product of values] joint probabilities of the factors of a task, ages in three bands."""
    factors = TASKS[space].factors
    if "class18" in heads:
        return heads["class18"] @ _sums("class18", "age3" if space == "senior" else space)
    parts = [_marginal(heads, factor) for factor in factors]
    joint = parts[0]
    for part in parts[1:]:
        joint = (joint[:, :, None] * part[:, None, :]).flatten(1)
    return joint


def _marginal(heads: Mapping[str, Tensor], factor: str) -> Tensor:
    """Mean over the heads that tell a factor."""
    telling = [name for name in heads if factor in TASKS[name].factors and TASKS[name].youngest == 0]
    marginals = [heads[name] @ _sums(name, FACTOR_TASKS[factor]) for name in telling]
    return torch.stack(marginals).mean(0)


def _sums(task: str, space: str) -> Tensor:
    """float64 [classes of `task`, classes of `space`] of 0 and 1: which classes are summed to which."""
    certain = np.eye(len(TASKS[task].classes))
    return torch.tensor(labels.project({task: certain}, space))
