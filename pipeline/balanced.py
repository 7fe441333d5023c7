"""Samplers that give every group, of classes or of people, the same number of samples.

As those of pipeline/samplers.py they are pure functions of (seed, epoch).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from faces.labels import UNKNOWN, IntArray
from pipeline.order import ORDER_STREAM, generator

_LAP: Final = 1
"""Added to the key of laps, which are no epochs."""


class Balanced:
    """Every group gives the same number of samples to every epoch, exactly; which rows and in which order is
    drawn anew for each.

    A group of m rows is gone through in laps, each in an order of its own, `each` rows an epoch: over epochs
    its rows come equally often to within one, as they do within an epoch where m is below `each`, and where
    it is not no row comes twice in one. With G groups the epoch is `each` rounds of G samples, one of each
    group in a random order, so that batches are balanced too.

    Args:
        groups: [rows] group of each row, codes from 0; rows of a negative code never come.
        each: samples of a group in an epoch, at least 1.

    Raises:
        ValueError: no row with a group, or `each` below 1.
    """

    training = True

    def __init__(self, groups: ArrayLike, each: int) -> None:
        self.groups = np.asarray(groups, np.int64)
        self.rows, self.each = len(self.groups), each
        if not (self.groups >= 0).any():
            raise ValueError(f"none of {self.rows} rows has a group: there is nothing to balance")
        if each < 1:
            raise ValueError(f"each={each}: every group must give at least 1 sample an epoch")

    def samples(self, *, epoch: int, seed: int) -> IntArray:
        """[each * number of groups] samples."""
        arranged = np.argsort(self.groups, kind="stable")[np.count_nonzero(self.groups < 0) :]
        sizes = np.bincount(self.groups[arranged])
        sizes = sizes[sizes > 0]
        starts = np.cumsum(sizes) - sizes
        places = np.empty((len(sizes), self.each), np.int64)
        for size in np.unique(sizes):  # groups of one size at once: people are many, their sizes few
            mine = np.flatnonzero(sizes == size)
            places[mine] = _members(len(mine), int(size), self.each, epoch=epoch, seed=seed)
        random = generator(seed, epoch, ORDER_STREAM)
        rounds = arranged[starts[:, None] + random.permuted(places, axis=1)].T
        return random.permuted(rounds, axis=1).reshape(-1)


def _members(groups: int, size: int, each: int, *, epoch: int, seed: int) -> IntArray:
    """[groups, each] which of its `size` members each group gives to an epoch, in any order."""
    whole, part = divmod(each, size)
    every = np.tile(np.arange(size), (groups, 1))
    parts = [every] * whole
    if part > size // 2:  # those left out are gone through instead: a lap then has twice their number
        left_out = _lap_part(every, size - part, epoch=epoch, seed=seed)
        there = np.ones((groups, size), bool)
        np.put_along_axis(there, left_out, False, axis=1)
        parts.append(np.nonzero(there)[1].reshape(groups, part))
    elif part:
        parts.append(_lap_part(every, part, epoch=epoch, seed=seed))
    return np.concatenate(parts, axis=1)


def _lap_part(every: IntArray, part: int, *, epoch: int, seed: int) -> IntArray:
    """[groups, part] what an epoch takes of laps through members [groups, size], of which it is half at most.

    Where an epoch takes the end of one lap and the beginning of the next, no member is in both: the next lap
    puts those of that end behind all others but its own end, which so depends on no other lap.
    """
    size: int = every.shape[1]

    def drawn(lap: int) -> IntArray:
        return generator(seed, lap, ORDER_STREAM, _LAP, size).permuted(every, axis=1)

    def ended(lap: int) -> int:
        """How many of a lap's members come together with the next lap's first."""
        return (lap + 1) * size % part

    lap, first = divmod(epoch * part, size)
    laps = []
    for number in (lap, lap + 1) if first + part > size else (lap,):
        order = drawn(number)
        if number and (late := ended(number - 1)):
            is_late = np.zeros(every.shape, bool)
            np.put_along_axis(is_late, drawn(number - 1)[:, size - late :], True, axis=1)
            movable = order[:, : size - ended(number)]
            later = np.argsort(np.take_along_axis(is_late, movable, axis=1), axis=1, kind="stable")
            order = np.concatenate(
                [np.take_along_axis(movable, later, axis=1), order[:, size - ended(number) :]], axis=1
            )
        laps.append(order)
    return np.concatenate(laps, axis=1)[:, first : first + part]


def undersampled(classes: ArrayLike) -> Balanced:
    """As many rows of every class as the rarest of those that occur has, other ones each epoch.

    Args:
        classes: [rows] codes from 0; rows without a class (`UNKNOWN`) never come.

    Raises:
        ValueError: no row has a class.
    """
    code = np.asarray(classes, np.int64)
    counts = np.bincount(code[code != UNKNOWN])
    return Balanced(code, int(counts[counts > 0].min(initial=len(code) + 1)))


def person_balanced(persons: ArrayLike) -> Balanced:
    """Every person equally often, so that people with many photos do not count more.

    A person gives the mean number of photos, rounded: an epoch is about as long as one of all rows.

    Args:
        persons: [rows] key of the person on each row's photo.

    Raises:
        ValueError: no rows.
    """
    people, code = np.unique(np.asarray(persons), return_inverse=True)
    return Balanced(code, max(1, round(len(code) / max(1, len(people)))))
