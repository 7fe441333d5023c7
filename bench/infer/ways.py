"""Ways of predicting the same photos, each of which can be done again and again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.infer.loop import one_by_one
from bench.infer.setting import FOLDS, Job, Turn, crop_photos
from faces.cache.reader import Cache
from faces.labels import CONTEST
from infer.ensemble.tree import Leaf
from infer.predict.networks import LoadedNetwork, NetworkGroup, load_network
from infer.predict.runs import Run
from infer.predict.views import count_of
from pipeline.formats import InputFormat, MultiFormatLoader
from preprocess.settings import PreprocessSettings
from preprocess.shard import Tools
from train.engine.card import read_card
from train.engine.compute import PredictCompute

ONCE, FLIPPED = ("original",), ("original", "flip")
_READY_BATCHES = 8


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way of predicting."""

    name: str
    """In table and picture."""
    make: Callable[[Job], Turn]
    """Loads what is needed, in the process that will predict."""
    loop: str
    """Name of the loop that answers the same from the same, photos or crops."""
    full: str = ""
    """Name of the way that does the same forward passes and nothing else, whose speed is this one's limit."""


def group_of(job: Job, cache: Cache, networks: Sequence[LoadedNetwork], views: Sequence[str]) -> NetworkGroup:
    """Any networks, those of a run or an exported session, for all crops of a cache by our loader.

    Args:
        job: how it is predicted.
        cache: what is predicted.
        networks: who predict.
        views: names in `infer.predict.views.VIEWS`.
    """
    compute = PredictCompute(device=job.device, threads=job.loader_threads, batch_size=job.batch_size)
    return NetworkGroup(networks, cache, np.arange(len(cache)), views, compute)


def through_group(job: Job, networks: Sequence[LoadedNetwork], views: Sequence[str]) -> Turn:
    """All crops of the job's cache, again and again by one group."""
    cache = Cache.open(job.cache)
    group = group_of(job, cache, networks, views)

    def turn() -> int:
        group.predict(lambda _: None)
        return len(cache)

    return turn


def ours(job: Job, *, folds: int, views: Sequence[str]) -> Turn:
    """What `infer.predict.networks` does: one pass over the cache for all folds."""
    return through_group(job, [load_network(path, job.device) for path in job.runs[:folds]], views)


def ours_from_photos(job: Job, *, folds: int, views: Sequence[str]) -> Turn:
    """Stage 1 in one thread, then `ours` on the cache it made, from the listing of the folder on."""
    members = [load_network(path, job.device) for path in job.runs[:folds]]
    tools = Tools(PreprocessSettings(data=job.photos, cache=job.cache, device=job.device), job.photos)

    def turn() -> int:
        with tempfile.TemporaryDirectory() as place:
            cache = crop_photos(tools, Path(place, "cache"))
            group_of(job, cache, members, views).predict(lambda _: None)
        return len(cache)

    return turn


def model_only(job: Job, *, folds: int, views: Sequence[str]) -> Turn:
    """The same number of forward passes over batches made beforehand, and nothing else."""
    cache = Cache.open(job.cache)
    members = [load_network(path, job.device) for path in job.runs[:folds]]
    loader = MultiFormatLoader(
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


class Probabilities:
    """The coding of an output that is probabilities already."""

    def probabilities(self, outputs: Tensor) -> Tensor:
        """[n, classes], as they are."""
        return outputs


def exported(job: Job, *, folds: int, views: Sequence[str]) -> Turn:
    """ONNX Runtime on one file that holds all folds, their views and the vote, fed by our loader."""
    from infer.export.network import PROBABILITIES, Exported
    from infer.export.onnx import to_onnx, to_program
    from infer.export.program.sessions import open_session

    runs = [Run(f"run/fold{number}", path, read_card(path)) for number, path in enumerate(job.runs[:folds])]
    model = Exported({"run": runs}, views, Leaf("run"), CONTEST.task(CONTEST.headline), CONTEST)
    [shown] = model.inputs
    path = job.files.with_name("model.onnx")
    path.write_bytes(to_onnx(to_program(model), [shown.name], model.outputs).SerializeToString())
    session = open_session(str(path), job.cores)

    def answer(images: Tensor) -> dict[str, Tensor]:
        [probabilities] = session.run([PROBABILITIES], {shown.name: images.contiguous().numpy()})
        return {CONTEST.headline: torch.from_numpy(probabilities)}

    # Pixels from 0 to 255: the file normalises them itself.
    form = InputFormat(
        image_size=shown.size, mean=(0.0, 0.0, 0.0), std=(1 / 255, 1 / 255, 1 / 255), centre=shown.centre
    )
    network = LoadedNetwork(model=answer, form=form, codings={CONTEST.headline: Probabilities()})
    return through_group(job, [network], ONCE)


FROM_PHOTOS = f"ours from photos, {FOLDS} folds + flip"
PHOTO_LOOP = f"loop over photos, {FOLDS} folds + flip"
CROP_LOOP = f"loop over crops, {FOLDS} folds + flip"


def all_ways(device: str) -> list[Way]:
    """From photos: the loop and ours. From crops: the loop, ONNX Runtime, and ours beside the bare networks:
    one fold, all folds, all with two views."""
    ways = [
        Way(name=PHOTO_LOOP, loop=PHOTO_LOOP, make=partial(one_by_one, detector=True)),
        Way(
            name=FROM_PHOTOS,
            loop=PHOTO_LOOP,
            make=partial(ours_from_photos, folds=FOLDS, views=FLIPPED),
        ),
        Way(name=CROP_LOOP, loop=CROP_LOOP, make=partial(one_by_one, detector=False)),
    ]
    if device == "cpu":
        name = f"ONNX Runtime, {FOLDS} folds + flip"
        ways.append(Way(name=name, loop=CROP_LOOP, make=partial(exported, folds=FOLDS, views=FLIPPED)))
    shapes = [("1 fold", 1, ONCE), (f"{FOLDS} folds", FOLDS, ONCE)]
    for label, folds, views in [*shapes, (f"{FOLDS} folds + flip", FOLDS, FLIPPED)]:
        bare = f"model only, {label}"
        mine = partial(ours, folds=folds, views=views)
        ways.append(Way(name=bare, loop=CROP_LOOP, make=partial(model_only, folds=folds, views=views)))
        ways.append(Way(name=f"ours, {label}", loop=CROP_LOOP, make=mine, full=bare))
    return ways


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
