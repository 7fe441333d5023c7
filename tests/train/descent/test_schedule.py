"""Schedules against torch's own, their closed forms, and what changes between two epochs."""

import dataclasses
import math
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, lr_scheduler

from train.descent.schedule import make_schedule, plateau_falls, rate_factor, renew_rates
from train.recipe.network import Schedule

STEPS = 10
"""Optimiser steps of an epoch."""

scores = st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.50002, 0.5001, 0.7]), max_size=40)
schedules = st.builds(
    Schedule,
    name=st.sampled_from(["constant", "exponential", "step", "cosine", "plateau"]),
    gamma=st.floats(0, 1, exclude_min=True),
    step_epochs=st.integers(1, 5),
    cycles=st.integers(1, 5),
    warmup_epochs=st.floats(0, 4),
)


def optimiser_of(*rates: float) -> SGD:
    return SGD([{"params": [torch.zeros(1)], "lr": rate} for rate in rates or (1.0,)], lr=1.0)


def rate(optimiser: SGD) -> float:
    return float(optimiser.param_groups[0]["lr"])


def test_rates_follow_their_formulas() -> None:
    cosine = Schedule(name="cosine")
    assert [rate_factor(cosine, step, 10, 4) for step in (0, 20, 40)] == pytest.approx([1, 0.5, 0])
    exponential = Schedule(name="exponential", gamma=0.995)
    assert rate_factor(exponential, 9, 10, 4) == 1
    assert rate_factor(exponential, 35, 10, 4) == pytest.approx(0.995**3)
    plateau = Schedule(name="plateau", gamma=0.3)
    assert [rate_factor(plateau, 5, 10, 4, falls) for falls in (0, 2)] == pytest.approx([1, 0.09])
    warm = Schedule(name="constant", warmup_epochs=0.5)
    assert [rate_factor(warm, step, 10, 4) for step in (0, 4, 30)] == pytest.approx([0.2, 1, 1])


