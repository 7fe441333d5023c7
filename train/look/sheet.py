"""A picture of photos as a recipe trains on them: augmented, mixed, and with the labels they teach."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from faces.cache.reader import Cache
from faces.labels import UNKNOWN, FloatArray
from faces.plots import save_figure
from pipeline.loader import Loader
from train.data.mixing import mix, rare_photos
from train.network.kinds import codings_of
from train.network.targets import make_targets
from train.recipe.recipe import Recipe

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
    labelled = np.any([cache.labels(task) != UNKNOWN for task in recipe.tasks], axis=0)
    rows = np.flatnonzero(labelled)
    if not len(rows):
        raise ValueError(f"{cache.folder}: no photo is labelled for {', '.join(recipe.tasks)}; take another")
    loader = Loader(
        cache,
        rows,
        batch_size=min(recipe.batch_size, len(rows)),
        image_size=recipe.image_size,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        policy=recipe.policy,
        centre=recipe.centre,
        seed=recipe.seed,
        shuffle=True,
    )
    images, chosen = next(loader.epoch(0))
    targets = {
        name: torch.from_numpy(values)[chosen] for name, values in make_targets(recipe, cache, rows).items()
    }
    rare = rare_photos(cache, rows, recipe.tasks)[chosen.numpy()]
    images, mixed = mix(images, targets, recipe.mixing, rare=rare, seed=recipe.seed, epoch=0, step=0)
    pixels = images[: ROWS * COLUMNS].permute(0, 2, 3, 1).clamp(0, 1).numpy()
    codings = codings_of(recipe, cache.label_set)
    said = [
        [f"{task}: {coding.say(mixed[task][number].numpy())}" for task, coding in codings.items()]
        for number in range(len(pixels))
    ]
    _draw(pixels, said, recipe, path)


def _draw(pixels: FloatArray, said: Sequence[Sequence[str]], recipe: Recipe, path: Path) -> None:
    figure = Figure(figsize=(2.4 * COLUMNS, (2.1 + 0.2 * len(recipe.tasks)) * ROWS), layout="constrained")
    figure.suptitle(f"augmentation {recipe.policy_name}, mixing {recipe.mixing.name}")
    for number, axes in enumerate(figure.subplots(ROWS, COLUMNS).flat):
        axes.set_axis_off()
        if number < len(pixels):
            axes.imshow(pixels[number])
            axes.set_title("\n".join(said[number]), fontsize=7)
    save_figure(figure, path, dpi=100)
