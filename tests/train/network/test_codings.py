import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, one_hot

from faces.factors import Number
from faces.labels import CONTEST, TASKS, LabelSet, Task
from train.network import kinds
from train.network.coding import Coding
from train.network.codings.ordinal import OrdinalLinear
from train.network.codings.regression import NumberLinear
from train.network.codings.years import Years
from train.network.objective import Objective, squared_error
from train.recipe.data import CODINGS, Age
from train.recipe.network import Loss
from train.recipe.recipe import Recipe

CODED = {
    "classes": Recipe(tasks=("age6",)),
    "ordinal": Recipe(tasks=("age6",), age=Age(coding="ordinal")),
    "years": Recipe(tasks=("age6",), age=Age(coding="years", sigma=3.0)),
    "regression": Recipe(tasks=("age6",), age=Age(coding="regression")),
}
YEARS = 101
"""Outcomes of ages."""
HEIGHT = Number(name="height", edges=(150.0, 180.0), least=40.0, most=250.0, unit="cm")
HEIGHTS = LabelSet(name="heights", factors=(HEIGHT,))


def coding_of(task: str, recipe: Recipe) -> Coding:
    return kinds.coding_of(CONTEST.task(task), recipe)


def test_every_kind_is_tried_and_none_is_known_but_by_its_file() -> None:
    files = Path(kinds.codings.__path__[0]).glob("[a-z]*.py")
    assert {*CODED} == {*kinds.CODINGS} == {*CODINGS} == {file.stem for file in files}


def same(mass: torch.Tensor) -> torch.Tensor:
    return mass


@pytest.mark.parametrize("name", CODED)
def test_probabilities_are_probabilities_whatever_the_features(name: str) -> None:
    torch.manual_seed(0)
    coding = coding_of("age6", CODED[name])
    layer = coding.layer(16)
    for scale in (0.0, 1.0, 100.0, 1e4):
        values = coding.probabilities(layer(scale * torch.randn(50, 16)))
        assert values.shape == (50, 6)
        assert (values >= 0).all()
        torch.testing.assert_close(values.sum(1), torch.ones(50))


@pytest.mark.parametrize("name", CODED)
def test_a_coding_learns_its_labels(name: str) -> None:
    torch.manual_seed(0)
    coding = coding_of("age6", CODED[name])
    ages = np.array([15.0, 25.0, 40.0, 50.0, 57.0, 70.0])
    features = torch.eye(6) if name != "ordinal" else torch.arange(6.0)[:, None] - 2.5
    rows = coding.targets({"age": ages})
    target = torch.from_numpy(rows)
    layer, loss = coding.layer(features.shape[1]), coding.loss(target.sum(0).clamp(min=1))
    coding.prepare(layer, rows)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss(layer(features), target, epoch=0, total=same).backward()
        optimiser.step()
    assert coding.probabilities(layer(features)).argmax(1).tolist() == [*range(6)]


@pytest.mark.parametrize("name", CODED)
def test_a_label_that_is_not_known_teaches_nothing(name: str) -> None:
    coding = coding_of("age6", CODED[name])
    rows = coding.targets({"age": np.array([math.nan, 40.0, math.nan])})
    assert rows.dtype == np.float32 and not rows[[0, 2]].any() and rows[1].any()
    layer = coding.layer(4)
    outputs = layer(torch.randn(3, 4, generator=torch.Generator().manual_seed(0))).detach().requires_grad_()
    coding.loss(torch.ones(rows.shape[1]))(outputs, torch.from_numpy(rows), epoch=0, total=same).backward()
    assert outputs.grad is not None and not outputs.grad[[0, 2]].any() and outputs.grad[1].any()
    assert coding.say(rows[0]) == "unknown" != coding.say(rows[1])


