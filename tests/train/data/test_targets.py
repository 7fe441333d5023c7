import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from faces.cache import Cache
from faces.labels import TASKS
from train.data.targets import (
    AGE_OUTPUT,
    YEARS,
    age_cumulative,
    age_rows,
    class_rows,
    make_targets,
    year_rows,
)
from train.recipe.data import Age
from train.recipe.recipe import Recipe

AGES = [18.0, 29.0, 30.0, 57.0, 59.0, 60.0, 75.0, math.nan]


def photos(ages: list[float] = AGES, mask: int = 1, gender: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"mask": mask, "gender": gender, "age": ages})


@pytest.mark.parametrize("task", TASKS)
def test_unspread_labels_are_one_in_the_tasks_class_and_nothing_where_it_has_none(task: str) -> None:
    known = pd.concat([photos(mask=m, gender=g) for m in (-1, 0, 2) for g in (-1, 1)], ignore_index=True)
    rows = class_rows(TASKS[task], known, Age())
    classes = TASKS[task].encode(known["mask"], known["gender"], known["age"])
    expected = classes[:, None] == np.arange(len(TASKS[task].classes))
    np.testing.assert_array_equal(rows, expected)


def test_59_and_60_are_neighbours() -> None:
    rows = class_rows(TASKS["age3"], photos(), Age(sigma=3.0))
    # 59 stands for [59, 60) and is spread about 59.5
    assert rows[4, 2] == pytest.approx(norm.sf(0.5 / 3), abs=1e-6)
    assert rows[5, 2] == pytest.approx(norm.cdf(0.5 / 3), abs=1e-6)
    assert rows[6, 2] > 0.999
    np.testing.assert_allclose(rows[:-1].sum(1), 1, atol=1e-6)
    assert not rows[-1].any()


def test_other_factors_stay_hard_beside_a_spread_age() -> None:
    cube = class_rows(TASKS["class18"], photos(mask=2, gender=1), Age(sigma=3.0)).reshape(-1, 3, 2, 3)
    alone = class_rows(TASKS["age3"], photos(), Age(sigma=3.0))
    np.testing.assert_allclose(cube[:, 2, 1], alone)
    assert cube.sum() == pytest.approx(alone.sum())


@given(st.floats(0.1, 30), st.sampled_from(sorted(TASKS)), st.sampled_from([0.0, 60.0]))
def test_a_spread_label_keeps_its_weight(sigma: float, task: str, clipped: float) -> None:
    rows = class_rows(TASKS[task], photos(), Age(sigma=sigma, clipped_at=clipped))
    hard = class_rows(TASKS[task], photos(), Age())
    np.testing.assert_allclose(rows.sum(1), hard.sum(1), atol=1e-6)
    assert (rows >= -1e-7).all()


def test_a_narrow_spread_is_none() -> None:
    for task in ("age3", "age6", "class18"):
        narrow = class_rows(TASKS[task], photos(), Age(sigma=1e-3))
        np.testing.assert_allclose(narrow, class_rows(TASKS[task], photos(), Age()), atol=1e-6)


def test_where_ages_end_labels_are_mirrored() -> None:
    settings = Age(sigma=3.0, clipped_at=60.0)
    rows = age_rows((30.0, 60.0), np.array([59.0, 60.0]), settings)
    assert rows[1].tolist() == [0, 0, 1]
    assert rows[0, 2] == pytest.approx(norm.sf(0.5 / 3))
    # of 60, 2 years above the end hold what lay within 2 years on both sides of it
    [[within]] = age_cumulative(np.array([62.0]), np.array([60.0]), settings)
    assert within == pytest.approx(norm.cdf(1.5 / 3) - norm.cdf(-2.5 / 3))


def test_the_old_boundary_moves_in_training_only() -> None:
    moved = Age(senior_from=57.0)
    for task in ("age3", "age6", "class18", "senior"):
        old = TASKS[task].encode([0], [0], [60.0])[0]
        rows = class_rows(TASKS[task], photos([56.0, 57.0, 59.0], mask=0), moved)
        assert rows[:, old].tolist() == [0, 1, 1], task
        assert TASKS[task].encode([0], [0], [59.0])[0] != old


def test_uncertain_ages_count_less_where_age_is_told_and_fully_elsewhere() -> None:
    settings = Age(uncertain=(29, 59), uncertain_weight=0.25)
    for task, weight in (("age3", 0.25), ("class18", 0.25), ("mask", 1.0), ("mask_gender", 1.0)):
        sums = class_rows(TASKS[task], photos(), settings).sum(1)
        assert sums[[1, 4]].tolist() == [weight, weight], task
        assert sums[[0, 2, 3, 5, 6]].tolist() == [1] * 5


def test_years_are_a_gaussian_about_the_label() -> None:
    rows = year_rows(TASKS["age3"], np.array([40.0, 0.0, 120.0, math.nan]), Age(coding="years", sigma=2.0))
    assert rows.shape == (4, YEARS)
    np.testing.assert_allclose(rows.sum(1), [1, 1, 1, 0], atol=1e-6)
    years = np.arange(YEARS) + 0.5
    assert rows[0] @ years == pytest.approx(40.5, abs=1e-3)
    # a bin is a year wide, which adds 1 / 12 to the variance
    assert rows[0] @ (years - 40.5) ** 2 == pytest.approx(4 + 1 / 12, rel=1e-3)
    assert rows[2, -1] == 1


def test_people_too_young_for_a_task_do_not_teach_its_years() -> None:
    rows = year_rows(TASKS["senior"], np.array([29.0, 31.0]), Age(coding="years", sigma=2.0))
    assert rows.sum(1) == pytest.approx([0, 1])


def test_regressed_ages_are_scaled_by_the_training_photos_alone(coloured: Cache) -> None:
    training = np.flatnonzero(coloured.index.age < 50)
    targets = make_targets(Recipe(tasks=("mask",), age=Age(regression=0.1)), coloured, training)
    assert targets.keys() == {"mask", AGE_OUTPUT}
    values = targets[AGE_OUTPUT][training, 0]
    assert (values.mean(), values.std()) == pytest.approx((0, 1), abs=1e-5)
    assert (targets[AGE_OUTPUT][:, 1] == 1).all()


def test_ages_that_nobody_knows_cannot_be_regressed(unseen: Cache) -> None:
    with pytest.raises(ValueError, match=r"age.regression: no training photo has a known age"):
        make_targets(Recipe(age=Age(regression=0.1)), unseen, np.arange(5))


def test_only_heads_of_age_alone_are_coded_by_years(coloured: Cache) -> None:
    recipe = Recipe(tasks=("mask_gender", "age6"), age=Age(coding="years", sigma=3.0))
    targets = make_targets(recipe, coloured, np.arange(len(coloured)))
    assert {task: rows.shape[1] for task, rows in targets.items()} == {"mask_gender": 6, "age6": YEARS}
