"""Calibration: how often answers of a confidence are right, and the temperature that corrects it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from faces.labels import FloatArray, IntArray

BINS = 15
"""Bins of equally many photos, as many as in Guo et al., 2017 (theirs are of equal width)."""
TEMPERATURES = (0.05, 20.0)
"""The least and the largest temperature that is tried."""
_LEAST = 1e-12
"""Least probability of which a logarithm is taken."""


@dataclass(frozen=True)
class Reliability:
    """Photos in bins of rising confidence, equally many in each but for one."""

    confidence: FloatArray
    """[bins] mean probability given to the answer."""
    accuracy: FloatArray
    """[bins] share of right answers."""
    photos: IntArray
    """[bins] photos of each bin."""

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: the mean gap between the two, weighted by photos (Naeini et
        al., 2015), over bins of equal mass (Nguyen & O'Connor, 2015)."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.photos))


def bin_of_photos(confidence: FloatArray, bins: int = BINS) -> IntArray:
    """The bin of each photo, by rank of confidence: sizes differ by one at most.

    Args:
        confidence: [n] in [0, 1]; among equal ones the earlier photo ranks lower.
        bins: how many; with fewer photos each is a bin of its own.

    Returns:
        [n] int64 in [0, min(bins, n)).
    """
    count = len(confidence)
    rank = np.empty(count, np.int64)
    rank[np.argsort(confidence, kind="stable")] = np.arange(count)
    return rank * min(bins, count) // max(count, 1)


def reliability(confidence: FloatArray, right: NDArray[np.bool_], bins: int = BINS) -> Reliability:
    """How often answers of each confidence are right.

    With confidences (.6, .6, .9, .9), answers (right, wrong, right, right) and two bins, accuracies are .5
    and 1, and the error is (.1 + .1) / 2 = .1.

    Args:
        confidence: [n] probability given to the answer, n at least 1.
        right: [n] whether the answer is right.
        bins: of equally many photos.
    """
    numbers = bin_of_photos(confidence, bins)
    photos = np.bincount(numbers)
    return Reliability(
        confidence=np.bincount(numbers, confidence) / photos,
        accuracy=np.bincount(numbers, right) / photos,
        photos=photos.astype(np.int64),
    )


def log_loss(probabilities: FloatArray, truth: IntArray) -> float:
    """Mean negative natural logarithm of the probability given to the true class; 0 counts as 1e-12.

    Args:
        probabilities: [n, k], n at least 1.
        truth: [n] classes in [0, k).
    """
    given = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.maximum(given, _LEAST)).mean())


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Probabilities raised to 1 / temperature and normalised again: the softmax of logits / temperature.

    Args:
        probabilities: [n, k].
        temperature: above 1 flattens, below 1 sharpens; the order of a row's classes stays.

    Returns:
        float64 [n, k]; rows sum to 1.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), _LEAST)) / temperature
    powers = np.exp(logits - logits.max(1, keepdims=True))
    scaled: FloatArray = powers / powers.sum(1, keepdims=True)
    return scaled


def fit_temperature(probabilities: FloatArray, truth: IntArray) -> float:
    """The temperature of least log-loss, within `TEMPERATURES` (Guo et al., 2017).

    Log-loss is convex in 1 / temperature, so there is one minimum.

    Args:
        probabilities: [n, k], of photos that no network was trained on.
        truth: [n] classes in [0, k).
    """
    least, largest = TEMPERATURES
    found = minimize_scalar(
        lambda inverse: log_loss(tempered(probabilities, 1 / inverse), truth),
        bounds=(1 / largest, 1 / least),
        method="bounded",
        options={"xatol": 1e-5},
    )
    return float(1 / found.x)