def test_thresholds_say_how_rare_a_class_is_within_a_short_training() -> None:
    # Shares of 45, 48 and 7 % of photos that tell nothing else, 400 steps of a rate that falls as a cosine.
    target = torch.tensor([[0.45, 0.48, 0.07]]).repeat(8, 1)
    layer, loss = OrdinalLinear(4, 3), coding_of("age3", Recipe(tasks=("age3",), age=Age(coding="ordinal")))
    optimiser = torch.optim.AdamW(layer.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 400)
    for _ in range(400):
        optimiser.zero_grad()
        loss.loss(torch.ones(3))(layer(torch.zeros(8, 4)), target, epoch=0, total=same).backward()
        optimiser.step()
        schedule.step()
    torch.testing.assert_close(loss.probabilities(layer(torch.zeros(1, 4))), target[:1], atol=0.03, rtol=0)


def test_thresholds_are_in_order_even_if_trained_against_it() -> None:
    layer = OrdinalLinear(4, 6)
    optimiser = torch.optim.SGD(layer.parameters(), lr=1.0)
    for _ in range(50):
        optimiser.zero_grad()
        outputs = layer(torch.randn(8, 4))
        (outputs[:, 0] - outputs[:, -1]).mean().backward()
        optimiser.step()
    outputs = layer(torch.randn(8, 4))
    assert bool((outputs.diff(dim=1) <= 0).all())


def test_the_ordinal_loss_is_binary_cross_entropy_of_each_threshold() -> None:
    outputs = torch.randn(5, 5, generator=torch.Generator().manual_seed(1))
    classes = torch.tensor([0, 2, 5, 3, 1])
    loss = coding_of("age6", CODED["ordinal"]).loss(torch.ones(6))
    above = (classes[:, None] > torch.arange(5)).float()
    expected = binary_cross_entropy_with_logits(outputs, above, reduction="sum") / 5
    target = one_hot(classes, 6).float()
    torch.testing.assert_close(loss(outputs, target, epoch=0, total=same), expected)
    half = loss(outputs, target * torch.tensor([1.0, 1, 1, 0, 0])[:, None], epoch=0, total=same)
    few = binary_cross_entropy_with_logits(outputs[:3], above[:3], reduction="sum") / 3
    torch.testing.assert_close(half, few)


def test_ordinal_probabilities_are_differences() -> None:
    above = torch.tensor([[0.9, 0.6, 0.5, 0.2, 0.1]])
    values = coding_of("age6", CODED["ordinal"]).probabilities(above.logit())
    torch.testing.assert_close(values, torch.tensor([[0.1, 0.3, 0.1, 0.3, 0.1, 0.1]]))


@pytest.mark.parametrize("task", ["age3", "age6", "senior"])
def test_years_are_summed_to_the_tasks_classes(task: str) -> None:
    recipe = Recipe(tasks=(task,), age=Age(coding="years", sigma=3.0))
    for year in (31, 46, 59, 60, 100):
        outputs = torch.full((1, YEARS), -50.0)
        outputs[0, year] = 50
        values = coding_of(task, recipe).probabilities(outputs)[0]
        assert int(values.argmax()) == TASKS[task].encode({"age": [float(year)]})[0]
        assert float(values.max()) == pytest.approx(1)


def test_years_too_young_for_a_task_are_left_out_of_its_sum() -> None:
    recipe = Recipe(tasks=("senior",), age=Age(coding="years", sigma=3.0))
    values = coding_of("senior", recipe).probabilities(torch.zeros(1, YEARS))[0]
    torch.testing.assert_close(values, torch.tensor([30 / 71, 41 / 71]))


def test_years_are_a_gaussian_about_the_label() -> None:
    ages = np.array([40.0, 0.0, 120.0, math.nan])
    rows = coding_of("age3", Recipe(tasks=("age3",), age=Age(coding="years", sigma=2.0))).targets(
        {"age": ages}
    )
    assert rows.shape == (4, YEARS)
    np.testing.assert_allclose(rows.sum(1), [1, 1, 1, 0], atol=1e-6)
    years = np.arange(YEARS) + 0.5
    assert rows[0] @ years == pytest.approx(40.5, abs=1e-3)
    # a bin is a year wide, which adds 1 / 12 to the variance
    assert rows[0] @ (years - 40.5) ** 2 == pytest.approx(4 + 1 / 12, rel=1e-3)
    assert rows[2, -1] == 1


