"""Trained folds: where they lie, and which photos they can answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faces.command import nearest
from train.engine.checkpoint import RunCard, read_card

CROP_FREE = ("codec", "quality", "seed", "shard_size", "max_megapixels")
"""Cache settings that do not change how a face is cut out and shown."""


@dataclass(frozen=True)
class Run:
    """A trained fold."""

    name: str
    """`<recipe>/fold<k>`."""
    path: Path
    """Its best.safetensors."""
    card: RunCard


def find_runs(recipes: Sequence[str], runs: Path) -> dict[str, list[Run]]:
    """All trained folds of some recipes, in the order of their folds.

    Raises:
        ValueError: a recipe without a trained fold, or a run that cannot be used.
    """
    return {recipe: _folds_of(recipe, runs) for recipe in recipes}


def _folds_of(recipe: str, runs: Path) -> list[Run]:
    paths = (runs / recipe).glob("fold*/best.safetensors")
    found = [Run(f"{recipe}/{path.parent.name}", path, read_card(path)) for path in paths]
    if not found:
        there = sorted(path.name for path in runs.glob("*") if path.is_dir()) or ["none"]
        raise ValueError(
            f"member {recipe!r}: no trained fold in {runs / recipe} ({nearest(recipe, there)}); "
            f"train it with `make train-all RECIPE=recipes/{recipe}.toml CACHE=... RUNS={runs}`"
        )
    return sorted(found, key=lambda run: run.card.fold)


def check_crops(runs: Sequence[Run], crop: Mapping[str, Any], cache: Path) -> None:
    """Refuse photos that were cropped differently from those a run was trained on.

    Raises:
        ValueError: naming the run, and each setting with both values.
    """
    for run in runs:
        trained = run.card.crop
        differing = [
            f"{key}: {trained.get(key)!r} in training, {crop.get(key)!r} here"
            for key in sorted({*trained, *crop} - {*CROP_FREE})
            if trained.get(key) != crop.get(key)
        ]
        if differing:
            raise ValueError(
                f"{cache}: its photos are cropped differently from those run {run.name} was trained on "
                f"({'; '.join(differing)}); preprocess them with the settings of training"
            )
