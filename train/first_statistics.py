"""Networks whose batch norms come without statistics, made ready to be trained."""

from __future__ import annotations

import numpy as np

from faces.cache.reader import Cache
from faces.labels import IntArray
from pipeline.loader import Loader
from train.network.model import Network, normalisation
from train.network.unfolding import unfold_norms
from train.recipe.recipe import Recipe
from train.weights.card import read_weights_card
from train.weights.kept import kept_weights

MOST_PHOTOS = 128
"""Photos that statistics are computed on."""
_BATCH = 16
"""Few, so that little memory is needed whatever the backbone."""


def unfold(network: Network, recipe: Recipe, cache: Cache, training: IntArray, threads: int) -> None:
    """Give folded norms the statistics of training photos, where the backbone will be trained; else nothing.

    The photos are spread evenly over the fold's, seen as in evaluation. Every process takes the same, on the
    CPU, so that the result follows from weights, recipe and fold alone. A note of the network says it.

    Args:
        network: freshly built, on the CPU.
        recipe: whose weights it has.
        cache: of the photos.
        training: [n] rows that train.
        threads: of the loader.

    Raises:
        ValueError: a crop among them does not decode.
    """
    if not recipe.weights or recipe.optimiser.frozen_epochs >= recipe.epochs:
        return
    card = read_weights_card(kept_weights(recipe.weights))
    if card is None or card.norms != "folded":
        return
    scaling = normalisation(network, recipe)
    rows = training[
        np.unique(np.linspace(0, len(training) - 1, min(MOST_PHOTOS, len(training))).round().astype(int))
    ]
    loader = Loader(
        cache,
        rows,
        batch_size=_BATCH,
        image_size=recipe.image_size,
        centre=recipe.centre,
        layout="channels_last",
        mean=scaling.mean,
        std=scaling.std,
        threads=threads,
    )
    photos = unfold_norms(network.backbone, (images for images, _ in loader.epoch(0)))
    network.train()
    network.notes += (
        f"weights={recipe.weights!r}: their batch norms were folded, and got the statistics of {photos} "
        "training photos; what they answer is the same",
    )
