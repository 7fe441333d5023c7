"""A recipe: everything that decides a trained system but the photos and the fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faces.labels import TASKS
from faces.settings import nearest
from pipeline.augment import LEAST_CENTRE, POLICIES

Precision = Literal["auto", "fp32", "bf16", "fp16"]
SamplerName = Literal[
    "shuffle",
    "class_balanced",
    "effective_number",
    "inverse_sqrt",
    "custom",
    "undersample",
    "person_balanced",
]


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
class Mixing:
    """How training photos are joined in pairs within their batch, and their labels with them."""

    name: Literal["none", "mixup", "cutmix", "half_face"] = "none"
    """mixup blends two photos; cutmix pastes a box of the partner over the photo; half_face joins the photo's
    left part with the partner's right part."""
    probability: float = 1.0
    """Of each photo of a batch, apart from the others, to be mixed; in (0, 1]."""
    alpha: float = 1.0
    """Both parameters of the Beta distribution of a photo's own share, for mixup and cutmix; above 0. At 1
    all shares are equally likely, at 0.2 most photos are almost whole."""
    ratio: tuple[float, float] = (0.5, 0.5)
    """Least and greatest place of the cut, as a fraction of the width, for half_face; in (0, 1). The left of
    the cut is the photo's own share; 0.5 cuts a centred face through its middle."""
    partner: Literal["any", "rare_age"] = "any"
    """Whom a photo is joined with: any other of its batch, or one of the age band rarest in training; a batch
    without one of that band is joined as by any."""

    def __post_init__(self) -> None:
        if not 0 < self.probability <= 1:
            raise ValueError(
                f'mixing.probability={self.probability}: must be in (0, 1]; name = "none" turns mixing off'
            )
        if not self.alpha > 0:
            raise ValueError(f"mixing.alpha={self.alpha}: must be above 0")
        low, high = self.ratio
        if not 0 < low <= high < 1:
            raise ValueError(f"mixing.ratio={low}, {high}: need two fractions 0 < low <= high < 1")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which training photos make an epoch, and how often each comes."""

    name: SamplerName = "shuffle"
    """shuffle: every photo once. class_balanced, effective_number, inverse_sqrt: as many draws with
    replacement, weighted by how many training photos of the fold have the photo's class in `task`; custom:
    by the user's weights. undersample: of every class as many photos as the rarest has, other ones each
    epoch. person_balanced: every person equally often."""
    task: str = ""
    """Whose classes are balanced; the recipe's first task when left out. Photos without a class in it come
    as often as without a sampler, but never in undersample."""
    beta: float = 0.999
    """Of effective_number, in [0, 1): 0 does not balance, near 1 balances as class_balanced does."""
    table: str = ""
    """Of custom: a CSV with a weight for each training photo, named by its column `key`, `source` or
    `person` (the cache's index.parquet has these); when left out, the weights stand in that index."""
    column: str = "weight"
    """Of custom: the numeric column of weights, of any scale; 0 leaves a photo out."""

    def __post_init__(self) -> None:
        if self.task and self.task not in TASKS:
            raise ValueError(f"sampler.task: {self.task!r} is unknown: {nearest(self.task, list(TASKS))}")
        if not 0 <= self.beta < 1:
            raise ValueError(f"sampler.beta={self.beta}: must be in [0, 1); 0.999 is usual")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Which of a fold's training photos are trained on; every photo is validated all the same."""

    drop_ages: tuple[int, ...] = ()
    """Ages in whole years left out, for example those next to the boundaries: 27, 28, 29, 57, 58, 59."""
    only: str = ""
    """Train on the photos of this task's people only: `senior` leaves out those younger than 30."""

    def __post_init__(self) -> None:
        if any(age < 0 for age in self.drop_ages):
            raise ValueError(f"rows.drop_ages={list(self.drop_ages)}: ages are 0 or more")
        if self.only and self.only not in TASKS:
            raise ValueError(f"rows.only: {self.only!r} is unknown: {nearest(self.only, list(TASKS))}")


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
    centre: float = 1.0
    """Share of the crop's side that the centre crop keeps, in training and evaluation, in [0.25, 1]: 0.875 at
    224 is torchvision's Resize(256) and CenterCrop(224)."""
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
    sampler: Sampling = Sampling()
    """Which training photos make an epoch."""
    rows: Rows = Rows()
    """Which training photos are trained on at all."""
    mixing: Mixing = Mixing()
    """How training photos are joined in pairs."""

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
        if not LEAST_CENTRE <= self.centre <= 1:
            raise ValueError(f"centre={self.centre}: must be in {LEAST_CENTRE} to 1; 1 keeps the whole crop")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: must be in [0, 1)")
