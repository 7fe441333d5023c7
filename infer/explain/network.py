"""A trained network opened up: the maps that its heads stand on, through a place where they can be read."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faces.labels import Task
from faces.projection import covers
from infer.ensemble.tensors import Tensors
from train.engine.card import RunCard
from train.engine.checkpoint import load_best
from train.loops.swap import use_plain
from train.network.kinds import codings_of
from train.network.model import Network

LEAST = 1e-30
"""Least probability whose logarithm is taken; float64."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network and the card it was kept with."""

    network: Network
    """In evaluation mode, its weights without gradients; on any device."""
    card: RunCard

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.network.parameters()).device

    @property
    def tasks(self) -> list[str]:
        """What it can be asked of: each factor whose own values it tells; where there is none its heads."""
        labels, heads = self.card.labels, self.card.recipe.tasks
        factors = [labels.product([name]).name for name in labels.names if covers(heads, name, labels)]
        return factors or [*heads]

    @cached_property
    def places(self) -> MapPlaces:
        """Where its maps are read."""
        return MapPlaces(self)


def load_trained(path: Path, device: str = "cpu") -> TrainedNetwork:
    """The network of a run, in float32 whatever it was trained in.

    Args:
        path: its best.safetensors.
        device: `cpu` or `cuda`.

    Raises:
        ValueError: as `train.engine.checkpoint.load_best`.
    """
    network, card = load_best(path)
    use_plain(network)
    return TrainedNetwork(network.requires_grad_(False).to(device).eval(), card)