@pytest.mark.parametrize("coding", ["years", "regression"])
def test_people_too_young_for_a_task_do_not_teach_its_numbers(coding: str) -> None:
    recipe = Recipe(tasks=("senior",), age=Age(coding=coding, sigma=2.0, uncertain=(31,)))
    rows = coding_of("senior", recipe).targets({"age": np.array([29.0, 31.0, 32.0])})
    weights = rows.sum(1) if coding == "years" else rows[:, -1]
    assert weights == pytest.approx([0, 0.5, 1])


def test_any_number_has_an_outcome_for_each_unit_of_its_range() -> None:
    recipe = Recipe(tasks=("height",), age=Age(coding="years", sigma=2.0))
    coding = Years(HEIGHTS.task("height"), recipe)
    assert [*coding.outcomes] == [*range(40, 251)]
    rows = coding.targets(pd.DataFrame({"height": [170.0, 240.0]}))
    assert rows.argmax(1).tolist() == [130, 200]
    outputs = torch.full((3, 211), -50.0)
    for row, height in enumerate((149, 150, 250)):
        outputs[row, height - 40] = 50
    assert coding.probabilities(outputs).argmax(1).tolist() == [0, 1, 2]


def test_an_edge_within_a_unit_divides_its_outcome() -> None:
    task = HEIGHTS.task("height>=100.5[150.25]")
    values = Years(task, Recipe(tasks=("height",), age=Age(coding="years", sigma=2.0))).probabilities(
        torch.zeros(1, 211)
    )
    # Of [40, 251) each unit is as likely: 49.75 of them lie from 100.5 until 150.25, 100.75 from there on.
    torch.testing.assert_close(values, torch.tensor([[49.75, 100.75]]) / 150.5)


def test_a_range_of_too_many_units_is_refused_with_the_cure() -> None:
    wide = LabelSet(name="w", factors=(Number(name="metres", edges=(500.0,), most=5000.0),))
    with pytest.raises(ValueError, match=r"metres has a range of 0 to 5000, 5,001 units.*\"regression\""):
        Years(wide.task("metres"), Recipe(age=Age(coding="years", sigma=2.0)))


@pytest.mark.parametrize("coding", ["years", "regression"])
def test_numbers_have_no_boundary_to_move(coding: str) -> None:
    recipe = Recipe(tasks=("age3",), age=Age(coding=coding, sigma=2.0, senior_from=58.0))
    with pytest.raises(ValueError, match=rf'senior_from=58.0: coding = "{coding}" learns'):
        coding_of("age3", recipe)


def test_years_need_a_spread() -> None:
    with pytest.raises(ValueError, match=r"age.sigma=0.0: .*3.0 is usual"):
        coding_of("age3", Recipe(tasks=("age3",), age=Age(coding="years")))


def test_an_unknown_coding_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"age.coding='ordnal' is unknown: did you mean 'ordinal'\?"):
        Age(coding="ordnal")


def regressed(number: list[float], spread: list[float]) -> torch.Tensor:
    return torch.tensor([number, spread]).T


