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
from torch import Tensor
from torchvision import transforms

from faces.cache import Cache
from infer.ensemble import Leaf
from infer.predict import Member, Panel, load_member
from infer.runs import Run
from infer.views import count_of
from pipeline.forms import Form, FormsLoader
from train.checkpoint import load_best, read_card

Turn = Callable[[], int]
"""Predicts the photos once, waits for the device, and returns their number."""
FOLDS = 5
ONCE, FLIPPED = ("original",), ("original", "flip")
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


class Probabilities:
    """The coding of an output that is probabilities already."""

    def probabilities(self, outputs: Tensor) -> Tensor:
        """[n, classes], as they are."""
        return outputs


def exported(job: Job, *, folds: int, views: Sequence[str]) -> Turn:
    """ONNX Runtime on one file that holds all folds, their views and the vote, fed by our loader."""
    from infer.deploy.predict import open_session
    from infer.export_graph import to_onnx, to_program
    from infer.export_network import PROBABILITIES, Exported

    runs = [Run(f"run/fold{number}", path, read_card(path)) for number, path in enumerate(job.runs[:folds])]
    model = Exported({"run": runs}, views, Leaf("run"))
    [shown] = model.inputs
    path = job.files.with_name("model.onnx")
    path.write_bytes(to_onnx(to_program(model), [shown.name], model.outputs).SerializeToString())
    session = open_session(str(path), job.cores)

    def answer(images: Tensor) -> dict[str, Tensor]:
        said = session.run([PROBABILITIES], {shown.name: images.contiguous().numpy()})
        return {"class18": torch.from_numpy(said[0])}

    # Pixels from 0 to 255: the file normalises them itself.
    form = Form(
        image_size=shown.size, mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255), centre=shown.centre
    )
    return through_panel(job, [Member(model=answer, form=form, codings={"class18": Probabilities()})], ONCE)


LOOP = f"loop, {FOLDS} folds + flip"
"""The way with which all are compared."""


def all_ways(device: str) -> list[Way]:
    """The loop, ONNX Runtime, and ours beside the bare networks: one fold, all folds, all with two views."""
    ways = [Way(name=LOOP, make=one_by_one)]
    if device == "cpu":
        name = f"ONNX Runtime, {FOLDS} folds + flip"
        ways.append(Way(name=name, make=partial(exported, folds=FOLDS, views=FLIPPED)))
    shapes = [("1 fold", 1, ONCE), (f"{FOLDS} folds", FOLDS, ONCE)]
    for label, folds, views in [*shapes, (f"{FOLDS} folds + flip", FOLDS, FLIPPED)]:
        bare = f"model only, {label}"
        ways.append(Way(name=bare, make=partial(model_only, folds=folds, views=views)))
        ways.append(Way(name=f"ours, {label}", make=partial(ours, folds=folds, views=views), full=bare))
    return ways


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
