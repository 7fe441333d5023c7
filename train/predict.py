"""Class probabilities of every row of a loader, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from faces.labels import TASKS, UNKNOWN, FloatArray, compose, covers_classes
from faces.metrics import class_scores, macro_f1
from pipeline.loader import Loader
from train.model import split_heads

View = Callable[[Tensor], Tensor]
"""A test-time view of normalised images [n, 3, S, S]."""


def original(images: Tensor) -> Tensor:
    """The images as they are."""
    return images


@torch.inference_mode()
def predict_heads(
    network: nn.Module,
    loader: Loader,
    tasks: Sequence[str],
    *,
    views: Sequence[View] = (original,),
    advance: Callable[[int], object] = lambda _: None,
) -> dict[str, FloatArray]:
    """Softmax probabilities of each head, averaged over the views, in the order of the loader's rows.

    Args:
        network: in evaluation mode, on the loader's device.
        loader: unshuffled and without augmentation, so that each row comes once.
        tasks: the network's heads.
        views: test-time augmentations to average over.
        advance: called with the number of images after each batch.

    Returns:
        float32 [rows, classes] by task.
    """
    seen: dict[str, list[Tensor]] = {task: [] for task in tasks}
    for images, _ in loader.epoch(0):
        batch = images.to(memory_format=torch.channels_last)
        looks = [split_heads(network(view(batch)).float(), tasks) for view in views]
        for task in tasks:
            seen[task].append(torch.stack([look[task].softmax(1) for look in looks]).mean(0))
        advance(len(images))
    return {task: torch.cat(parts).cpu().numpy() for task, parts in seen.items()}


def score_heads(photos: pd.DataFrame, predictions: Mapping[str, FloatArray]) -> dict[str, float]:
    """How good predicted probabilities are.

    Args:
        photos: n rows with their true `mask`, `gender` and `age`.
        predictions: [n, classes] by task.

    Returns:
        Where the heads together say the 18 classes: macro F1 and accuracy on those, accuracy of each factor.
        Otherwise `macro_f1` is the mean over the heads' own, each on the photos labelled for it.
    """
    tasks = tuple(predictions)
    truths = {task: TASKS[task].encode(photos["mask"], photos["gender"], photos["age"]) for task in TASKS}
    if covers_classes(tasks):
        return class_scores(truths["class18"], compose(predictions).argmax(1))
    scores = {}
    for task in tasks:
        mine = truths[task] != UNKNOWN
        guess = predictions[task].argmax(1)[mine]
        scores[f"{task}_f1"] = macro_f1(truths[task][mine], guess, len(TASKS[task].classes))
    return {"macro_f1": float(np.mean([*scores.values()])), **scores}
