"""The whole job as contest teams write it: one script around facenet-pytorch, torchvision and timm.

The face is searched in `Dataset.__getitem__`, one photo at a time, so again in every epoch; a DataLoader of
two workers; float32; the weights of the last epoch; prediction in batches of one. Network, loss, optimiser
and schedule are the recipe's own, so that both ways train the same; all around them is written out here.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from bench.loaders.rivals.torchvision_pil import torchvision_transforms
from bench.whole.dataset import FacePhotos
from faces.command import run_command
from faces.labels import CONTEST
from faces.projection import project
from faces.scores import macro_f1
from faces.terminal.progress import photo_progress
from train.descent.optimiser import make_optimiser
from train.descent.schedule import make_schedule
from train.engine.precision import choose_device
from train.network.coding import Coding
from train.network.kinds import codings_of
from train.network.model import Network, build_model, normalisation
from train.network.objective import Objective
from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe

CLASSES = "class18"


@dataclass(frozen=True, kw_only=True)
class TeamsSettings:
    """Train folds and answer photos as contest teams do it; writes submission.csv and stages.json."""

    recipe: Path
    """Recipe file (TOML)."""
    photos: Path
    """Table of the labelled photos: path, mask, gender, age, and the fold that validates each."""
    unseen: Path
    """Folder with info.csv and images."""
    out: Path
    """Folder to write."""
    workers: int = 2
    """Processes of the DataLoader."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What training and predicting have in common."""

    recipe: Recipe
    codings: Mapping[str, Coding]
    device: str
    workers: int
    spent: Any
    """Shared sum of the CPU seconds of all searches of faces."""

    def loader(self, paths: Sequence[str], network: Network, *, train: bool, batch: int) -> DataLoader[Any]:
        """Photos in batches: shuffled and augmented to train, resized otherwise."""
        scale, size = normalisation(network, self.recipe), self.recipe.image_size
        plain = [v2.Resize((size, size)), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)]
        transform = v2.Compose([*plain, v2.Normalize(list(scale.mean), list(scale.std))])
        if train:
            transform = torchvision_transforms(self.recipe.policy, size, scale.mean, scale.std)
        return DataLoader(
            FacePhotos(paths, transform, self.spent),
            batch_size=batch,
            shuffle=train,
            num_workers=self.workers,
            persistent_workers=train and self.workers > 0,
        )

    def answer(self, network: Network, images: Tensor) -> NDArray[Any]:
        """[n, 18] probabilities."""
        outputs = network(images.to(self.device))
        heads = {task: coding.probabilities(outputs[task]) for task, coding in self.codings.items()}
        return project({task: found.cpu().numpy() for task, found in heads.items()}, CLASSES, CONTEST)


def train_fold(script: Script, table: pd.DataFrame, fold: int, advance: Callable[[int], object]) -> Network:
    """Train on all folds but one for all epochs; the last one's network, and its score on that fold.

    Args:
        script: how.
        table: path, mask, gender, age, fold.
        fold: which validates.
        advance: called with the number of photos of each batch.
    """
    recipe = script.recipe
    torch.manual_seed(recipe.seed + fold)
    network = build_model(recipe, CONTEST).to(script.device)
    taught, kept = table[table.fold != fold], table[table.fold == fold]
    labels = {name: torch.from_numpy(coding.targets(taught)) for name, coding in script.codings.items()}
    for name, coding in script.codings.items():
        coding.prepare(network.heads.layer(name), labels[name].numpy())
    masses = {name: rows.sum(0) for name, rows in labels.items()}
    counts = {name: torch.where(mass > 0, mass.clamp(min=1), 0) for name, mass in masses.items()}
    objective = Objective(recipe, CONTEST, counts).to(script.device)
    loader = script.loader([*taught.path], network, train=True, batch=recipe.batch_size)
    optimiser = make_optimiser(network, recipe.optimiser)
    schedule = make_schedule(
        optimiser,
        recipe.schedule,
        steps_per_epoch=len(loader),
        epochs=recipe.epochs,
        falls=lambda: 0,
    )
    for epoch in range(recipe.epochs):
        network.frozen = epoch < recipe.optimiser.frozen_epochs
        network.train()
        for images, places in loader:
            targets = {name: rows[places].to(script.device) for name, rows in labels.items()}
            loss = objective(network(images.to(script.device)), targets, epoch=epoch, total=lambda mass: mass)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            advance(len(places))
    validate(script, network.eval(), kept, fold, advance)
    return network


@torch.no_grad()
def validate(
    script: Script, network: Network, kept: pd.DataFrame, fold: int, advance: Callable[[int], object]
) -> None:
    """Print the score of a fold."""
    answers = []
    for images, places in script.loader([*kept.path], network, train=False, batch=script.recipe.batch_size):
        answers.append(script.answer(network, images))
        advance(len(places))
    truth = CONTEST.task(CLASSES).encode(kept)
    print(f"fold {fold}: macro F1 {macro_f1(truth, np.concatenate(answers).argmax(1), 18):.3f}")


@torch.no_grad()
def predict(script: Script, networks: Sequence[Network], folder: Path, out: Path) -> None:
    """Answer each photo of info.csv by the mean of all folds' probabilities, and write submission.csv."""
    asked = pd.read_csv(folder / "info.csv")
    paths = [str(folder / "images" / name) for name in asked.ImageID]
    answers = []
    with photo_progress() as progress:
        bar = progress.add_task("teams: predicting", total=len(paths))
        for images, _ in script.loader(paths, networks[0], train=False, batch=1):
            votes = [script.answer(network, images) for network in networks]
            answers.append(int(np.mean(votes, axis=0).argmax()))
            progress.advance(bar)
    asked.assign(ans=answers).to_csv(out / "submission.csv", index=False)


def run(settings: TeamsSettings) -> None:
    """Train every fold, answer, and write what each stage took."""
    recipe, table = read_recipe(settings.recipe), pd.read_csv(settings.photos)
    script = Script(
        recipe=recipe,
        codings=codings_of(recipe, CONTEST),
        device=choose_device("auto"),
        workers=settings.workers,
        spent=multiprocessing.Value("d", 0.0),
    )
    folds = range(table.fold.max() + 1)
    networks = []
    with photo_progress() as progress:
        for fold in folds:
            validated = (table.fold == fold).sum()
            total = recipe.epochs * (len(table) - validated) + validated
            bar = progress.add_task(f"teams: fold {fold}", total=int(total))
            networks.append(train_fold(script, table, fold, partial(progress.advance, bar)))
    trained = (_cpu_seconds(), script.spent.value)
    start = time.perf_counter()
    predict(script, networks, settings.unseen, settings.out)
    stages = {
        "prediction_wall": time.perf_counter() - start,
        "prediction_cpu": _cpu_seconds() - trained[0],
        "prediction_search": script.spent.value - trained[1],
        "search": script.spent.value,
    }
    (settings.out / "stages.json").write_text(json.dumps(stages), encoding="utf-8")


def _cpu_seconds() -> float:
    """CPU seconds so far of this process and of its workers that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in spent)


def main() -> None:
    """`python -m bench.whole.teams`."""
    run_command(TeamsSettings, run)


if __name__ == "__main__":
    main()