@pytest.mark.parametrize("name", ["exponential", "step"])
def test_rates_of_whole_epochs_are_torchs(name: Literal["exponential", "step"]) -> None:
    settings = Schedule(name=name, gamma=0.15, step_epochs=4)
    optimiser = optimiser_of()
    theirs: lr_scheduler.LRScheduler = (
        lr_scheduler.StepLR(optimiser, 4, 0.15)
        if name == "step"
        else lr_scheduler.ExponentialLR(optimiser, 0.15)
    )
    for epoch in range(10):
        for step in (0, STEPS - 1):
            assert rate_factor(settings, STEPS * epoch + step, STEPS, 10) == pytest.approx(rate(optimiser))
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize("cycles", [1, 2, 3])
def test_cosine_and_its_restarts_are_torchs(cycles: int) -> None:
    settings, epochs = Schedule(name="cosine", cycles=cycles), 6
    optimiser = optimiser_of()
    theirs = lr_scheduler.CosineAnnealingWarmRestarts(optimiser, T_0=epochs // cycles)
    for step in range(STEPS * epochs):
        theirs.step(step / STEPS)
        assert rate_factor(settings, step, STEPS, epochs) == pytest.approx(rate(optimiser), abs=1e-12)


@given(cycles=st.integers(1, 7), steps=st.integers(14, 40), epochs=st.integers(1, 30))
def test_cosine_restarts_after_equal_parts_that_need_not_be_whole_steps(
    cycles: int, steps: int, epochs: int
) -> None:
    settings = Schedule(name="cosine", cycles=cycles)
    rates = [rate_factor(settings, step, steps, epochs) for step in range(steps * epochs + 1)]
    rises = [step for step in range(1, len(rates)) if rates[step] > rates[step - 1]]
    assert rises == [math.ceil(steps * epochs * cycle / cycles) for cycle in range(1, cycles)]
    assert rates[0] == 1
    assert rates[-1] == 0


@given(
    settings=schedules,
    step=st.integers(0, 400),
    steps=st.integers(1, 20),
    epochs=st.integers(1, 20),
    falls=st.integers(0, 9),
)
def test_factors_are_in_0_to_1_and_warm_up_only_lowers_them(
    settings: Schedule, step: int, steps: int, epochs: int, falls: int
) -> None:
    cold = dataclasses.replace(settings, warmup_epochs=0)
    warm, full = (rate_factor(s, step, steps, epochs, falls) for s in (settings, cold))
    assert 0 <= warm <= full <= 1
    if step + 1 >= settings.warmup_epochs * steps:
        assert warm == full
    else:
        assert warm == pytest.approx(full * (step + 1) / (settings.warmup_epochs * steps))


@given(scores=scores, patience=st.integers(0, 4))
def test_plateau_falls_when_torchs_does(scores: list[float], patience: int) -> None:
    settings = Schedule(name="plateau", gamma=0.9, patience=patience)
    optimiser = optimiser_of()
    theirs = lr_scheduler.ReduceLROnPlateau(optimiser, mode="max", factor=0.9, patience=patience)
    for epoch, score in enumerate(scores):
        theirs.step(score)
        falls = plateau_falls(settings, scores[: epoch + 1])
        assert rate_factor(settings, STEPS * (epoch + 1), STEPS, 50, falls) == pytest.approx(rate(optimiser))


@pytest.mark.parametrize("gamma", [1e-3, 0.5, 1.0])
@pytest.mark.parametrize("patience", [0, 3])
def test_plateau_falls_every_patience_plus_1_equal_epochs_whatever_gamma(gamma: float, patience: int) -> None:
    settings = Schedule(name="plateau", gamma=gamma, patience=patience)
    for epochs in (0, 1, 2, 5, 8, 9, 1200):
        assert plateau_falls(settings, [0.4] * epochs) == max(0, epochs - 1) // (patience + 1)


def test_every_group_keeps_its_own_rate() -> None:
    optimiser = optimiser_of(0.4, 0.1)
    settings = Schedule(name="cosine", warmup_epochs=0.3)
    schedule = make_schedule(optimiser, settings, steps_per_epoch=STEPS, epochs=2, falls=lambda: 0)
    for step in range(2 * STEPS):
        factor = rate_factor(settings, step, STEPS, 2)
        assert schedule.get_last_lr() == pytest.approx([0.4 * factor, 0.1 * factor])
        optimiser.step()
        schedule.step()


def test_a_fall_of_plateau_counts_from_the_first_step_after_the_score() -> None:
    history: list[float] = []
    settings = Schedule(name="plateau", gamma=0.1, patience=0)
    optimiser = optimiser_of()
    schedule = make_schedule(
        optimiser, settings, steps_per_epoch=2, epochs=4, falls=lambda: plateau_falls(settings, history)
    )
    rates = []
    for score in (0.5, 0.6, 0.6, 0.7):
        for _ in range(2):
            rates.append(rate(optimiser))
            optimiser.step()
            schedule.step()
        history.append(score)
        renew_rates(schedule)
    assert rates == pytest.approx([1, 1, 1, 1, 1, 1, 0.1, 0.1])


def test_judging_an_epoch_does_not_disturb_other_schedules() -> None:
    def falls() -> int:
        raise AssertionError("asked of a schedule that does not fall")

    optimiser = optimiser_of()
    schedule = make_schedule(optimiser, Schedule(name="cosine"), steps_per_epoch=2, epochs=3, falls=falls)
    for step in range(6):
        assert rate(optimiser) == rate_factor(Schedule(name="cosine"), step, 2, 3)
        optimiser.step()
        schedule.step()
        if step % 2:
            renew_rates(schedule)


def test_a_schedule_goes_on_from_its_state() -> None:
    settings = Schedule(name="plateau", gamma=0.5, patience=0, warmup_epochs=1.5)
    rates: list[list[float]] = []
    for interrupted in (False, True):
        history = [0.5, 0.5]
        rates.append([])
        optimiser = optimiser_of(1.0, 0.3)
        shared = {"steps_per_epoch": 4, "epochs": 5, "falls": lambda h=history: plateau_falls(settings, h)}
        schedule = make_schedule(optimiser, settings, **shared)  # type: ignore[arg-type]
        for step in range(8):
            if interrupted and step == 3:
                state, rates_then = schedule.state_dict(), optimiser.state_dict()
                optimiser = optimiser_of(1.0, 0.3)
                schedule = make_schedule(optimiser, settings, **shared)  # type: ignore[arg-type]
                optimiser.load_state_dict(rates_then)
                schedule.load_state_dict(state)
            rates[-1] += [group["lr"] for group in optimiser.param_groups]
            optimiser.step()
            schedule.step()
    assert rates[0] == rates[1]
    assert len(set(rates[0])) > 4
