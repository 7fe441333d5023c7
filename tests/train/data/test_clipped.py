"""Where numbers of training photos end in a "so much or more", and what follows from that."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.contest import AGE_EDGES
from tests.helpers.coloured import write_told
from tests.train.engine.test_resume import RECIPE, plan
from train.data.clipped import clipped_number, with_end
from train.engine.card import read_card
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.targets import make_targets
from train.ready import ready_fold
from train.recipe.before import as_meant
from train.recipe.data import Age
from train.recipe.recipe import Recipe
from train.recipe.request import read_request
from train.results.together import check_alike
from train.run_folder import request_of

YOUNG = [*range(20, 60)]
SPREAD = Recipe(tasks=("age3",), age=Age(sigma=3.0))
PHOTOS = 2
"""Of each person."""


def ends(ages: list[int], edges: tuple[float, ...] = AGE_EDGES) -> float:
    return clipped_number(np.array(ages, np.float64), edges)


def test_a_heap_at_an_edge_that_nobody_is_above_is_the_end() -> None:
    assert ends(YOUNG + [60] * 3) == 60
    assert ends(YOUNG + [60] * 2) == 0  # too few to tell from chance
    assert ends(YOUNG * 2 + [60] * 4) == 0  # no more than twice as many as at each age below
    assert ends(YOUNG * 2 + [60] * 5) == 60
    assert ends(YOUNG + [60] * 30 + [61]) == 0
    assert ends([*range(20, 59)] + [59] * 30) == 0  # no edge
    assert ends([20] * 4 + [30] * 9) == 30  # of any band
    assert ends([60] * 3) == 60
    assert ends([]) == 0


def told(folder: Path, ages: list[int]) -> Cache:
    people = np.repeat(np.arange(len(ages)), PHOTOS)
    photos = {"person": [f"{p:06d}" for p in people], "mask": 0, "gender": people % 2}
    return write_told(folder, pd.DataFrame({**photos, "age": np.array(ages)[people]}))


def rows_of(cache: Cache) -> np.ndarray:
    return np.arange(len(cache))


@pytest.fixture(scope="module")
def clipped(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return told(tmp_path_factory.mktemp("clipped") / "cache", [*range(25, 55, 2)] + [60] * 9)


def test_it_is_looked_for_where_something_follows_and_people_are_counted(
    clipped: Cache, tmp_path: Path
) -> None:
    rows = np.arange(len(clipped))
    found, line = with_end(SPREAD, clipped, rows)
    assert found == dataclasses.replace(SPREAD, age=Age(sigma=3.0, clipped_at=60.0))
    assert line == 'age: nobody above 60 and 18 photos at 60: taken as "60 and over" (clipped_at = 60)'
    assert with_end(found, clipped, rows) == (found, "")
    # Of photos that are not of these rows nothing is known.
    ages = clipped.columns("age")["age"].to_numpy()
    assert with_end(SPREAD, clipped, np.flatnonzero(ages < 60))[0].age.clipped_at == 0
    # Two people of two photos each are no heap.
    few = told(tmp_path / "few", [*range(25, 55, 2), 60, 60])
    assert with_end(SPREAD, few, np.arange(len(few)))[0].age.clipped_at == 0
    for age, expected in (
        (Age(), 0),
        (Age(coding="ordinal"), 0),
        (Age(coding="ordinal", sigma=2.0), 60),
        (Age(coding="years", sigma=2.0), 60),
        (Age(coding="regression"), 60),
        (Age(sigma=3.0, clipped_at=0.0), 0),
        (Age(sigma=3.0, clipped_at=30.0), 30),
    ):
        assert with_end(Recipe(tasks=("age3",), age=age), clipped, rows)[0].age.clipped_at == expected, age
    assert with_end(Recipe(tasks=("mask",), age=Age(sigma=3.0)), clipped, rows)[0].age.clipped_at == 0
    assert with_end(Recipe(age=Age(sigma=3.0)), clipped, rows)[0].age.clipped_at == 60  # the 18 classes


def test_the_last_band_may_be_the_end_whoever_is_beyond_it(clipped: Cache, tmp_path: Path) -> None:
    older = told(tmp_path / "older", [*range(25, 85, 2)])
    for cache in (clipped, older):
        found, line = with_end(
            Recipe(tasks=("age3",), age=Age(sigma=3.0, clipped_at="top")), cache, rows_of(cache)
        )
        assert found.age.clipped_at == 60
        assert line == 'age: from 60 on taken as "60 and over", the last band'
    # Of the bands that the recipe tells; and nowhere where nothing is spread.
    young = Recipe(tasks=("age[30]",), age=Age(sigma=3.0, clipped_at="top"))
    assert with_end(young, older, rows_of(older))[0].age.clipped_at == 30
    assert (
        with_end(Recipe(tasks=("age3",), age=Age(clipped_at="top")), older, rows_of(older))[0].age.clipped_at
        == 0
    )
    recipe, _ = with_end(Recipe(tasks=("age3",), age=Age(sigma=3.0, clipped_at="top")), older, rows_of(older))
    ages = older.columns("age")["age"].to_numpy()
    taught = make_targets(recipe, older, rows_of(older))["age3"]
    assert taught[ages > 60, 2] == pytest.approx(1)
    assert (taught[(ages > 40) & (ages < 60), 2] > 0).all()


@pytest.mark.parametrize("coding", ["classes", "ordinal", "years"])
def test_people_at_the_end_are_taught_to_be_there(clipped: Cache, coding: str) -> None:
    rows = np.arange(len(clipped))
    oldest = clipped.columns("age")["age"].to_numpy() == 60
    for age, mass in (
        (Age(coding=coding, sigma=3.0), 1.0),
        (Age(coding=coding, sigma=3.0, clipped_at=0), 0.566),
    ):
        taught = make_targets(Recipe(tasks=("age3",), age=age), clipped, rows)["age3"][oldest]
        above = taught[:, 60:] if coding == "years" else taught[:, 2:]
        assert above.sum(1) == pytest.approx(mass, abs=1e-3)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_keeps_what_was_found_and_each_fold_finds_its_own(clipped: Cache, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, tasks=("age3",), age=Age(sigma=3.0), epochs=1, augment="none")
    lines: list[str] = []

    class Ears(Watch):
        def say(self, line: str) -> None:
            lines.append(line)

    one = plan(clipped, tmp_path / "fold1", recipe)
    train_fold(one, Ears())
    assert sum("nobody above 60" in line for line in lines) == 1
    card = read_card(tmp_path / "fold1" / "best.safetensors")
    asked = read_request(tmp_path / "fold1" / "request.json")
    assert asked.recipe.age.clipped_at == card.recipe.age.clipped_at == 60
    train_fold(one, Watch())  # the same again, and what says so itself is the same training
    train_fold(plan(clipped, tmp_path / "fold1", dataclasses.replace(recipe, age=card.recipe.age)), Watch())
    other = dataclasses.replace(recipe, age=Age(sigma=3.0, clipped_at=0.0))
    with pytest.raises(ValueError, match=r"recipe.age.clipped_at: 60.0 there, 0.0 now"):
        train_fold(plan(clipped, tmp_path / "fold1", other), Watch())
    # A fold whose people end nowhere votes beside one whose people do.
    ending_nowhere = dataclasses.replace(card, recipe=dataclasses.replace(card.recipe, age=other.age))
    check_alike({Path("fold1/b"): card, Path("fold2/b"): ending_nowhere})


def test_a_recipe_begun_before_numbers_were_looked_at_goes_on_without(clipped: Cache, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, tasks=("age3",), age=Age(sigma=3.0))
    assert ready_fold(plan(clipped, tmp_path / "fold1", recipe)).plan.recipe.age.clipped_at == 60
    then = dataclasses.replace(recipe, keep="best", age=Age(sigma=3.0, clipped_at=0.0))
    table = json.loads(request_of(plan(clipped, tmp_path / "fold0", then)).document())
    del table["seal"], table["recipe"]["keep"]
    (tmp_path / "fold0").mkdir()
    (tmp_path / "fold0" / "request.json").write_text(json.dumps(table))
    ready = ready_fold(plan(clipped, tmp_path / "fold1", recipe))
    assert ready.plan.recipe.age == then.age
    assert [note for note in ready.notes if "age.clipped_at = 0.0" in note] and len(ready.notes) == 1
    # What says itself where numbers end is not changed.
    ready = ready_fold(
        plan(clipped, tmp_path / "fold1", dataclasses.replace(recipe, age=Age(clipped_at=50.0)))
    )
    assert ready.plan.recipe.age.clipped_at == 50
    assert as_meant({"age": {"sigma": 2.0}})["age"] == {"clipped_at": 0.0, "sigma": 2.0}