def test_a_numbers_loss_is_the_normal_likelihood_of_its_weight() -> None:
    coding = coding_of("age3", Recipe(tasks=("age3",), age=Age(coding="regression")))
    outputs = regressed([40.0, 31.0, 50.0], [2.0, 4.0, 1.0]).requires_grad_()
    # known 43; a quarter known 30, mixed with an unknown one; unknown
    target = torch.tensor([[43.0, 0.0, 0.0, 1.0], [7.5, 0.0, 0.0, 0.25], [0.0, 0.0, 0.0, 0.0]])
    loss = coding.loss(torch.ones(2))(outputs, target, epoch=0, total=same)
    density = torch.distributions.Normal(torch.tensor([40.0, 31.0]), torch.tensor([2.0, 4.0]))
    each = -density.log_prob(torch.tensor([43.0, 30.0]))
    torch.testing.assert_close(loss, (each[0] + 0.25 * each[1]) / 1.25)
    loss.backward()
    # d/dm is -(y - m) / s^2, d/ds is 1 / s - (y - m)^2 / s^3
    expected = torch.tensor([[-3 / 4, 1 / 2 - 9 / 8], [0.25 / 16, 0.25 * (1 / 4 - 1 / 64)], [0, 0]]) / 1.25
    torch.testing.assert_close(outputs.grad, expected)


def test_a_number_that_is_so_much_or_more_teaches_that_probability() -> None:
    recipe = Recipe(tasks=("age3",), age=Age(coding="regression", clipped_at=60.0, uncertain=(75,)))
    coding = coding_of("age3", recipe)
    rows = coding.targets({"age": np.array([59.0, 60.0, 75.0, math.nan])})
    assert rows.tolist() == [[59, 0, 0, 1], [0, 60, 1, 1], [0, 30, 0.5, 0.5], [0, 0, 0, 0]]
    said = [coding.say(row) for row in (*rows, (rows[0] + rows[1]) / 2)]
    assert said == ["59.0", "60.0 or more", "60.0 or more, weight 0.50", "unknown", "59.0 and 60.0 or more"]
    outputs = regressed([60.0, 80.0, 50.0], [5.0, 5.0, 5.0]).requires_grad_()
    target = torch.from_numpy(np.stack([rows[1], rows[1], (rows[0] + rows[1]) / 2]))
    loss = coding.loss(torch.ones(4))(outputs, target, epoch=0, total=same)
    above = [norm.logcdf(0), norm.logcdf(20 / 5), (norm.logpdf(59, 50, 5) + norm.logcdf(-10 / 5)) / 2]
    assert loss.item() == pytest.approx(-sum(above) / 3, rel=1e-5)
    loss.backward()
    assert outputs.grad is not None
    # Nobody of 60 or more is taught to be younger, however old the network thinks them.
    assert outputs.grad[0, 0] < 0 and -1e-4 < outputs.grad[1, 0] < 0
    layer = coding.layer(2)
    coding.prepare(layer, rows)
    assert float(layer.mean) == pytest.approx((59 + 60 + 30) / 2.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["age3", "age6", "senior"])
def test_a_numbers_bands_hold_its_normal_mass(task: str) -> None:
    coding = coding_of(task, Recipe(tasks=(task,), age=Age(coding="regression")))
    numbers, spreads = [10.0, 29.0, 45.0, 60.0, 90.0], [3.0, 1.0, 12.0, 2.0, 0.5]
    [part] = TASKS[task].parts
    limits = np.array([-np.inf if part.least is None else part.least, *part.edges, np.inf])
    masses = np.diff(norm.cdf((limits - np.array(numbers)[:, None]) / np.array(spreads)[:, None]), axis=1)
    found = coding.probabilities(regressed(numbers, spreads)).numpy()
    likely = masses.sum(1) > 1e-4
    np.testing.assert_allclose(found[likely], (masses / masses.sum(1, keepdims=True))[likely], atol=1e-5)
    assert (found[~likely].argmax(1) == 0).all()


