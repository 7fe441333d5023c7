"""Scores of predicted classes, overall and by factor, with the contest's macro F1 in front."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from faces.labels import FloatArray, IntArray, Task
from faces.projection import split_classes


def macro_f1(truth: ArrayLike, guess: ArrayLike, class_count: int) -> float:
    """Unweighted mean F1 over the classes that occur in `truth` or `guess`, as scikit-learn defines it.

    Args:
        truth: [n] int classes in [0, class_count).
        guess: [n] int classes in [0, class_count).
        class_count: number of classes of the task; a class that occurs nowhere is left out of the mean.

    Returns:
        F1 in [0, 1].
    """
    from sklearn.metrics import f1_score  # takes a second to import, for which --help should not wait

    occurring = np.intersect1d(np.arange(class_count), np.union1d(truth, guess))
    return float(f1_score(truth, guess, labels=occurring, average="macro", zero_division=0))


def class_f1(truth: ArrayLike, guess: ArrayLike, class_count: int) -> FloatArray:
    """F1 of each class, as scikit-learn defines it; `macro_f1` is the mean of those that are not NaN.

    Args:
        truth: [n] int classes in [0, class_count).
        guess: [n] int classes in [0, class_count).
        class_count: number of classes of the task.

    Returns:
        [class_count] float64 in [0, 1]; NaN for a class that occurs in neither `truth` nor `guess`.
    """
    from sklearn.metrics import f1_score

    scores = f1_score(truth, guess, labels=np.arange(class_count), average=None, zero_division=np.nan)
    return np.asarray(scores, np.float64)


def class_scores(truth: ArrayLike, guess: ArrayLike, task: Task) -> dict[str, float]:
    """Macro F1 and accuracy over the classes of a task, and the accuracy of each of its factors.

    Args:
        truth: [n] classes of the task.
        guess: [n] classes of the task.
        task: which.

    Returns:
        `macro_f1`, `accuracy` and, of a task of several factors, one by the name of each; all in [0, 1].
    """
    from sklearn.metrics import accuracy_score

    scores = {
        "macro_f1": macro_f1(truth, guess, len(task.classes)),
        "accuracy": float(accuracy_score(truth, guess)),
    }
    if len(task.factors) == 1:
        return scores
    true_factors, guessed_factors = split_classes(truth, task), split_classes(guess, task)
    return scores | {
        name: float(accuracy_score(true_factors[name], guessed_factors[name])) for name in true_factors
    }


def confusion(truth: ArrayLike, guess: ArrayLike, class_count: int) -> IntArray:
    """[class_count, class_count] counts; rows are true classes, columns guessed ones."""
    places = np.asarray(truth, np.int64) * class_count + np.asarray(guess, np.int64)
    return np.bincount(places, minlength=class_count**2).reshape(class_count, class_count).astype(np.int64)
