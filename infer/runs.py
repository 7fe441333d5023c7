"""The trained folds that an ensemble's members stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faces.labels import covers_classes
from infer.ensemble import Ensemble
from train.checkpoint import RunCard, read_card

CROP_FREE = ("codec", "quality", "seed", "shard_size", "max_megapixels")
"""Cache settings that do not change how a face is cut out and shown."""


@dataclass(frozen=True)
class Run:
    """A trained fold that votes."""

    name: str
    """`<recipe>/fold<k>`."""
    path: Path
    """Its best.safetensors."""
    card: RunCard


def find_runs(ensemble: Ensemble, runs: Path) -> list[Run]:
    """All trained folds of the ensemble's members, checked before any photo is read.

    Raises:
        ValueError: a member without a trained fold, or with heads that do not say all 18 classes.
    """
    found = []
    for member in ensemble.members:
        paths = sorted((runs / member).glob("fold*/best.safetensors"))
        if not paths:
            there = ", ".join(sorted(p.name for p in runs.glob("*") if p.is_dir())) or "none"
            raise ValueError(
                f"member {member!r}: no trained fold in {runs / member} (runs there: {there}); "
                f"train it with `make train-all RECIPE=recipes/{member}.toml CACHE=...`"
            )
        found += [Run(f"{member}/{path.parent.name}", path, read_card(path)) for path in paths]
    for run in found:
        tasks = run.card.recipe.tasks
        if not covers_classes(tasks):
            raise ValueError(
                f"run {run.name} was trained on {', '.join(tasks)}, but the vote is over 18 classes of mask, "
                'gender and age: use a recipe with tasks = ["class18"] or ["mask", "gender", "age3"]'
            )
    return found


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
