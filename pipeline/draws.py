"""The random numbers of an epoch's augmentations.

Every random number is drawn here, for any stretch of an epoch, as a pure function of (seed, epoch, place in
the epoch). The graph that applies them holds no random state, so pixels do not depend on the batch size,
the number of threads or ranks, or on whether the epoch was resumed in the middle, and a test can hand
the same numbers to a reference.
"""

from __future__ import annotations

from pipeline.augment import REGISTERED, Policy
from pipeline.definition import Draws, Numbers, Parameters


def draw(policy: Policy, n: int, *, epoch: int, seed: int, start: int = 0) -> Draws:
    """Draw the augmentations of some places of an epoch, those of all ranks.

    Each quantity has its own column of uniform numbers, so turning one augmentation on leaves the others as
    they were, and place i gets the same numbers whatever n is.

    Args:
        policy: strengths and ranges.
        n: number of places.
        epoch: 0 or more.
        seed: 0 or more.
        start: the first place, an even number.

    Returns:
        The draws of places start to start + n - 1, also of augmentations that are off: what changes nothing.
    """
    numbers = Numbers(n, epoch=epoch, seed=seed, start=start)
    drawn: Parameters = {}
    for augmentation in REGISTERED:
        drawn |= augmentation.draw(policy, numbers)
    return Draws(drawn)
