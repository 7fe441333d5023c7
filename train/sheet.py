"""A picture of photos as a recipe trains on them: augmented, mixed, and with the labels they teach."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from faces.cache import Cache
from faces.labels import TASKS, UNKNOWN, FloatArray
from pipeline.loader import Loader
from train.mixing import Mix, mix, rare_photos, soft_labels
from train.recipe import Recipe

ROWS, COLUMNS = 4, 6


def training_sheet(recipe: Recipe, cache: Cache, path: Path) -> None:
    """Write a picture of up to `ROWS` x `COLUMNS` photos of the first batch of a training on the whole cache.

    Args:
        recipe: its heads, augmentation, mixing, batch size and seed count; not its sampler and `rows`.
        cache: with labels.
        path: the picture.

    Raises:
        ValueError: no photo of the cache is labelled for a head of the recipe.
    """
    labels = {task: cache.labels(task) for task in recipe.tasks}
    rows = np.flatnonzero(np.any([classes != UNKNOWN for classes in labels.values()], axis=0))
    if not len(rows):
        raise ValueError(f"{cache.folder}: no photo is labelled for {', '.join(recipe.tasks)}; take another")
    loader = Loader(
        cache,
        rows,
        batch_size=min(recipe.batch_size, len(rows)),
        image_size=recipe.image_size,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        policy=recipe.augment,
        centre=recipe.centre,
        seed=recipe.seed,
        shuffle=True,
    )
    images, chosen = next(loader.epoch(0))
    hard = {task: torch.from_numpy(classes)[chosen] for task, classes in labels.items()}
    rare = rare_photos(cache, rows)[chosen.numpy()]
    images, soft = mix(images, hard, recipe.mixing, rare=rare, seed=recipe.seed, epoch=0, step=0)
    if soft is hard:
        n = len(images)
        soft = soft_labels(hard, Mix(partner=torch.arange(n), share=torch.ones(n), boxes=None))
    pixels = images[: ROWS * COLUMNS].permute(0, 2, 3, 1).clamp(0, 1).numpy()
    _draw(pixels, {task: values.numpy() for task, values in soft.items()}, recipe, path)


def _draw(pixels: FloatArray, soft: Mapping[str, FloatArray], recipe: Recipe, path: Path) -> None:
    figure = Figure(figsize=(2.4 * COLUMNS, (2.1 + 0.2 * len(soft)) * ROWS), layout="constrained")
    figure.suptitle(f"augmentation {recipe.augment}, mixing {recipe.mixing.name}")
    for number, axes in enumerate(figure.subplots(ROWS, COLUMNS).flat):
        axes.set_axis_off()
        if number < len(pixels):
            axes.imshow(pixels[number])
            axes.set_title("\n".join(_told(task, soft[task][number]) for task in soft), fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _told(task: str, row: FloatArray) -> str:
    """`mask: 0.50 wear, 0.50 normal`."""
    shares = [f"{row[k]:.2f} {TASKS[task].classes[k]}" for k in np.argsort(-row, kind="stable") if row[k] > 0]
    return f"{task}: {', '.join(shares) or 'unknown'}"
