"""Runs that nobody trained, whose answers differ from photo to photo all the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from faces.labels import CONTEST, LabelSet
from train.engine.card import RunCard
from train.engine.checkpoint import save_best
from train.network.model import build_model
from train.network.normalisation import Normalisation
from train.recipe.recipe import Recipe

CROP = {
    "rules": 2,
    "detection_rules": 1,
    "steps": ["mtcnn"],
    "min_face": 60,
    "detect_size": 640,
    "size": 48,
    "margin": 0.25,
    "align": False,
    "border": "repeat",
    "sharpen": 0.0,
    "background": "keep",
}


def even_prior(tasks: Sequence[str], labels: LabelSet) -> dict[str, tuple[float, ...]]:
    """The prior of a run's card, as if all classes were equally frequent."""
    sizes = {
        task: len(labels.task(task).classes) for task in ([labels.headline] if labels.headline else tasks)
    }
    return {task: (1 / size,) * size for task, size in sizes.items()}


def write_run(
    folder: Path,
    recipe: Recipe,
    *,
    fold: int = 0,
    crop: Mapping[str, Any] = CROP,
    seed: int = 0,
    labels: LabelSet = CONTEST,
) -> Path:
    """`folder`/fold<k>/best.safetensors of random weights, the heads' so large that answers differ."""
    torch.manual_seed(seed + fold)
    network = build_model(recipe, labels, initialise=False)
    network.train()
    with torch.no_grad():
        images = torch.rand(16, 1, 1, 1) * torch.rand(16, 3, recipe.image_size, recipe.image_size)
        for _ in range(20):  # so that batch norm knows what to expect
            network(4 * images - 2)
        features = network.eval().features(4 * images - 2)
        for layer in network.heads.layers.values():
            if isinstance(layer, nn.Linear):
                layer.weight.normal_().div_(features.std(0).clamp(min=1e-2) * features.shape[1] ** 0.5)
                layer.bias.copy_(-layer.weight @ features.mean(0))
    path = folder / f"fold{fold}" / "best.safetensors"
    path.parent.mkdir(parents=True)
    card = RunCard(
        recipe=recipe,
        normalisation=Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        classes={task: labels.task(task).classes for task in recipe.tasks},
        fold=fold,
        folds=5,
        fold_seed=0,
        scheme="person",
        epoch=0,
        score=0.5,
        crop=crop,
        labels=labels,
        prior=even_prior(recipe.tasks, labels),
    )
    save_best(network, card, path)
    return path
