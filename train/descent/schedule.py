"""Learning-rate schedules: pure functions of the step, and of the validation scores so far."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from train.recipe.network import Schedule


def rate_factor(settings: Schedule, step: int, steps_per_epoch: int, epochs: int, falls: int = 0) -> float:
    """The learning rate at an optimiser step (from 0), as a factor of the optimiser's rate, in [0, 1].

    With e whole epochs done: exponential is gamma^e, step is gamma^floor(e / step_epochs), plateau is
    gamma^falls. Cosine is (1 + cos(pi t)) / 2, where t rises with every step from 0 to 1 over each of
    `cycles` equal parts of the training (SGDR, Loshchilov and Hutter 2017): of 2 cycles over 4 epochs of 10
    steps, steps 0 and 20 have factor 1, steps 10 and 30 have 1/2. After the last step it is 0.

    During warm-up all of them are multiplied by (step + 1) / warm-up steps.

    Args:
        settings: the schedule.
        step: optimiser steps done; several batches are one step where gradients are accumulated.
        steps_per_epoch: optimiser steps of an epoch.
        epochs: of the whole training.
        falls: how often the rate has fallen, of plateau; see `plateau_falls`.
    """
    warmup_steps = settings.warmup_epochs * steps_per_epoch
    rise = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    epoch = step // steps_per_epoch
    if settings.name == "cosine":
        total = steps_per_epoch * epochs
        # In whole numbers: the remainder of a rounded step would miss the very steps that start again.
        part = step * settings.cycles % total / total if step < total else 1.0
        return rise * (1 + math.cos(math.pi * part)) / 2
    if settings.name == "exponential":
        return rise * math.pow(settings.gamma, epoch)
    if settings.name == "step":
        return rise * math.pow(settings.gamma, epoch // settings.step_epochs)
    if settings.name == "plateau":
        return rise * math.pow(settings.gamma, falls)
    return rise


def plateau_falls(settings: Schedule, scores: Sequence[float], better: Literal["max", "min"] = "max") -> int:
    """How often the rate of a plateau schedule has fallen after these epochs' validation scores.

    It falls after more than `patience` epochs in a row that are not better than the best by 0.01 %: with
    patience 1, scores 0.5, 0.4, 0.5 make it fall once. torch's ReduceLROnPlateau is run anew each time, so
    that the answer is a function of the scores alone and a resumed training needs no other state.

    Args:
        settings: the schedule.
        scores: macro F1, or the loss, of the epochs so far.
        better: whether the higher or the lower of two is the better.
    """
    dummy = SGD([torch.zeros(1)], lr=1.0)
    plateau = ReduceLROnPlateau(dummy, mode=better, factor=0.5, patience=settings.patience)
    falls = 0
    for score in scores:
        plateau.step(score)
        falls += dummy.param_groups[0]["lr"] < 1
        # Full again, so that it never gets too small for torch to let it fall.
        dummy.param_groups[0]["lr"] = 1.0
    return falls


def make_schedule(
    optimiser: Optimizer,
    settings: Schedule,
    *,
    steps_per_epoch: int,
    epochs: int,
    falls: Callable[[], int],
) -> LambdaLR:
    """A scheduler to step once after every optimiser step; each parameter group keeps a rate of its own.

    Args:
        optimiser: its groups' rates are multiplied by `rate_factor`.
        settings: the schedule.
        steps_per_epoch: optimiser steps of an epoch.
        epochs: of the whole training.
        falls: called at every step of plateau: how often the rate has fallen by now, as `plateau_falls`.
    """
    # A loss scaler skips steps whose gradients overflow; the schedule goes on, as it should.
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")

    def factor(step: int) -> float:
        fallen = falls() if settings.name == "plateau" else 0
        return rate_factor(settings, step, steps_per_epoch, epochs, fallen)

    return LambdaLR(optimiser, factor)


def renew_rates(schedule: LambdaLR) -> None:
    """Set the next step's rates anew, once an epoch's score is known: only then can plateau fall.

    The schedule's last step of an epoch comes before the validation. Other schedules are left as they are.
    """
    schedule.last_epoch -= 1
    schedule.step()
