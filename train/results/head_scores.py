"""How good the probabilities of a network's heads are: the scores of metrics.csv."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from faces.labels import UNKNOWN, FloatArray, IntArray, LabelSet, Photos, Task
from faces.projection import covers, project, split_classes
from faces.scores import class_f1, class_scores, macro_f1

CLASS_PREFIX: Final = "f1 "
"""What the scores begin with that are the F1 of one class; its name follows."""


def judged_heads(
    photos: Photos, predictions: Mapping[str, FloatArray], labels: LabelSet
) -> dict[str, FloatArray]:
    """What predictions are scored by: the headline of the labels where the heads together say it and a photo
    is labelled for it, otherwise each head.

    Args:
        photos: n rows with their labels.
        predictions: [n, classes] probabilities by task.
        labels: that the photos have and the tasks are of.

    Returns:
        [n, classes] probabilities by task.
    """
    if judges_headline(photos, predictions, labels):
        return {labels.headline: project(predictions, labels.headline, labels)}
    return {**predictions}


def judges_headline(photos: Photos, tasks: Iterable[str], labels: LabelSet) -> bool:
    """Whether heads of these tasks together say the labels' headline, and a photo is labelled for it."""
    headline = labels.headline
    if not headline or not covers(tasks, headline, labels):
        return False
    return bool((labels.task(headline).encode(photos) != UNKNOWN).any())


def score_heads(photos: Photos, predictions: Mapping[str, FloatArray], labels: LabelSet) -> dict[str, float]:
    """Scores of predicted probabilities, each over the photos that are labelled for it.

    Args:
        photos: n rows with their labels.
        predictions: [n, classes] probabilities by task.
        labels: that the photos have and the tasks are of.

    Returns:
        Where the headline of the labels is judged (`judged_heads`): macro F1 and accuracy of it, accuracy of
        each of its factors, and `f1 <class>` of each of its classes. Otherwise `macro_f1` is the mean over
        the heads that photos are labelled for, `<task>_f1` each head's own, and `f1 <class>` are the heads'
        classes, or `f1 <task> <class>` where two heads have classes of one name. NaN for a class that does
        not occur, a head that no photo is labelled for, and the mean of no head.
    """
    judged = judged_heads(photos, predictions, labels)
    tasks = [labels.task(name) for name in judged]
    if judges_headline(photos, predictions, labels):
        return _headline_scores(photos, judged[labels.headline], labels.task(labels.headline))
    names = [name for task in tasks for name in task.classes]
    own: dict[str, float] = {}
    each: dict[str, float] = {}
    for task in tasks:
        truth = task.encode(photos)
        mine = truth != UNKNOWN
        truth, guess = truth[mine], judged[task.name].argmax(1)[mine]
        own[f"{task.name}_f1"] = macro_f1(truth, guess, len(task.classes)) if len(truth) else math.nan
        each |= _each_class(task, truth, guess, f"{task.name} " if len({*names}) < len(names) else "")
    known = [score for score in own.values() if not math.isnan(score)]
    return {"macro_f1": float(np.mean(known)) if known else math.nan, **own, **each}


def _headline_scores(photos: Photos, probabilities: FloatArray, task: Task) -> dict[str, float]:
    truth, guess = task.encode(photos), probabilities.argmax(1)
    mine = truth != UNKNOWN
    scores = class_scores(truth[mine], guess[mine], task)
    if len(task.parts) > 1:
        guessed = split_classes(guess, task)
        for part in task.parts:  # photos of which other factors are not known count, too
            own = part.encode(photos[part.factor.name])
            scores[part.factor.name] = float((own == guessed[part.factor.name])[own != UNKNOWN].mean())
    return {**scores, **_each_class(task, truth[mine], guess[mine], "")}


def _each_class(task: Task, truth: IntArray, guess: IntArray, head: str) -> dict[str, float]:
    values = class_f1(truth, guess, len(task.classes)) if len(truth) else np.full(len(task.classes), math.nan)
    named = zip(task.classes, values, strict=True)
    return {f"{CLASS_PREFIX}{head}{name}": float(value) for name, value in named}
