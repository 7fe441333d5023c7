"""Samplers: in order, shuffled, and weighted with replacement; pipeline/balanced.py has those that balance.

All are pure functions of (seed, epoch). `epoch_order` divides what they give among processes.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faces.command import nearest
from faces.labels import UNKNOWN, IntArray
from pipeline.order import ORDER_STREAM, Permutation, RowSequence, Sampler, generator

WeightRule = Literal["class_balanced", "effective_number", "inverse_sqrt"]
WEIGHT_RULES: Final[tuple[WeightRule, ...]] = get_args(WeightRule)
LISTED: Final = 1 << 24
"""Rows up to which a shuffled epoch is a list, as it was before there was another way: runs begun on no more
rows than these go on in the order that they began in. Beyond, it is a `Permutation`."""


def check_weights(weights: ArrayLike) -> NDArray[np.float64]:
    """Sampling weights as probabilities.

    Args:
        weights: [n] finite, none negative, not all zero; any scale.

    Returns:
        [n] float64 summing to 1.

    Raises:
        ValueError: the weights break one of these rules.
    """
    w = np.asarray(weights, np.float64)
    if w.ndim != 1 or not len(w):
        raise ValueError(f"weights have shape {w.shape}, need (n,): one for each of at least one row")
    broken = np.flatnonzero(~(np.isfinite(w) & (w >= 0)))
    if len(broken):
        raise ValueError(
            f"weights must be finite and 0 or more, got {w[broken[0]]} at row {broken[0]} "
            f"({len(broken)} such rows): correct them, or use 0 for rows never to be drawn"
        )
    if not w.any():
        raise ValueError("weights are all 0: no sample could be drawn; give at least one row more than 0")
    w = w / w.max()  # so that sums of very large or very small weights stay within float64
    return np.asarray(w / w.sum())


def class_weights(classes: ArrayLike, rule: WeightRule, beta: float = 0.999) -> NDArray[np.float64]:
    """Sampling weights that depend on how many rows a row's class has, n_c.

    - class_balanced: 1 / n_c; every class is drawn equally often;
    - inverse_sqrt: 1 / sqrt(n_c); half-way, a class is drawn in proportion to sqrt(n_c);
    - effective_number: (1 - beta) / (1 - beta^n_c), Cui et al., Class-Balanced Loss Based on Effective Number
      of Samples, CVPR 2019: about no balancing where n_c is far below 1 / (1 - beta), 1 / n_c far above.
      Their beta is 0.9 to 0.9999; 0 does not balance.

    A row without a class (`UNKNOWN`) gets the mean weight of those that have one: it is drawn as often as
    it would be without a sampler, so three unlabelled photos never count as a rare class.

    Args:
        classes: [n] codes from 0, or `UNKNOWN`.
        rule: one of `WEIGHT_RULES`.
        beta: of effective_number, in [0, 1).

    Returns:
        [n] float64, above 0; the scale has no meaning.

    Raises:
        ValueError: an unknown rule, beta out of range, or no row with a class.
    """
    if rule not in WEIGHT_RULES:
        raise ValueError(f"no weight rule {rule!r}: {nearest(rule, WEIGHT_RULES)}")
    if not 0 <= beta < 1:
        raise ValueError(f"beta={beta}: must be in [0, 1); 0 does not balance, 0.999 is usual")
    code = np.asarray(classes, np.int64)
    known = code != UNKNOWN
    if not known.any():
        raise ValueError(f"none of {len(code)} rows has a class to balance: choose a task that labels them")
    counts = np.maximum(np.bincount(code[known]), 1).astype(np.float64)
    if rule == "effective_number":
        with np.errstate(divide="ignore"):  # log(0) = -inf is right: beta = 0 makes every weight 1
            of_class = (1 - beta) / -np.expm1(counts * np.log(beta))
    else:
        of_class = 1 / (counts if rule == "class_balanced" else np.sqrt(counts))
    weights: NDArray[np.float64] = of_class[code]
    weights[~known] = weights[known].mean()
    return weights


def _check_count(rows: int) -> int:
    if rows < 1:
        raise ValueError(f"an epoch needs at least one sample, got {rows} rows")
    return rows


class _Counted:
    """Rows 0 to rows - 1 in order, none of them kept."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, places: IntArray) -> IntArray:
        return places


class InOrder:
    """Rows 0 to rows - 1, each exactly once: for scoring."""

    training = False

    def __init__(self, rows: int) -> None:
        self.rows = _check_count(rows)

    def samples(self, *, epoch: int, seed: int) -> RowSequence:
        """[rows] the same in every epoch."""
        generator(seed, epoch)  # refuses what every other sampler refuses
        return _Counted(self.rows)


class Shuffled:
    """Every row exactly once, in another random order each epoch; of more than `LISTED` rows in memory that
    does not grow with them."""

    training = True

    def __init__(self, rows: int) -> None:
        self.rows = _check_count(rows)

    def samples(self, *, epoch: int, seed: int) -> RowSequence:
        """[rows] a permutation."""
        if self.rows > LISTED:
            return Permutation(self.rows, seed, epoch, ORDER_STREAM)
        return generator(seed, epoch, ORDER_STREAM).permutation(self.rows)


class Weighted:
    """As many draws with replacement as there are rows, row i with probability weights[i] / sum(weights).

    Args:
        weights: [rows] as `check_weights` wants them.
    """

    training = True

    def __init__(self, weights: ArrayLike) -> None:
        self.probabilities = check_weights(weights)
        self.rows = len(self.probabilities)

    def samples(self, *, epoch: int, seed: int) -> IntArray:
        """[rows] draws; rows come several times or not at all."""
        random = generator(seed, epoch, ORDER_STREAM)
        return random.choice(self.rows, size=self.rows, p=self.probabilities)


def choose_sampler(sampler: Sampler | None, shuffle: bool, rows: int) -> Sampler:
    """The given sampler, else one that goes through all rows once, shuffled or in order.

    Raises:
        ValueError: both a sampler and `shuffle`, or the sampler is for another number of rows.
    """
    if sampler is None:
        return Shuffled(rows) if shuffle else InOrder(rows)
    if shuffle:
        raise ValueError("shuffle=True and a sampler: give one of them")
    if sampler.rows != rows:
        raise ValueError(f"the sampler is for {sampler.rows} rows, the loader has {rows}: make it for these")
    return sampler
