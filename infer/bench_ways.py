"""Ways of predicting the same photos, each of which can be done again and again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from faces.cache import Cache
from infer.predict import Member, Panel, load_member
from infer.views import count_of
from pipeline.forms import FormsLoader
from train.checkpoint import load_best

Turn = Callable[[], int]
"""Predicts the photos once, waits for the device, and returns their number."""
FOLDS = 5
FLIPPED = ("original", "flip")
_READY_BATCHES = 8
_LOOP_SHARE = 8
"""The loop predicts one photo of so many: it is slow, and as slow with a few."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be predicted, with what."""

    cache: Path
    """JPEG crops."""
    files: Path
    """Folder of the same crops, a file each."""
    runs: tuple[Path, ...]
    """best.safetensors of `FOLDS` runs of one recipe."""
    device: str
    """`cpu` or `cuda`."""
    cores: int
    """CPU cores that all threads of the process share, and threads of torch."""
    loader_threads: int
    """Threads of DALI, on the same cores."""
    batch_size: int
    """Photos a batch, where there are batches."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of predicting."""

    name: str
    """In table and picture."""
    make: Callable[[Job], Turn]
    """Loads what is needed, in the process that will predict."""
    full: str = ""
    """Name of the way that does the same forward passes and nothing else, whose speed is this one's limit."""


def through_panel(job: Job, members: Sequence[Member], views: Sequence[str]) -> Turn:
    """All crops of the cache by our loader, through any networks: those of a run, or an exported session.

    Args:
        job: what is predicted.
        members: who predict.
        views: names in `infer.views.VIEWS`.
    """
    cache = Cache.open(job.cache)
    panel = Panel(
        members,
        cache,
        np.arange(len(cache)),
        views,
        device=job.device,
        threads=job.loader_threads,
        batch_size=job.batch_size,
    )

    def turn() -> int:
        panel.predict(lambda _: None)
        return len(cache)

    return turn


def ours(job: Job, *, folds: int, views: Sequence[str]) -> Turn:
    """As `infer.predict` does it: one pass over the cache for all folds."""
    return through_panel(job, [load_member(path, job.device) for path in job.runs[:folds]], views)


def model_only(job: Job, *, folds: int, views: Sequence[str]) -> Turn:
    """The same number of forward passes over batches made beforehand, and nothing else."""
    cache = Cache.open(job.cache)
    members = [load_member(path, job.device) for path in job.runs[:folds]]
    loader = FormsLoader(
        cache,
        np.arange(len(cache)),
        [members[0].form],
        batch_size=job.batch_size,
        device="gpu" if job.device == "cuda" else "cpu",
    )
    ready = [images for (images,), _ in islice(loader.batches(), _READY_BATCHES)]

    @torch.inference_mode()
    def turn() -> int:
        for number, start in enumerate(range(0, len(cache), loader.batch_size)):
            images = ready[number % len(ready)][: len(cache) - start]
            for _ in range(count_of(views)):
                for member in members:
                    member.model(images)
        _synchronise(job.device)
        return len(cache)

    return turn


def one_by_one(job: Job) -> Turn:
    """The loop that contest teams wrote: fold after fold, photo after photo, the photo and its mirror image.

    PIL opens the file, torchvision resizes and normalises, the network gets a batch of one in float32, its
    probabilities are brought back, and the mean over all is taken at the end.
    """
    loaded = [load_best(path) for path in job.runs]
    networks = [network.to(job.device) for network, _ in loaded]
    card = loaded[0][1]
    prepare = transforms.Compose(
        [
            transforms.Resize((card.recipe.image_size, card.recipe.image_size)),
            transforms.ToTensor(),
            transforms.Normalize(card.normalisation.mean, card.normalisation.std),
        ]
    )
    paths = sorted(job.files.iterdir())
    paths = paths[: max(1, len(paths) // _LOOP_SHARE)]

    @torch.no_grad()
    def turn() -> int:
        answers: list[list[Any]] = []
        for network in networks:
            for path in paths:
                image = prepare(Image.open(path).convert("RGB"))[None].to(job.device)
                outputs = [network(image), network(image.flip(3))]
                answers += [[head.softmax(1).cpu().numpy() for head in heads.values()] for heads in outputs]
        for heads in zip(*answers, strict=True):
            np.mean(heads, axis=0)
        return len(paths)

    return turn


LOOP = f"loop, {FOLDS} folds + flip"
"""The way with which all are compared."""


def all_ways() -> list[Way]:
    """The loop, and ours beside the bare networks: one fold, all folds, all folds with two views."""
    ways = [Way(name=LOOP, make=one_by_one)]
    shapes = [("1 fold", 1, ("original",)), (f"{FOLDS} folds", FOLDS, ("original",))]
    for label, folds, views in [*shapes, (f"{FOLDS} folds + flip", FOLDS, FLIPPED)]:
        bare = f"model only, {label}"
        ways.append(Way(name=bare, make=partial(model_only, folds=folds, views=views)))
        ways.append(Way(name=f"ours, {label}", make=partial(ours, folds=folds, views=views), full=bare))
    return ways


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
