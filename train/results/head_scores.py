"""How good the probabilities of a network's heads are: the scores of metrics.csv."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from faces.labels import TASKS, UNKNOWN, FloatArray, IntArray, compose, covers_classes
from faces.scores import class_f1, class_scores, macro_f1

CLASS_PREFIX: Final = "f1 "
"""What the scores begin with that are the F1 of one class; its name follows."""


def score_heads(photos: pd.DataFrame, predictions: Mapping[str, FloatArray]) -> dict[str, float]:
    """Scores of predicted probabilities.

    Args:
        photos: n rows with their true `mask`, `gender` and `age`.
        predictions: [n, classes] by task.

    Returns:
        Where the heads together say the 18 classes: macro F1 and accuracy on those, accuracy of each factor,
        and `f1 <class>` of each of the 18. Otherwise `macro_f1` is the mean over the heads' own, each on the
        photos labelled for it, and `f1 <class>` are the heads' classes. NaN for a class that does not occur.
    """
    tasks = tuple(predictions)
    truths = {task: TASKS[task].encode(photos["mask"], photos["gender"], photos["age"]) for task in TASKS}
    if covers_classes(tasks):
        guess = compose(predictions).argmax(1)
        return {**class_scores(truths["class18"], guess), **_each_class("class18", truths["class18"], guess)}
    scores: dict[str, float] = {}
    each: dict[str, float] = {}
    for task in tasks:
        mine = truths[task] != UNKNOWN
        guess = predictions[task].argmax(1)[mine]
        scores[f"{task}_f1"] = macro_f1(truths[task][mine], guess, len(TASKS[task].classes))
        each |= _each_class(task, truths[task][mine], guess)
    return {"macro_f1": float(np.mean([*scores.values()])), **scores, **each}


def _each_class(task: str, truth: IntArray, guess: IntArray) -> dict[str, float]:
    names = TASKS[task].classes
    values = class_f1(truth, guess, len(names))
    return {f"{CLASS_PREFIX}{name}": float(value) for name, value in zip(names, values, strict=True)}
