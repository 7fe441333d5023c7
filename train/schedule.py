"""Optimisers and learning-rate schedules from their settings."""

from __future__ import annotations

import math
import warnings

from timm.optim import create_optimizer_v2
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from train.recipe import Optimiser, Schedule


def make_optimiser(network: nn.Module, settings: Optimiser) -> Optimizer:
    """timm's optimiser over the network's parameters."""
    optimiser: Optimizer = create_optimizer_v2(
        network,
        opt=settings.name,
        lr=settings.lr,
        weight_decay=settings.weight_decay,
        momentum=settings.momentum,
    )
    return optimiser


def rate_factor(settings: Schedule, step: int, steps_per_epoch: int, epochs: int) -> float:
    """The learning rate at a step (from 0), as a factor of the optimiser's rate.

    During warm-up it is (step + 1) / warm-up steps of what the schedule says. Cosine is
    (1 + cos(pi step / all steps)) / 2 of SGDR (Loshchilov and Hutter 2017) without restarts; exponential is
    gamma to the number of whole epochs done.
    """
    warmup_steps = settings.warmup_epochs * steps_per_epoch
    rise = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    if settings.name == "cosine":
        return rise * (1 + math.cos(math.pi * step / (steps_per_epoch * epochs))) / 2
    if settings.name == "exponential":
        return rise * math.pow(settings.gamma, step // steps_per_epoch)
    return rise


def make_schedule(optimiser: Optimizer, settings: Schedule, *, steps_per_epoch: int, epochs: int) -> LambdaLR:
    """A scheduler to step once after every optimiser step."""
    # A loss scaler skips steps whose gradients overflow; the schedule goes on, as it should.
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
    return LambdaLR(optimiser, lambda step: rate_factor(settings, step, steps_per_epoch, epochs))
