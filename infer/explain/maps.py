"""Maps of where networks look: Grad-CAM (Selvaraju et al. 2017) of each head, on the crop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from captum.attr import LayerGradCam
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from faces.labels import IntArray, Task
from faces.projection import covers
from infer.explain.network import TrainedNetwork, normalised
from infer.export.program.crops import look

BATCH = 16
"""Crops whose activations are held at once."""
Maps = NDArray[np.float32]
"""[n, H, W] in 0 to 1, the largest of each map 1; all 0 where nothing speaks for the class."""


def head_maps(
    network: TrainedNetwork,
    crops: NDArray[np.uint8],
    task: str,
    classes: Sequence[int] | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Maps:
    """Where a network looks for what speaks for a class of a task, such as `age3` or the factor `mask`.

    A map of features is weighed by how the class's log odds change with the mean of each channel, and what
    is positive is kept. The odds, the probability and its logarithm give the same map: their slopes differ
    by a factor. What the network is not shown, beyond the centre of the crop, is 0.

    Args:
        network: of `load_trained`.
        crops: uint8 RGB [n, H, W, 3] squares, as the cache holds them.
        task: that its heads tell.
        classes: of the task, for each crop; the likeliest of each when left out.
        advance: called with the number of crops that are done.

    Returns:
        float32 [n, H, W].

    Raises:
        ValueError: the heads do not tell the task, or a backbone that keeps no map of places.
    """
    labels, recipe = network.card.labels, network.card.recipe
    wanted = labels.task(task)
    if not covers(recipe.tasks, wanted.name, labels):
        raise ValueError(f"heads {', '.join(recipe.tasks)} do not tell {task}")
    found = []
    for start in range(0, len(crops), BATCH):
        some = crops[start : start + BATCH]
        asked = None if classes is None else list(classes[start : start + BATCH])
        seen = signed_maps(network, shown(network, some), wanted, asked)
        found.append(_on_crops(seen, network.places.shifts, crops.shape[1], recipe.centre))
        advance(len(some))
    return np.concatenate(found) if found else np.zeros(crops.shape[:3], np.float32)


def likeliest(network: TrainedNetwork, crops: NDArray[np.uint8], task: str) -> IntArray:
    """[n] classes that a network answers of crops, as of `head_maps`."""
    wanted = network.card.labels.task(task)
    found = [np.zeros(0, np.int64)]
    for start in range(0, len(crops), BATCH):
        with torch.no_grad():
            sure = network.places(shown(network, crops[start : start + BATCH]), wanted)
        found.append(sure.argmax(1).numpy())
    return np.concatenate(found)


def shown(network: TrainedNetwork, crops: NDArray[np.uint8]) -> Tensor:
    """Crops as the network takes them, [n, 3, S, S] on its device."""
    recipe = network.card.recipe
    photos = np.stack([look(crop, recipe.image_size, recipe.centre) for crop in crops])
    return normalised(network, torch.from_numpy(photos))


def vote_maps(
    networks: Sequence[TrainedNetwork],
    crops: NDArray[np.uint8],
    task: str,
    classes: Sequence[int],
    advance: Callable[[int], object] = lambda _: None,
) -> Maps:
    """The mean of the `head_maps` of those networks of a vote whose heads tell the task, scaled to 1.

    Args:
        networks: of the vote.
        crops: as of `head_maps`.
        task: to explain.
        classes: what the vote answered of each crop.
        advance: called with the number of crops that are done, once for each network that tells the task.

    Raises:
        ValueError: no network's heads tell the task.
    """
    telling = [each for each in networks if covers(each.card.recipe.tasks, task, each.card.labels)]
    if not telling:
        raise ValueError(f"no network of the vote tells {task}: explain a task that one was trained on")
    maps = [head_maps(each, crops, task, classes, advance) for each in telling]
    return _scaled(np.mean(maps, axis=0, dtype=np.float32))


def signed_maps(
    network: TrainedNetwork, images: Tensor, task: Task, classes: Sequence[int] | None
) -> list[Tensor]:
    """Each place's map [n, 1, h, w] before what speaks against the class is dropped (Grad-CAM's ReLU).

    Where the head is linear in the means of the maps, a map's sum is what they add to the log odds.

    Args:
        network: of `load_trained`.
        images: as of `MapPlaces.forward`.
        task: that its heads tell.
        classes: of the task, for each image; the likeliest of each if None.
    """
    places = network.places
    if classes is None:
        with torch.no_grad():
            classes = places(images, task).argmax(1).tolist()

    def odds(shown: Tensor) -> Tensor:
        return torch.as_tensor(places(shown, task))

    target = torch.tensor(classes)
    return [
        LayerGradCam(odds, place).attribute(images.requires_grad_(), target=target).detach().cpu()
        for place in places.places
    ]


def _on_crops(
    seen: Sequence[Tensor], shifts: Sequence[tuple[float, float]], size: int, centre: float
) -> Maps:
    """Maps of all places as one map on the crop, each position where it looks (`MapPlaces.shifts`).

    A map of few positions has as much to say as one of many, so each is taken as a density.
    """
    side = round(size * centre)
    first = (size - side) // 2
    placed = torch.zeros(len(seen[0]), 1, side, side)
    for maps, (down, right) in zip(seen, shifts, strict=True):
        places = maps.shape[2]
        moved = torch.tensor([[1, 0, -2 * right / places], [0, 1, -2 * down / places]])
        grid = functional.affine_grid(moved.expand(len(maps), 2, 3), [*placed.shape], align_corners=False)
        placed += places**2 * functional.grid_sample(
            maps.float(), grid, padding_mode="border", align_corners=False
        )
    whole = np.zeros((len(placed), size, size), np.float32)
    whole[:, first : first + side, first : first + side] = placed[:, 0].clamp(min=0).numpy()
    return _scaled(whole)


def _scaled(maps: Maps) -> Maps:
    largest = maps.max((1, 2), keepdims=True)
    return np.asarray(maps / np.where(largest > 0, largest, 1), np.float32)
