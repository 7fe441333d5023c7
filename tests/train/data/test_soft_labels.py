import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from faces.factors import Categories, Number
from faces.labels import TASKS, LabelSet
from train.data.soft_labels import band_rows, class_rows, share_below
from train.network.kinds import CODINGS
from train.recipe.data import Age
from train.recipe.recipe import Recipe

AGES = [18.0, 29.0, 30.0, 57.0, 59.0, 60.0, 75.0, math.nan]


def photos(ages: list[float] = AGES, mask: int = 1, gender: int = 0) -> pd.DataFrame:
    return pd.DataFrame({"mask": mask, "gender": gender, "age": ages})


@pytest.mark.parametrize("task", TASKS)
def test_unspread_labels_are_one_in_the_tasks_class_and_nothing_where_it_has_none(task: str) -> None:
    known = pd.concat([photos(mask=m, gender=g) for m in (-1, 0, 2) for g in (-1, 1)], ignore_index=True)
    rows = class_rows(TASKS[task], known, Age())
    classes = TASKS[task].encode(known)
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
    rows = band_rows((30.0, 60.0), np.array([59.0, 60.0]), settings)
    assert rows[1].tolist() == [0, 0, 1]
    assert rows[0, 2] == pytest.approx(norm.sf(0.5 / 3))
    # of 60, 2 years above the end hold what lay within 2 years on both sides of it
    [[within]] = share_below(np.array([62.0]), np.array([60.0]), settings)
    assert within == pytest.approx(norm.cdf(1.5 / 3) - norm.cdf(-2.5 / 3))


@pytest.mark.parametrize("task", ["age3", "age6", "class18", "senior"])
@pytest.mark.parametrize("sigma", [3.0, 10.0])
def test_whoever_is_at_the_end_or_above_it_teaches_nothing_below(task: str, sigma: float) -> None:
    older = photos([60.0, 61.0, 75.0, 89.0])
    hard = class_rows(TASKS[task], older, Age())
    np.testing.assert_array_equal(class_rows(TASKS[task], older, Age(sigma=sigma, clipped_at=60.0)), hard)
    spread = class_rows(TASKS[task], older, Age(sigma=sigma))
    assert spread[0, hard[0] > 0] == pytest.approx(norm.cdf(0.5 / sigma), abs=1e-6)
    unknown = class_rows(TASKS[task], older, Age(sigma=sigma, clipped_at="auto"))
    np.testing.assert_array_equal(unknown, class_rows(TASKS[task], older, Age(sigma=sigma, clipped_at=0.0)))


def test_years_at_the_end_or_above_it_are_none_below() -> None:
    recipe = Recipe(tasks=("age3",), age=Age(coding="years", sigma=3.0, clipped_at=60.0))
    rows = CODINGS["years"](TASKS["age3"], recipe).targets({"age": np.array([59.0, 60.0, 61.0, 75.0])})
    np.testing.assert_allclose(rows[:, 60:].sum(1), [norm.sf(0.5 / 3), 1, 1, 1], rtol=1e-6)
    assert not rows[1:, :60].any()
    assert rows[3, 75] == pytest.approx(norm.cdf(0.5 / 3) - norm.cdf(-0.5 / 3), rel=1e-4)


def test_the_old_boundary_moves_in_training_only() -> None:
    moved = Age(senior_from=57.0)
    for task in ("age3", "age6", "class18", "senior"):
        old = TASKS[task].encode(photos([60.0], mask=0))[0]
        rows = class_rows(TASKS[task], photos([56.0, 57.0, 59.0], mask=0), moved)
        assert rows[:, old].tolist() == [0, 1, 1], task
        assert TASKS[task].encode(photos([59.0], mask=0))[0] != old


def test_uncertain_ages_count_less_where_age_is_told_and_fully_elsewhere() -> None:
    settings = Age(uncertain=(29, 59), uncertain_weight=0.25)
    for task, weight in (("age3", 0.25), ("class18", 0.25), ("mask", 1.0), ("mask_gender", 1.0)):
        sums = class_rows(TASKS[task], photos(), settings).sum(1)
        assert sums[[1, 4]].tolist() == [weight, weight], task
        assert sums[[0, 2, 3, 5, 6]].tolist() == [1] * 5


OWN = LabelSet(
    name="own",
    factors=(
        Categories(name="hat", categories=("yes", "no")),
        Number(name="height", edges=(150.0, 180.0), least=40.0, most=250.0),
    ),
)


def test_a_number_of_any_name_is_spread_and_weighed_alike() -> None:
    known = pd.DataFrame({"hat": [0, 1, -1, 0], "height": [179.0, 180.0, 181.0, math.nan]})
    settings = Age(sigma=5.0, uncertain=(180,), uncertain_weight=0.25)
    rows = class_rows(OWN.task("height"), known, settings)
    above = [norm.sf(0.5 / 5), 0.25 * norm.cdf(0.5 / 5), norm.cdf(1.5 / 5), 0]
    np.testing.assert_allclose(rows[:, 2], above, atol=1e-6)
    both = class_rows(OWN.task("hat*height"), known, settings).reshape(4, 2, 3)
    np.testing.assert_allclose(both[0, 0], rows[0])
    np.testing.assert_allclose(both[1, 1], rows[1])
    assert not both[2:].any()  # of each one factor is not known


def test_only_an_edge_at_60_moves() -> None:
    task, moved = TASKS["class18"], Age(senior_from=57.0)
    older = photos([29.0, 30.0, 58.0])
    assert (
        class_rows(task, older, moved).argmax(1).tolist() == task.encode(photos([29.0, 30.0, 60.0])).tolist()
    )
    heights = pd.DataFrame({"height": [149.0, 150.0, 179.0, 180.0]})
    np.testing.assert_array_equal(
        class_rows(OWN.task("height"), heights, moved), class_rows(OWN.task("height"), heights, Age())
    )