class MapPlaces(nn.Module):
    """The network once more, with an identity wherever its heads take in a map of places [n, c, h, w].

    Networks that pool maps are cut behind their last ones, of each of the stages that the heads stand on.
    Those that pool tokens are cut there, too, and the tokens of patches laid out as the map that they are.
    Where only a class token goes on from there, patches matter no more: these are cut where it last looks at
    them, before the attention of the last block.

    Args:
        trained: the network.

    Attributes:
        places: the identities, of the earliest stage first.

    Raises:
        ValueError: a backbone that keeps no map of places.
    """

    def __init__(self, trained: TrainedNetwork) -> None:
        super().__init__()
        self.trained = trained
        self.codings = codings_of(trained.card.recipe, trained.card.labels)
        self.stages = trained.network.stages
        self.places = nn.ModuleList(nn.Identity() for _ in range(self.stages))
        self._inner: nn.Module | None = None
        size = trained.card.recipe.image_size
        image = torch.linspace(-1, 1, 3 * size * size, device=trained.device).reshape(1, 3, size, size)
        if not self._reaches_heads(image):
            self._inner = _last_attention(trained)
            if not self._reaches_heads(image):
                raise ValueError(self._refusal("gives its heads nothing that has a place in the image"))

    def forward(self, images: Tensor, task: Task) -> Tensor:
        """How sure each class is: log p - log (1 - p), float64 [n, classes] on the CPU.

        Args:
            images: float RGB [n, 3, S, S], normalised.
            task: that the heads tell (`faces.projection.covers`).
        """
        outputs = self.trained.network.heads(self.features(images))
        heads = {
            name: coding.probabilities(outputs[name]).double().cpu() for name, coding in self.codings.items()
        }
        found = Tensors().project(heads, task.name, self.trained.card.labels)
        # The others' sum: of 1 - p nothing would be left where p rounds to 1.
        others = found @ (1 - torch.eye(found.shape[1], dtype=found.dtype))
        return found.clamp(min=LEAST).log() - others.clamp(min=LEAST).log()

    def features(self, images: Tensor) -> Tensor:
        """As `Network.features`, through the places."""
        backbone: Any = self.trained.network.backbone
        with self._inside():
            if self.stages == 1:
                return torch.as_tensor(backbone.forward_head(self._outer(backbone.forward_features(images))))
            last, maps = backbone.forward_intermediates(images, indices=self.stages)
            means = [place(each).mean((2, 3)) for place, each in zip(self.places, maps[:-1], strict=False)]
            head = backbone.forward_head(self._outer(last), pre_logits=True)
            return torch.cat([head, *means], 1)

    def _outer(self, found: Tensor) -> Tensor:
        return found if self._inner is not None else self._through(found)

    def _inside(self) -> AbstractContextManager[object]:
        if self._inner is None:
            return nullcontext()
        return self._inner.register_forward_hook(lambda _, __, tokens: self._through(tokens))

    def _through(self, found: Tensor) -> Tensor:
        """The same values, having been a map [n, c, h, w] at the last place."""
        place = self.places[-1]
        if found.ndim == 4 and found.shape[2] == found.shape[3]:
            return torch.as_tensor(place(found))
        if found.ndim == 4:
            return torch.as_tensor(place(found.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        if found.ndim != 3:
            raise ValueError(self._refusal(f"makes features of shape {[*found.shape[1:]]} and no map"))
        before = getattr(self.trained.network.backbone, "num_prefix_tokens", 0)
        before = before if _is_square(found.shape[1] - before) else 0
        if not _is_square(found.shape[1] - before):
            raise ValueError(self._refusal(f"lays its {found.shape[1]} tokens out in no square"))
        patches = found[:, before:].transpose(1, 2)
        side = isqrt(patches.shape[2])
        seen = place(patches.reshape(*patches.shape[:2], side, side))
        return torch.cat([found[:, :before], seen.flatten(2).transpose(1, 2)], 1)

    @cached_property
    def shifts(self) -> list[tuple[float, float]]:
        """How far down and right of the middle of its share of the image each place's positions look, in
        positions: strides with padding on both sides let the first position look at the corner.

        It is where the slopes of the middle position's values by the pixels of noise have their centre.
        """
        size = self.trained.card.recipe.image_size
        noise = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(0))
        images = noise.to(self.trained.device).requires_grad_()
        kept: list[Tensor] = []
        hooks = [place.register_forward_hook(lambda _, __, seen: kept.append(seen)) for place in self.places]
        with torch.enable_grad():
            self.features(images)
        for hook in hooks:
            hook.remove()
        return [_shift_of(maps, images) for maps in kept]

    def _reaches_heads(self, image: Tensor) -> bool:
        """Whether what the features are depends on what is at the last place."""
        kept: list[Tensor] = []
        hook = self.places[-1].register_forward_hook(lambda _, __, seen: kept.append(seen))
        with hook, torch.enable_grad():
            features = self.features(image.clone().requires_grad_())
            # Rising weights: what is normalised has a sum that nothing changes.
            weighted = features * torch.linspace(1, 2, features.shape[-1], device=features.device)
            [slope] = torch.autograd.grad(weighted.sum(), kept[-1:], allow_unused=True)
        return slope is not None and bool(slope.any())

    def _refusal(self, why: str) -> str:
        return (
            f"backbone {self.trained.card.recipe.backbone!r} {why}, so where it looks is not known; explain "
            "a run of another backbone"
        )


def _shift_of(maps: Tensor, images: Tensor) -> tuple[float, float]:
    """How far down and right of its own place the middle position looks, in positions; 0 where it looks at
    nothing."""
    side, size = maps.shape[2], images.shape[2]
    middle = side // 2
    signs = torch.ones(maps.shape[1], device=maps.device)
    signs[1::2] = -1  # a plain sum is what a normalised map keeps constant
    value = (maps[:, :, middle, middle] * signs).sum()
    [slopes] = torch.autograd.grad(value, images, retain_graph=True)
    weights = slopes.double().square().sum((0, 1))
    if not weights.any():
        return 0.0, 0.0
    pixels = torch.arange(size, dtype=torch.float64, device=weights.device) + 0.5
    down = float(weights.sum(1) @ pixels / weights.sum())
    right = float(weights.sum(0) @ pixels / weights.sum())
    return down * side / size - middle - 0.5, right * side / size - middle - 0.5


def _last_attention(trained: TrainedNetwork) -> nn.Module | None:
    """What normalises tokens before the attention of the last block, where there are such."""
    blocks = getattr(trained.network.backbone, "blocks", None)
    found = getattr(blocks[-1], "norm1", None) if isinstance(blocks, nn.Sequential | nn.ModuleList) else None
    return found if isinstance(found, nn.Module) else None


def _is_square(count: int) -> bool:
    return count > 0 and isqrt(count) ** 2 == count


def normalised(trained: TrainedNetwork, photos: Tensor) -> Tensor:
    """Photos float32 RGB [n, 3, S, S], 0 to 255, as the network takes them, on its device."""
    mean, std = (
        255 * torch.tensor(values)[:, None, None]
        for values in (trained.card.normalisation.mean, trained.card.normalisation.std)
    )
    return ((photos - mean) / std).to(trained.device)
