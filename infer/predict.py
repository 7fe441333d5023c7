"""Probabilities of every run of an ensemble on every row of a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from faces.cache import Cache
from faces.labels import FloatArray, compose
from infer.runs import Run
from pipeline.loader import Loader
from train.checkpoint import load_best
from train.codings import codings_of
from train.precision import make_fabric
from train.predict import View, original, predict_heads


def flip(images: Tensor) -> Tensor:
    """The images [n, 3, S, S] mirrored left to right."""
    return images.flip(3)


VIEWS: dict[str, View] = {"original": original, "flip": flip}


def predict_run(
    run: Run,
    cache: Cache,
    views: Sequence[str],
    *,
    device: str,
    threads: int,
    batch_size: int,
    advance: Callable[[int], object],
) -> FloatArray:
    """18-class probabilities of a run, averaged over views head by head before the heads are composed.

    Args:
        run: whose best epoch predicts, in the precision it was trained with.
        cache: all its rows are predicted.
        views: names in `VIEWS`.
        device: `cpu` or `cuda`.
        threads: of the loader.
        batch_size: images a batch.
        advance: called with the number of photos after each batch.

    Returns:
        float32 [rows of the cache, 18].
    """
    network, card = load_best(run.path)
    network = network.to(memory_format=torch.channels_last)
    model = make_fabric(card.recipe.precision, device).setup(network)
    loader = Loader(
        cache,
        np.arange(len(cache)),
        batch_size=batch_size,
        image_size=card.recipe.image_size,
        centre=card.recipe.centre,
        layout="channels_last",
        mean=card.normalisation.mean,
        std=card.normalisation.std,
        device="gpu" if device == "cuda" else "cpu",
        threads=threads,
    )
    chosen = [VIEWS[name] for name in views]
    return compose(predict_heads(model, loader, codings_of(card.recipe), views=chosen, advance=advance))
