"""The targets of all heads of a recipe, and of the auxiliary regression of a number."""

import numpy as np
import pytest

from faces.cache.reader import Cache
from tests.helpers.own_labels import OWN, write_own
from train.network.targets import NUMBER_OUTPUT, make_targets, number_output, number_variance
from train.recipe.data import Age
from train.recipe.recipe import Recipe


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """72 photos with labels of somebody's own, not all of them known."""
    return write_own(tmp_path_factory.mktemp("own") / "own")


def test_regressed_ages_are_scaled_by_the_training_photos_alone(coloured: Cache) -> None:
    training = np.flatnonzero(coloured.index.age < 50)
    targets = make_targets(Recipe(tasks=("mask",), age=Age(regression=0.1)), coloured, training)
    assert targets.keys() == {"mask", NUMBER_OUTPUT}
    values = targets[NUMBER_OUTPUT][training, 0]
    assert (values.mean(), values.std()) == pytest.approx((0, 1), abs=1e-5)
    assert (targets[NUMBER_OUTPUT][:, 1] == 1).all()
    years = coloured.index.age.to_numpy(float)[training]
    variance = number_variance(Recipe(tasks=("mask",), age=Age(regression=0.1)), coloured, training)
    np.testing.assert_allclose(values**2 * variance, (years - years.mean()) ** 2, rtol=1e-4, atol=1e-3)
    assert number_variance(Recipe(tasks=("mask",)), coloured, training) == 1


def test_ages_that_nobody_knows_cannot_be_regressed(unseen: Cache) -> None:
    with pytest.raises(ValueError, match=r"age.regression: no training photo has a known number"):
        make_targets(Recipe(age=Age(regression=0.1)), unseen, np.arange(5))


def test_only_heads_of_age_alone_are_coded_by_years(coloured: Cache) -> None:
    recipe = Recipe(tasks=("mask_gender", "age6"), age=Age(coding="years", sigma=3.0))
    targets = make_targets(recipe, coloured, np.arange(len(coloured)))
    assert {task: rows.shape[1] for task, rows in targets.items()} == {"mask_gender": 6, "age6": 101}


def test_heads_of_own_labels_are_taught_where_these_are_known(own: Cache) -> None:
    recipe = Recipe(tasks=("glasses", "helmet*years"), age=Age(regression=0.1))
    targets = make_targets(recipe, own, np.arange(len(own)))
    assert {name: rows.shape[1] for name, rows in targets.items()} == {
        "glasses": 2,
        "helmet*years": 6,
        "age": 2,
    }
    for task in recipe.tasks:
        known = own.labels(task) >= 0
        assert 0 < known.sum() < 72
        assert targets[task].sum(1).tolist() == known.tolist()
    assert {*np.sign(targets["age"][own.index.years == 65, 0])} == {1}


def test_the_output_of_the_number_is_never_called_like_a_task() -> None:
    assert number_output(("mask", "age3")) == NUMBER_OUTPUT
    assert number_output(("mask", "age")) not in ("age", *OWN.names)
