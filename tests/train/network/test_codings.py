import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, one_hot

from faces.labels import TASKS
from train.data.targets import YEARS, year_rows
from train.network.codings import OrdinalLinear, coding_of, codings_of
from train.network.objective import Objective, squared_error
from train.recipe.data import Age
from train.recipe.network import Loss
from train.recipe.recipe import Recipe

CODED = {
    "classes": Recipe(tasks=("age6",)),
    "ordinal": Recipe(tasks=("age6",), age=Age(coding="ordinal")),
    "years": Recipe(tasks=("age6",), age=Age(coding="years", sigma=3.0)),
}


def same(mass: torch.Tensor) -> torch.Tensor:
    return mass


@pytest.mark.parametrize("name", CODED)
def test_probabilities_are_probabilities_whatever_the_features(name: str) -> None:
    torch.manual_seed(0)
    coding = coding_of("age6", CODED[name])
    layer = coding.layer(16)
    for scale in (0.0, 1.0, 100.0):
        values = coding.probabilities(layer(scale * torch.randn(50, 16)))
        assert values.shape == (50, 6)
        assert float(values.min()) >= 0
        torch.testing.assert_close(values.sum(1), torch.ones(50))


@pytest.mark.parametrize("name", CODED)
def test_a_coding_learns_its_labels(name: str) -> None:
    torch.manual_seed(0)
    recipe = CODED[name]
    coding = coding_of("age6", recipe)
    ages = np.array([15.0, 25.0, 40.0, 50.0, 57.0, 70.0])
    features = torch.eye(6) if name != "ordinal" else torch.arange(6.0)[:, None] - 2.5
    target = one_hot(torch.arange(6), 6).float()
    if name == "years":
        target = torch.from_numpy(year_rows(TASKS["age6"], ages, recipe.age))
    layer, loss = coding.layer(features.shape[1]), coding.loss(torch.ones(target.shape[1]))
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(300):
        optimiser.zero_grad()
        loss(layer(features), target, epoch=0, total=same).backward()
        optimiser.step()
    assert coding.probabilities(layer(features)).argmax(1).tolist() == [*range(6)]


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
        assert int(values.argmax()) == TASKS[task].encode([0], [0], [float(year)])[0]
        assert float(values.max()) == pytest.approx(1)


def test_years_too_young_for_a_task_are_left_out_of_its_sum() -> None:
    recipe = Recipe(tasks=("senior",), age=Age(coding="years", sigma=3.0))
    values = coding_of("senior", recipe).probabilities(torch.zeros(1, YEARS))[0]
    torch.testing.assert_close(values, torch.tensor([30 / 71, 41 / 71]))


def test_only_age_heads_are_coded_otherwise() -> None:
    recipe = Recipe(tasks=("mask", "age3"), age=Age(coding="ordinal"))
    kinds = {task: type(coding).__name__ for task, coding in codings_of(recipe).items()}
    assert kinds == {"mask": "Classes", "age3": "Ordinal"}


def test_the_objective_is_the_weighted_sum_of_heads_and_regression() -> None:
    recipe = Recipe(tasks=("mask", "gender"), loss=Loss(task_weights=(1.0, 3.0)), age=Age(regression=0.5))
    outputs = {"mask": torch.randn(4, 3), "gender": torch.randn(4, 2), "age": torch.randn(4, 1)}
    classes = {"mask": torch.tensor([0, 1, 2, 0]), "gender": torch.tensor([1, 1, 0, 1])}
    ages = torch.tensor([0.5, -1.0, 2.0, 0.0])
    targets = {task: one_hot(codes, outputs[task].shape[1]).float() for task, codes in classes.items()}
    targets["age"] = torch.stack([ages, torch.ones(4)], 1)
    objective = Objective(recipe, {task: torch.ones(outputs[task].shape[1]) for task in classes})
    expected = (
        cross_entropy(outputs["mask"], classes["mask"])
        + 3 * cross_entropy(outputs["gender"], classes["gender"])
        + 0.5 * mse_loss(outputs["age"][:, 0], ages)
    )
    torch.testing.assert_close(objective(outputs, targets, epoch=0, total=same), expected)


def test_unknown_and_mixed_ages_are_regressed_by_their_share() -> None:
    guess = torch.tensor([[1.0], [1.0], [1.0]])
    # known 3; unknown; three quarters of a known 2 mixed with an unknown one
    target = torch.tensor([[3.0, 1.0], [0.0, 0.0], [1.5, 0.75]])
    assert squared_error(guess, target, same).item() == pytest.approx((4 + 0.75 * 1) / 1.75)
