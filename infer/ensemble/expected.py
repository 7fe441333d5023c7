"""How often the values that few people are of must count for the largest macro F1, without looking at which
few photos are answered wrongly: from calibrated probabilities alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from faces.intervals import mean_f1
from faces.labels import FloatArray, IntArray, Task
from faces.projection import split_classes
from infer.ensemble.adjust import adjusted

TAUS: Final = np.round(np.arange(0.0, 1.01, 0.05), 2)
"""Powers of the shares that are tried: by 0 the most probable class is chosen, by 1 classes have the
largest mean recall (Menon et al., 2021)."""
_LEAST = 1e-12
_HELD = 10.0
"""Photos' worth of evidence that a value's calibration is right as it is, which keeps it finite."""

Times = Mapping[str, FloatArray]
"""By factor: how many times each of its values counts."""


def fit_adjust(probabilities: FloatArray, truth: IntArray, task: Task) -> Times:
    """How many times each value of each factor counts, for the largest macro F1 that is to be expected.

    Fitting the choice itself to so few people as are of the rare values follows their chance. So labels only
    calibrate: `calibration` makes the probabilities of each value as large in the mean as its share is. Of
    calibrated probabilities the macro F1 of any choice can be expected without a label (the plug-in of
    Koyejo et al., Consistent binary classification with generalized performance metrics, 2014, and
    Narasimhan et al., 2015): a class has sum p photos, and of those answered so sum p are right. Of values
    that count 1 / share ** tau times, the tau of each factor is chosen, the most uneven factor first.

    Args:
        probabilities: [n, k] of photos that no network was trained on.
        truth: [n] classes in [0, k).
        task: what is voted on.

    Returns:
        Above 0; the value of each factor that most photos are of counts once.
    """
    counts = {
        name: np.bincount(codes, minlength=size)
        for (name, codes), size in zip(split_classes(truth, task).items(), task.sizes, strict=True)
    }
    fitted = calibration(probabilities, truth, task)
    honest = adjusted(probabilities, class_times(fitted, task))
    chosen: dict[str, FloatArray] = {name: np.ones(len(each)) for name, each in counts.items()}
    for name in sorted(counts, key=lambda each: _share(counts[each]).min()):
        tried = [{**chosen, name: _share(counts[name]) ** -tau} for tau in TAUS]
        scores = [expected_f1(honest, class_times(times, task)) for times in tried]
        chosen = tried[int(np.argmax(np.array(scores) >= max(scores) - 1e-9))]
    return {
        name: times / times[counts[name].argmax()]
        for name, times in ((name, fitted[name] * chosen[name]) for name in counts)
    }


def calibration(probabilities: FloatArray, truth: IntArray, task: Task) -> Times:
    """By how much each value of each factor is more probable than was said: least log-loss, which is convex.

    It is the bias of bias-corrected temperature scaling (Alexandari, Kundaje and Shrikumar, Maximum
    likelihood with bias-corrected calibration, 2020), a number for each value. Probabilities that were
    computed for other shares of a factor's values are put right again.

    Args:
        probabilities: [n, k].
        truth: [n] classes in [0, k).
        task: what is voted on.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), _LEAST))
    # [k, values of all factors]: which values a class is of.
    of_class = np.concatenate(
        [np.eye(size)[codes] for size, codes in zip(task.sizes, _codes(task), strict=True)], axis=1
    )
    seen = of_class[truth].mean(0)

    def loss(bias: FloatArray) -> tuple[float, FloatArray]:
        shifted = logits + of_class @ bias
        shifted -= shifted.max(1, keepdims=True)
        powers = np.exp(shifted)
        total = powers.sum(1, keepdims=True)
        given = shifted[np.arange(len(truth)), truth] - np.log(total[:, 0])
        held = _HELD / len(truth)
        slope = of_class.T @ (powers / total).mean(0) - seen + held * bias
        return float(-given.mean() + held * (bias**2).sum() / 2), slope

    found = minimize(loss, np.zeros(of_class.shape[1]), jac=True, method="L-BFGS-B", options={"gtol": 1e-8})
    places = np.cumsum(task.sizes)[:-1]
    return {name: np.exp(bias) for name, bias in zip(task.factors, np.split(found.x, places), strict=True)}


def expected_f1(probabilities: FloatArray, times: Sequence[float]) -> float:
    """The macro F1 that is to be expected where classes count so many times in the choice.

    Args:
        probabilities: [n, k], taken to be right.
        times: [k].
    """
    choices = (probabilities * np.asarray(times)).argmax(1)
    said = choices[:, None] == np.arange(probabilities.shape[1])
    right = (probabilities * said).sum(0)
    counts = np.stack([right, probabilities.sum(0), said.sum(0)])
    return float(mean_f1(counts))


def class_times(times: Times, task: Task) -> list[float]:
    """[k] how many times each class counts: the product over its values."""
    return [math.prod(each) for each in itertools.product(*(times[name].tolist() for name in task.factors))]


def _codes(task: Task) -> list[IntArray]:
    """[k] of each factor: the code of the value that each class is of."""
    return [*split_classes(np.arange(len(task.classes)), task).values()]


def _share(counts: NDArray[np.integer]) -> FloatArray:
    """Shares of values as parts of the largest; a value of no photo is taken for one of a single photo."""
    return np.asarray(np.maximum(counts, 1) / counts.max())
