"""The tables of a recipe that set what is learned and how: head, loss, optimiser, schedule, averaging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LossName = Literal["cross_entropy", "focal", "ldam", "f1", "symmetric"]


@dataclass(frozen=True, kw_only=True)
class Head:
    """What stands between the backbone's feature maps and the classes."""

    pool: Literal["default", "gem"] = "default"
    """How feature maps become features: the backbone's own way, or the generalised mean with a learned
    exponent (GeM), for backbones that pool maps."""
    stages: int = 1
    """Of how many of the backbone's last stages features are taken: 1 is the last alone; of each one before,
    which sees smaller things, the means of its maps stand beside them."""
    hidden: int = 0
    """Width of an extra fully connected layer with ReLU; 0 is none."""
    dropout: float = 0.0
    """Share of the features dropped before the classifier."""
    samples: int = 1
    """Multi-sample dropout: so many dropout masks a photo, whose losses are averaged."""
    init: Literal["default", "xavier", "xavier_last", "kaiming"] = "default"
    """Initial weights of these layers; default is torch's. xavier_last leaves the extra layer at that."""

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise ValueError(f"head.dropout={self.dropout}: must be in [0, 1)")
        if self.hidden < 0 or self.samples < 1 or self.stages < 1:
            raise ValueError(
                f"head.stages={self.stages}, hidden={self.hidden}, samples={self.samples}: need stages >= 1, "
                "hidden >= 0 and samples >= 1"
            )
        if self.samples > 1 and not self.dropout:
            raise ValueError(f"head.samples={self.samples} with head.dropout=0.0: all samples would be equal")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What training minimises. Classes are counted among the fold's training photos only."""

    terms: tuple[LossName, ...] = ("cross_entropy",)
    """Losses added up for each head: cross_entropy, focal, ldam (margins that are wider for rare classes), f1
    (one less the macro F1 of the batch's probabilities), symmetric (cross-entropy both ways)."""
    weights: tuple[float, ...] = ()
    """Weights of the terms, one each, above 0; all 1 when left out. Team B's were 0.8 and 0.2 for focal and
    f1."""
    task_weights: tuple[float, ...] = ()
    """Weights of the recipe's tasks, one each, above 0; all 1 when left out."""
    smoothing: float = 0.0
    """Share of each label that is spread evenly over all classes of its head that there are, in [0, 1)."""
    class_weights: Literal["none", "inverse", "complement", "effective_number", "custom"] = "none"
    """Weights of the classes in every term but f1, which weighs classes alike by itself. inverse: by 1 /
    photos of the class; complement: by 1 - photos of the class / all photos; effective_number: by its
    effective number, see `beta`; custom: by `custom`."""
    beta: float = 0.999
    """How much effective_number weighs, in [0, 1): 0 not at all, near 1 as inverse does."""
    custom: tuple[float, ...] = ()
    """Weights of the classes of the recipe's only task, in its order, above 0; any scale."""
    defer_epochs: int = 0
    """Epochs before the class weights begin to count: deferred re-weighting."""
    gamma: float = 2.0
    """Focusing exponent of focal: how much less a photo counts that is already right; 0 is cross-entropy."""
    margin: float = 0.5
    """Margin of the rarest class that there is in ldam, on the scale of what it is set between."""
    ldam_on: Literal["cosines", "logits"] = "cosines"
    """What ldam sets margins between: cosines of features and classes, as Cao et al. do, or the plain logits
    of a linear layer."""
    scale: float = 30.0
    """Factor by which ldam multiplies those, less their margins, before the softmax."""
    forward: float = 0.1
    """Weight of the cross-entropy in symmetric."""
    reverse: float = 1.0
    """Weight of the reverse cross-entropy in symmetric, which forgives wrong labels."""

    def __post_init__(self) -> None:
        if not self.terms or len(set(self.terms)) < len(self.terms):
            raise ValueError(f"loss.terms={list(self.terms)}: name at least one, each once")
        if self.weights and len(self.weights) != len(self.terms):
            raise ValueError(
                f"loss.weights={list(self.weights)}: give one for each of the terms {list(self.terms)}"
            )
        for name in ("weights", "task_weights", "custom"):
            if any(not value > 0 for value in getattr(self, name)):
                raise ValueError(f"loss.{name}={list(getattr(self, name))}: all must be above 0")
        if not 0 <= self.smoothing < 1 or not 0 <= self.beta < 1:
            raise ValueError(f"loss.smoothing={self.smoothing}, beta={self.beta}: must be in [0, 1)")
        if (self.class_weights == "custom") != bool(self.custom):
            raise ValueError(
                f"loss.class_weights={self.class_weights!r} and custom={list(self.custom)}: "
                'custom weights need class_weights = "custom", and the other way round'
            )
        if self.defer_epochs < 0 or (self.defer_epochs and self.class_weights == "none"):
            raise ValueError(
                f"loss.defer_epochs={self.defer_epochs}, class_weights={self.class_weights!r}: "
                "0 or more, and only class weights can be deferred"
            )
        for name in ("gamma", "margin", "forward", "reverse"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"loss.{name}={getattr(self, name)}: must be 0 or more")
        if not self.scale > 0:
            raise ValueError(f"loss.scale={self.scale}: must be above 0")


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """How gradients become steps."""

    name: Literal["adam", "adamw", "sgd", "sgd_nesterov", "lbfgs"] = "adamw"
    """timm's optimiser, or lbfgs: the heads alone are fitted to all photos at once, until nothing gets
    better, on features that the backbone makes once of each photo and of its mirror image. It takes a frozen
    backbone, and seconds."""
    lr: float = 1e-3
    """Learning rate after warm-up; lbfgs looks for its own steps."""
    weight_decay: float = 0.0
    """Decay of weights; biases and normalisation are exempt, as timm does it. Of lbfgs the penalty: half the
    squared weights of standardised features, times this, are added to the mean loss; that of logistic
    regression with scikit-learn's C on n photos is 1 / (C n)."""
    momentum: float = 0.9
    """Momentum of sgd and sgd_nesterov; the others do not use it."""
    layer_decay: float = 1.0
    """Factor of the rate from each group of the backbone's layers to the one before it, in (0, 1]; the heads
    learn at the full rate."""
    frozen_epochs: int = 0
    """First epochs in which the backbone is not trained, only the heads; `epochs` of the recipe or more never
    trains it."""
    frozen_layers: int = 0
    """First groups of the backbone's layers, as layer_decay counts them, that are never trained: they keep
    weights and statistics that they begin with, and a step is shorter by their way back."""
    clip: float = 0.0
    """Greatest norm of the gradient of all weights together, to which longer ones are cut; 0 is no limit."""
    accumulate: int = 1
    """Batches whose gradients are averaged to one step."""
    sam: float = 0.0
    """Sharpness-aware minimisation: distance by which weights are moved uphill before the gradient is taken;
    0 is off. Takes twice the time."""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError(f"optimiser.lr={self.lr}: must be above 0")
        if self.weight_decay < 0 or not 0 <= self.momentum < 1:
            raise ValueError(
                f"optimiser.weight_decay={self.weight_decay}, momentum={self.momentum}: "
                "need weight_decay >= 0 and 0 <= momentum < 1"
            )
        if self.name == "sgd_nesterov" and not self.momentum:
            raise ValueError('optimiser.momentum=0.0: sgd_nesterov needs some; use name = "sgd" or 0.9')
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f"optimiser.layer_decay={self.layer_decay}: must be in (0, 1]")
        if self.frozen_epochs < 0 or self.accumulate < 1:
            raise ValueError(
                f"optimiser.frozen_epochs={self.frozen_epochs}, accumulate={self.accumulate}: "
                "need frozen_epochs >= 0 and accumulate >= 1"
            )
        if self.frozen_layers < 0:
            raise ValueError(f"optimiser.frozen_layers={self.frozen_layers}: must be 0 or more")
        if not self.clip >= 0 or not self.sam >= 0:
            raise ValueError(f"optimiser.clip={self.clip}, sam={self.sam}: must be 0 (off) or more")
        if self.sam and self.accumulate > 1:
            raise ValueError(
                f"optimiser.sam={self.sam} with accumulate={self.accumulate}: the uphill move is made for "
                "each batch; choose one of them"
            )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate changes."""

    name: Literal["constant", "exponential", "step", "cosine", "plateau"] = "cosine"
    """exponential multiplies by `gamma` after each epoch, step after each `step_epochs`, plateau after
    `patience` epochs without a better validation macro F1; cosine falls to 0 over each of `cycles`."""
    gamma: float = 0.995
    """Factor of exponential, step and plateau."""
    step_epochs: int = 4
    """Epochs between two falls, of step."""
    patience: int = 3
    """Epochs that plateau waits for a better score before the rate falls."""
    cycles: int = 1
    """Parts of equal length into which cosine divides the training, each begun at the full rate."""
    warmup_epochs: float = 0.0
    """Epochs over which the rate rises linearly from 0, before any schedule."""

    def __post_init__(self) -> None:
        if not 0 < self.gamma <= 1:
            raise ValueError(f"schedule.gamma={self.gamma}: must be in (0, 1]")
        if self.warmup_epochs < 0:
            raise ValueError(f"schedule.warmup_epochs={self.warmup_epochs}: must be at least 0")
        for name in ("step_epochs", "cycles"):
            if getattr(self, name) < 1:
                raise ValueError(f"schedule.{name}={getattr(self, name)}: must be at least 1")
        if self.patience < 0:
            raise ValueError(f"schedule.patience={self.patience}: must be at least 0")


@dataclass(frozen=True, kw_only=True)
class Averaging:
    """Which weights are validated and kept: the last step's, or a mean over steps."""

    name: Literal["none", "ema", "swa"] = "none"
    """ema: a mean that forgets by `decay` a step; swa: the plain mean of the weights at the ends of epochs.
    The statistics of batch normalisation are computed anew for the mean, on training batches."""
    decay: float = 0.99
    """Decay of ema a step, in (0, 1): it remembers about 1 / (1 - decay) steps; fewer, a ninth of those done,
    until there were 9 times as many."""
    start_epoch: int = 0
    """The epoch, from 0, with which averaging begins; before it, the last step's weights count."""

    def __post_init__(self) -> None:
        if not 0 < self.decay < 1:
            raise ValueError(f"averaging.decay={self.decay}: must be in (0, 1)")
        if self.start_epoch < 0:
            raise ValueError(f"averaging.start_epoch={self.start_epoch}: must be at least 0")
