"""A recipe: everything that decides a trained system but the photos and the fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faces.labels import TASKS
from faces.settings import nearest
from pipeline.augment import POLICIES

Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """How gradients become steps."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    """timm's optimiser; sgd is with Nesterov momentum."""
    lr: float = 1e-3
    """Learning rate after warm-up."""
    weight_decay: float = 0.0
    """Decay of weights; biases and normalisation are exempt, as timm does it."""
    momentum: float = 0.9
    """Momentum of sgd; the others do not use it."""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError(f"optimiser.lr={self.lr}: must be above 0")
        if self.weight_decay < 0 or not 0 <= self.momentum < 1:
            raise ValueError(
                f"optimiser.weight_decay={self.weight_decay}, momentum={self.momentum}: "
                "need weight_decay >= 0 and 0 <= momentum < 1"
            )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate changes."""

    name: Literal["constant", "exponential", "cosine"] = "cosine"
    """exponential multiplies by `gamma` after each epoch; cosine falls to 0 over the whole training."""
    gamma: float = 0.995
    """Factor of an epoch, for exponential."""
    warmup_epochs: float = 0.0
    """Epochs over which the rate rises linearly from 0, before any schedule."""

    def __post_init__(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ValueError(f"schedule.gamma={self.gamma}: must be in (0, 1]")
        if self.warmup_epochs < 0:
            raise ValueError(f"schedule.warmup_epochs={self.warmup_epochs}: must be at least 0")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One trained system."""

    about: str = ""
    """One line on what it is and when to use it."""
    tasks: tuple[str, ...] = ("class18",)
    """What is predicted, one head each on a shared backbone; their losses are summed."""
    backbone: str = "resnet18"
    """Name of a timm model."""
    pretrained: bool = False
    """Start from the weights of timm's hub; needs the network once."""
    weights: str = ""
    """Start from this local file of backbone weights (safetensors, or a state dict saved by torch)."""
    dropout: float = 0.0
    """Share of the features dropped before the classifier."""
    image_size: int = 224
    """Height and width of the network's input, in pixels."""
    augment: str = "light"
    """Augmentation policy of the training photos."""
    epochs: int = 20
    """Passes over the training photos."""
    batch_size: int = 32
    """Photos a step."""
    seed: int = 0
    """Of weights, order and augmentation."""
    precision: Precision = "auto"
    """Arithmetic of forward and backward passes; auto measures what is fastest on this machine."""
    optimiser: Optimiser = Optimiser()
    """How gradients become steps."""
    schedule: Schedule = Schedule()
    """How the learning rate changes."""

    def __post_init__(self) -> None:
        for kind, names, known in (("tasks", self.tasks, TASKS), ("augment", (self.augment,), POLICIES)):
            for name in names:
                if name not in known:
                    raise ValueError(f"{kind}: {name!r} is unknown: {nearest(name, list(known))}")
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks={list(self.tasks)}: name at least one task, each once")
        if self.pretrained and self.weights:
            raise ValueError(f"pretrained=true and weights={self.weights!r}: choose one of them")
        if self.epochs < 1 or self.batch_size < 2:
            raise ValueError(
                f"epochs={self.epochs}, batch_size={self.batch_size}: "
                "need at least 1 epoch, and 2 photos a batch for batch normalisation"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: must be in [0, 1)")