def test_a_drawn_number_and_its_noise_are_learned_whatever_their_scale() -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 3))
    heights = 170 + features @ [9.0, -4.0, 0.0] + rng.normal(scale=3.0, size=4000)
    task: Task = HEIGHTS.task("height")
    coding = kinds.coding_of(task, Recipe(tasks=("height",), age=Age(coding="regression")))
    rows = coding.targets({"height": heights})
    layer = coding.layer(3)
    assert isinstance(layer, NumberLinear)
    coding.prepare(layer, rows)
    assert (float(layer.mean), float(layer.std)) == pytest.approx((heights.mean(), heights.std()), rel=1e-5)
    given, target = torch.from_numpy(features.astype(np.float32)), torch.from_numpy(rows)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 800)
    loss = coding.loss(target.sum(0))
    for _ in range(800):
        optimiser.zero_grad()
        loss(layer(given), target, epoch=0, total=same).backward()
        optimiser.step()
        schedule.step()
    number, spread = layer(given).detach().numpy().T
    assert np.abs(number - (170 + features @ [9.0, -4.0, 0.0])).mean() < 0.5
    assert spread[0] == pytest.approx(3.0, rel=0.05)
    shares = coding.probabilities(layer(given)).detach().numpy().mean(0)
    truth = np.bincount(task.encode({"height": heights}), minlength=3) / 4000
    np.testing.assert_allclose(shares, truth, atol=0.01)


def test_labels_of_weight_0_do_not_scale_a_number() -> None:
    coding = coding_of("age3", Recipe(tasks=("age3",), age=Age(coding="regression")))
    layer = coding.layer(2)
    assert isinstance(layer, NumberLinear)
    coding.prepare(layer, np.zeros((3, 4), np.float32))
    assert (float(layer.mean), float(layer.std)) == (0, 1)
    coding.prepare(layer, coding.targets({"age": np.array([40.0, math.nan, 40.0])}))
    assert (float(layer.mean), float(layer.std)) == (40, 1)


def test_only_age_heads_are_coded_otherwise() -> None:
    recipe = Recipe(tasks=("mask", "age3"), age=Age(coding="ordinal"))
    found = {task: type(coding).__name__ for task, coding in kinds.codings_of(recipe, CONTEST).items()}
    assert found == {"mask": "Classes", "age3": "Ordinal"}


def test_the_objective_is_the_weighted_sum_of_heads_and_regression() -> None:
    recipe = Recipe(tasks=("mask", "gender"), loss=Loss(task_weights=(1.0, 3.0)), age=Age(regression=0.5))
    outputs = {"mask": torch.randn(4, 3), "gender": torch.randn(4, 2), "age": torch.randn(4, 1)}
    classes = {"mask": torch.tensor([0, 1, 2, 0]), "gender": torch.tensor([1, 1, 0, 1])}
    ages = torch.tensor([0.5, -1.0, 2.0, 0.0])
    targets = {task: one_hot(codes, outputs[task].shape[1]).float() for task, codes in classes.items()}
    targets["age"] = torch.stack([ages, torch.ones(4)], 1)
    objective = Objective(recipe, CONTEST, {task: torch.ones(outputs[task].shape[1]) for task in classes})
    expected = (
        cross_entropy(outputs["mask"], classes["mask"])
        + 3 * cross_entropy(outputs["gender"], classes["gender"])
        + 0.5 * mse_loss(outputs["age"][:, 0], ages)
    )
    torch.testing.assert_close(objective(outputs, targets, epoch=0, total=same), expected)
    # In years, of which a standard deviation has twelve, the same error is 144 times as large.
    years = Objective(recipe, CONTEST, {task: torch.ones(outputs[task].shape[1]) for task in classes}, 144.0)
    more = 143 * 0.5 * mse_loss(outputs["age"][:, 0], ages)
    torch.testing.assert_close(years(outputs, targets, epoch=0, total=same), expected + more)


def test_unknown_and_mixed_ages_are_regressed_by_their_share() -> None:
    guess = torch.tensor([[1.0], [1.0], [1.0]])
    # known 3; unknown; three quarters of a known 2 mixed with an unknown one
    target = torch.tensor([[3.0, 1.0], [0.0, 0.0], [1.5, 0.75]])
    assert squared_error(guess, target, same).item() == pytest.approx((4 + 0.75 * 1) / 1.75)
