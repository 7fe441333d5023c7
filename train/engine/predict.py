"""Class probabilities of every row of a loader, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from faces.labels import TASKS, UNKNOWN, FloatArray, IntArray, compose, covers_classes
from faces.scores import class_f1, class_scores, macro_f1
from pipeline.loader import Loader
from train.network.codings import Coding

CLASS_PREFIX = "f1 "
"""What the scores begin with that are the F1 of one class; its name follows."""
View = Callable[[Tensor], Tensor]
"""A test-time view of normalised images [n, 3, S, S]."""


def original(images: Tensor) -> Tensor:
    """The images as they are."""
    return images


@torch.inference_mode()
def predict_heads(
    network: nn.Module,
    loader: Loader,
    codings: Mapping[str, Coding],
    *,
    views: Sequence[View] = (original,),
    advance: Callable[[int], object] = lambda _: None,
) -> dict[str, FloatArray]:
    """Class probabilities of each head, averaged over the views, in the order of the loader's rows.

    Args:
        network: in evaluation mode, on the loader's device.
        loader: unshuffled and without augmentation, so that each row comes once.
        codings: how the network's heads say their classes.
        views: test-time augmentations to average over.
        advance: called with the number of images after each batch.

    Returns:
        float32 [rows, classes] by task.
    """
    seen: dict[str, list[Tensor]] = {task: [] for task in codings}
    for images, _ in loader.epoch(0):
        batch = images.to(memory_format=torch.channels_last)
        looks = [network(view(batch)) for view in views]
        for task, coding in codings.items():
            seen[task].append(torch.stack([coding.probabilities(look[task]) for look in looks]).mean(0))
        advance(len(images))
    return {task: torch.cat(parts).cpu().numpy() for task, parts in seen.items()}


def score_heads(photos: pd.DataFrame, predictions: Mapping[str, FloatArray]) -> dict[str, float]:
    """How good predicted probabilities are.

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
