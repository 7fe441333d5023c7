"""One network opened up: a map of its features, and where it looks in a few photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from rich.console import Console
from sklearn.decomposition import PCA

from faces.labels import FloatArray, IntArray
from faces.pages.thumbnails import thumbnail
from faces.projection import covers
from faces.terminal.progress import photo_progress
from infer.explain.maps import head_maps
from infer.explain.network import TrainedNetwork, load_trained, normalised
from infer.export.program.crops import look
from report.answers import Answers
from train.loops.memory import keep_memory

MOST_MAPPED = 150
"""Photos on the map of features: seconds of a CPU."""
BATCH = 32
SIDE, QUALITY = 128, 70
STRENGTH = 0.55
"""Of the colours of a map over its photo."""


@dataclass(frozen=True)
class FeatureMap:
    """Photos as points: near each other where the network makes alike features of them."""

    points: list[list[Any]]
    """[place, x, y] of each; x and y in 0 to 1."""
    shares: tuple[float, float]
    """Of the features' variance that each axis shows, 0 to 1."""
    run: str
    of: int
    """How many photos the run's fold left out."""


@dataclass(frozen=True)
class LookedAt:
    """A photo, and where the network looks for each part of its answer."""

    place: int
    photo: str
    """A data: URI, as all pictures here."""
    maps: list[tuple[str, str]]
    """What was answered, `age 30-59`, and the map over the photo."""


@dataclass(frozen=True)
class NetworkView:
    """What one network makes of photos that it had not seen."""

    run: str
    features: FeatureMap
    looks: list[LookedAt]
    refusal: str
    """Why there are no maps of where it looks; "" where there are."""


def view_network(answers: Answers, looked_at: Sequence[int], device: str, console: Console) -> NetworkView:
    """The features that `Answers.opened` makes of the photos that its fold left out, and where it looks.

    Args:
        answers: to all photos.
        looked_at: places of photos of that fold to show maps of.
        device: `cpu` or `cuda`.
        console: where the bar is shown.
    """
    run = answers.opened
    if device == "cpu":
        keep_memory()
    network = load_trained(run.path, device)
    mine = np.flatnonzero((answers.photos["fold"] == run.card.fold).to_numpy())
    step = max(1, -(-len(mine) // MOST_MAPPED))
    with photo_progress(console=console) as progress:
        bar = progress.add_task("features", total=len(mine[::step]))
        features = _features(network, answers, mine[::step], lambda done: progress.advance(bar, done))
    points, shares = _flattened(features)
    places = zip(mine[::step].tolist(), points.tolist(), strict=True)
    found = FeatureMap([[place, *point] for place, point in places], shares, run.name, len(mine))
    try:
        looks = _looks(network, answers, looked_at)
    except ValueError as error:  # a backbone without places
        return NetworkView(run.name, found, [], str(error))
    return NetworkView(run.name, found, looks, "")


def _crops(answers: Answers, places: IntArray) -> NDArray[np.uint8]:
    cache = answers.subject.scored.plan.cache
    return np.stack([cache.image(int(row)) for row in answers.photos["row"].to_numpy()[places]])


def _features(network: TrainedNetwork, answers: Answers, places: IntArray, advance: Any) -> FloatArray:
    """float32 [n, width], tokens averaged."""
    recipe, found = network.card.recipe, []
    network.network.to(memory_format=torch.channels_last)
    for start in range(0, len(places), BATCH):
        some = places[start : start + BATCH]
        shown = [look(crop, recipe.image_size, recipe.centre) for crop in _crops(answers, some)]
        with torch.inference_mode():
            images = normalised(network, torch.from_numpy(np.stack(shown)))
            made = network.network.features(images.contiguous(memory_format=torch.channels_last))
        found.append((made.mean(1) if made.ndim == 3 else made).float().cpu().numpy())
        advance(len(some))
    return np.concatenate(found)


def _flattened(features: FloatArray) -> tuple[FloatArray, tuple[float, float]]:
    """[n, 2] in 0 to 1: the two directions in which standardised features differ most (PCA), and their shares
    of the variance. Of fewer photos than that takes, all lie in the middle."""
    if len(features) < 3:
        return np.full((len(features), 2), 0.5), (0.0, 0.0)
    spread = features.std(0)
    pca = PCA(2, random_state=0)
    flat = pca.fit_transform((features - features.mean(0)) / np.where(spread > 0, spread, 1))
    low, high = flat.min(0), flat.max(0)
    scaled = np.round((flat - low) / np.where(high > low, high - low, 1), 4)
    first, second = np.nan_to_num(pca.explained_variance_ratio_)
    return scaled, (float(first), float(second))


def _looks(network: TrainedNetwork, answers: Answers, places: Sequence[int]) -> list[LookedAt]:
    if not places:
        return []
    chosen = np.array(places)
    crops, labels = _crops(answers, chosen), network.card.labels
    maps: list[tuple[str, list[str], FloatArray]] = []
    for number, (name, values) in enumerate(zip(answers.names, answers.values, strict=True)):
        part = answers.task.parts[number]
        task = part.factor.name if part.whole else answers.task.name
        if covers(network.card.recipe.tasks, task, labels):
            answered = answers.answered_parts[number][chosen]
            words = [f"{name} {values[code]}" for code in answered]
            maps.append((name, words, head_maps(network, crops, task, answered.tolist())))
    return [
        LookedAt(
            place=place,
            photo=thumbnail(crops[at], SIDE, QUALITY),
            maps=[
                (words[at], thumbnail(_over(crops[at], found[at]), SIDE, QUALITY)) for _, words, found in maps
            ],
        )
        for at, place in enumerate(places)
    ]


def _over(crop: NDArray[np.uint8], weight: FloatArray) -> NDArray[np.uint8]:
    """A map over its photo: from nothing, in blue, to what counts most, in yellow."""
    colours = colormaps["plasma"](weight)[..., :3] * 255
    strength = STRENGTH * (0.35 + 0.65 * weight[..., None])
    return np.asarray(crop * (1 - strength) + colours * strength, np.uint8)
