"""Choices for a mean over classes: how many times as probable as it is a class counts.

Of networks that are taught photos as they occur a class that few are of is seldom chosen, which the mean F1
over classes punishes. The logit adjustment of Menon et al. (Long-tail learning via logit adjustment, 2021)
divides the probability of each class by its share among the training photos to the power tau; this counts it
any number of times.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from faces.labels import Task
from infer.ensemble.arrays import Array, arrays_of
from infer.ensemble.tree import Vote


def adjusted(probabilities: Array, factors: Sequence[float]) -> Array:
    """[n, k] probabilities times [k] factors, the rows summing to 1 again."""
    weighed = arrays_of(probabilities).times(probabilities, factors)
    result: Array = weighed / weighed.sum(1, keepdims=True)
    return result


def class_factors(vote: Vote, task: Task) -> list[float]:
    """What a vote's `adjust` multiplies the probability of each class of a task by."""
    adjust = {factor: dict(values) for factor, values in vote.adjust}
    of_parts = [
        [adjust.get(part.factor.name, {}).get(value, 1.0) for value in part.classes] for part in task.parts
    ]
    return [math.prod(each) for each in itertools.product(*of_parts)]
