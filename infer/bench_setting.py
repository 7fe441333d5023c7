"""What the ways of predicting are measured on: drawn crops, photos as files, and runs that nobody trained."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from faces.cache import Cache
from faces.labels import CLASS_COUNT, TASKS
from faces.people import person_look, photo_shot
from faces.portrait import portrait
from faces.tar import Sample
from faces.writer import DETECTED, CacheWriter
from train.checkpoint import RunCard, save_best
from train.model import build_model, normalisation
from train.recipe import Recipe

CROP = 256
"""Side of the drawn crops, pixels."""
DISTINCT = 48
"""Drawn crops that differ; drawing one takes as long as decoding a hundred."""
_QUALITY = 95


def draw_crops(folder: Path) -> Cache:
    """A cache of `DISTINCT` drawn faces as JPEG crops, without labels."""
    samples = []
    for number in range(DISTINCT):
        look = person_look(0, number, female=number % 2 == 1, age=18 + number)
        photo = Image.fromarray(portrait(look, photo_shot(0, number, 0, number % 3)))
        side = min(photo.size)
        left, top = ((length - side) // 2 for length in photo.size)
        buffer = io.BytesIO()
        photo.crop((left, top, left + side, top + side)).resize((CROP, CROP)).save(
            buffer, "JPEG", quality=_QUALITY
        )
        fields = {"key": f"{number:06d}", "position": number, "height": CROP, "width": CROP}
        samples.append(Sample(fields={**fields, "status": DETECTED}, data=buffer.getvalue()))
    writer = CacheWriter(folder, settings={"codec": "jpeg", "size": CROP}, source={}, shard_count=1)
    writer.write(0, samples)
    return writer.finish()


def write_files(cache: Cache, folder: Path) -> None:
    """Each crop of a JPEG cache as a file of its own, named by its row."""
    folder.mkdir()
    for row in range(len(cache)):
        (data,) = cache.encoded(np.array([row]))
        (folder / f"{row:06d}.jpg").write_bytes(data.tobytes())


def random_run(recipe: Recipe, seed: int, path: Path) -> RunCard:
    """Write best.safetensors of a network as training would begin with it.

    Args:
        recipe: of a precision other than auto.
        seed: of the weights; the fold of the card.
        path: the file; its folder is made.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_model(recipe)
    card = RunCard(
        recipe=recipe,
        normalisation=normalisation(network),
        classes={task: TASKS[task].classes for task in recipe.tasks},
        fold=seed,
        folds=seed + 1,
        fold_seed=0,
        scheme="person",
        epoch=0,
        score=float("nan"),
        crop={},
        prior=(1 / CLASS_COUNT,) * CLASS_COUNT,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_best(network, card, path)
    return card
