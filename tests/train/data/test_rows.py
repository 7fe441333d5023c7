"""Rows of a fold follow from what is known of each photo for the recipe's own tasks."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.factors import Categories
from faces.folds import FoldScheme
from faces.labels import LabelSet
from tests.helpers.coloured import write_told as write
from tests.helpers.own_labels import write_own
from train.data.rows import FoldRows, fold_rows
from train.data.tasks import fit_to_cache, labelled_factors
from train.data.taught import absent_classes
from train.recipe.data import Age, Rows
from train.recipe.recipe import Recipe


def rows_of(
    cache: Cache, *tasks: str, fold: int = 0, folds: int = 3, scheme: FoldScheme = "person", **more: Rows
) -> FoldRows:
    return fold_rows(cache, tasks, fold=fold, folds=folds, seed=0, scheme=scheme, **more)


@pytest.fixture(scope="session")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """36 photos of 12 people labelled with mask alone, every fourth person with gender too, and 4 photos of
    others with nothing."""
    photos = pd.DataFrame({"person": [f"p{row // 3:02d}" for row in range(36)], "mask": [0, 1, 2] * 12})
    photos["gender"] = np.where(np.arange(36) // 3 % 4 == 0, 1, -1)
    nothing = pd.DataFrame({"person": [f"q{row}" for row in range(4)], "mask": -1, "gender": -1})
    return write(tmp_path_factory.mktemp("masks") / "masks", pd.concat([photos, nothing]))


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_own(tmp_path_factory.mktemp("own") / "own")


def plainly_dealt(cache: Cache, folds: int, seed: int) -> np.ndarray:
    """The fold of each row, people dealt out by age band and gender in plain Python."""
    index = cache.index
    facts = {
        person: ((age >= 30) + (age >= 60)) * 2 + gender
        for person, age, gender in zip(index.person, index.age, index.gender, strict=True)
    }
    people = sorted(facts)
    shuffled = np.random.default_rng(seed).permutation(len(people))
    order = sorted(range(len(people)), key=lambda n: (facts[people[n]], shuffled[n]))
    fold = {people[n]: place % folds for place, n in enumerate(order)}
    return np.array([fold[person] for person in index.person])


@pytest.mark.parametrize("tasks", [("class18",), ("mask",), ("senior",), ("age", "mask*gender")])
def test_rows_of_fully_labelled_photos_are_those_of_people_dealt_by_age_and_gender(
    coloured: Cache, tasks: tuple[str, ...]
) -> None:
    for seed in range(3):
        dealt = plainly_dealt(coloured, 3, seed)
        for fold in range(3):
            rows = fold_rows(coloured, tasks, fold=fold, folds=3, seed=seed)
            assert rows.validation.tolist() == np.flatnonzero(dealt == fold).tolist()
            taught = (dealt != fold) & ((coloured.index.age >= 30) | (tasks != ("senior",)))
            assert rows.training.tolist() == np.flatnonzero(taught).tolist()
            classes = coloured.labels("class18")[dealt != fold]
            assert rows.prior == {"class18": tuple(np.bincount(classes, minlength=18) / len(classes))}
            assert (rows.by, [*rows.not_by]) == (("age", "gender"), ["mask"])
            assert not len(rows.unlabelled)


def test_photos_labelled_for_mask_alone_train_and_validate_mask(masks: Cache) -> None:
    seen: list[int] = []
    for fold in range(3):
        rows = rows_of(masks, "mask", fold=fold)
        assert len(rows.training) == 24 and len(rows.validation) == 12
        assert rows.unlabelled.tolist() == [36, 37, 38, 39]
        assert rows.prior == {"mask": (1 / 3,) * 3}
        seen += rows.validation.tolist()
    assert sorted(seen) == [*range(36)]
    assert masks.labels("class18").max() == -1


def test_people_are_the_same_whatever_is_trained(own: Cache) -> None:
    people = own.index.person
    for fold in range(3):
        validating = [
            {*people[rows_of(own, *tasks, fold=fold).validation]}
            for tasks in (("glasses",), ("years",), ("glasses", "helmet*years"))
        ]
        assert validating[0] == validating[1] == validating[2]
        assert len(validating[0]) == 8


def test_a_photo_takes_the_side_of_its_person_for_the_tasks_that_it_is_labelled_for(own: Cache) -> None:
    glasses, helmet = own.known("glasses"), own.known("helmet")
    one, both = rows_of(own, "glasses"), rows_of(own, "glasses", "helmet")
    mine = own.index.person.isin({*own.index.person[one.validation]}).to_numpy()
    assert one.validation.tolist() == np.flatnonzero(mine & glasses).tolist()
    assert one.training.tolist() == np.flatnonzero(~mine & glasses).tolist()
    assert one.unlabelled.tolist() == np.flatnonzero(~mine & ~glasses).tolist()
    assert both.validation.tolist() == np.flatnonzero(mine & (glasses | helmet)).tolist()
    assert both.training.tolist() == np.flatnonzero(~mine & (glasses | helmet)).tolist()
    assert both.unlabelled.tolist() == np.flatnonzero(~mine & ~(glasses | helmet)).tolist()
    # A product is known where each of its factors is.
    product = rows_of(own, "glasses*helmet")
    assert product.training.tolist() == np.flatnonzero(~mine & glasses & helmet).tolist()


def test_the_prior_has_what_does_not_follow_from_the_headline(coloured: Cache) -> None:
    """Contest runs hold the shares of the 18 classes alone, whatever named tasks they have."""
    tasks = ["mask", "mask*gender", "age6", "senior", "age[30]", "age[25, 45]"]
    rows = fold_rows(coloured, tasks, fold=0, folds=2, seed=0)
    assert [*rows.prior] == ["class18", "age[25, 45]"]
    everyone = np.setdiff1d(np.arange(len(coloured)), rows.validation)
    ages = np.digitize(coloured.index["age"].to_numpy()[everyone], [25, 45])
    assert rows.prior["age[25, 45]"] == pytest.approx(np.bincount(ages, minlength=3) / len(ages))


def test_the_prior_is_of_each_task_where_no_task_tells_all_factors(own: Cache) -> None:
    rows = rows_of(own, "glasses", "years>=30[70]")
    trains = ~own.index.person.isin({*own.index.person[rows.validation]}).to_numpy()
    codes = own.labels("glasses")[trains]
    known = codes[codes >= 0]
    assert rows.prior == {
        "glasses": tuple(np.bincount(known, minlength=2) / len(known)),
        "years>=30[70]": (1.0, 0.0),
    }


def test_a_rare_value_stops_no_training_of_other_factors(tmp_path: Path) -> None:
    photos = pd.DataFrame({"person": [f"p{n:02d}" for n in range(12)], "mask": [0, 1, 2] * 4, "age": 20.0})
    photos.loc[0, "age"] = 70.0
    cache = write(tmp_path / "rare", photos)
    rows = [rows_of(cache, "mask", fold=fold) for fold in range(3)]
    assert sorted(np.concatenate([each.validation for each in rows])) == [*range(12)]
    assert "age" in rows[0].not_by
    assert "gender: male" in absent_classes(cache, ["gender"])


def test_a_fold_in_which_nobody_would_validate_is_refused(tmp_path: Path) -> None:
    photos = pd.DataFrame({"person": [f"p{n // 2}" for n in range(6)], "mask": [0, 1] * 3, "gender": -1})
    photos.loc[2:, "mask"] = -1
    photos.loc[2:, "gender"] = [0, 0, 1, 1]
    cache = write(tmp_path / "few", photos)
    told = []
    for fold in range(3):
        with pytest.raises(ValueError, match=f"fold {fold}: ") as error:
            rows_of(cache, "mask", fold=fold)
        told.append("nothing would be validated" in str(error.value))
    # Where the one labelled person would validate, they train, since nobody else does.
    assert told == [True] * 3
    assert not len(rows_of(cache, "mask", scheme="everything").validation)


def splits(parts: Sequence[str], people: Sequence[int]) -> pd.DataFrame:
    """Three photos of each of some people, who came in these parts of the data."""
    rows = [(f"p{n}", mask, part) for n, part in zip(people, parts, strict=True) for mask in range(3)]
    return pd.DataFrame(rows, columns=["person", "mask", "split"])


def test_data_that_came_divided_stay_so(tmp_path: Path) -> None:
    came = splits(["train", "train", "val", "test", "train"], range(5))
    came.loc[[2, 8, 11, 13], "mask"] = -1
    cache = write(tmp_path / "split", came)
    rows = rows_of(cache, "mask", scheme="split")
    assert rows.training.tolist() == [0, 1, 3, 4, 5, 12, 14]
    assert rows.validation.tolist() == [6, 7]
    assert rows.unlabelled.tolist() == [2, 13]  # none of those who validate or are kept for a test
    with pytest.raises(ValueError, match="fold 1: with 3 folds of scheme split fold 0 is the only one"):
        rows_of(cache, "mask", scheme="split", fold=1)
    came["split"] = came["split"].replace("val", "test")
    rows = rows_of(write(tmp_path / "test", came), "mask", scheme="split")
    assert rows.validation.tolist() == [6, 7, 9, 10]


def test_data_that_came_in_folds_validate_each_once(tmp_path: Path) -> None:
    came = splits(["fold0", "fold1", "fold2", "fold1", "test"], range(5))
    cache = write(tmp_path / "folds", came)
    for fold, validating in enumerate(([0, 1, 2], [3, 4, 5, 9, 10, 11], [6, 7, 8])):
        rows = rows_of(cache, "mask", scheme="split_folds", fold=fold)
        assert rows.validation.tolist() == validating
        assert rows.training.tolist() == sorted({*range(12)} - {*validating})


def test_a_class_that_only_photos_kept_for_a_test_have_is_not_asked_for(tmp_path: Path) -> None:
    came = splits(["train", "val", "test"], range(3))
    came["mask"] = [0, 1, 0, 0, 1, 0, 2, 2, 2]
    assert rows_of(write(tmp_path / "kept", came), "mask", scheme="split").training.tolist() == [0, 1, 2]


def test_people_of_both_parts_are_refused(tmp_path: Path) -> None:
    cache = write(tmp_path / "both", splits(["train", "val", "val"], [0, 1, 0]))
    with pytest.raises(ValueError, match=r"person p0 is in 'val' and in what is trained on"):
        rows_of(cache, "mask", scheme="split")


def test_all_factors_with_labels_of_two_values_become_heads(own: Cache, masks: Cache, tmp_path: Path) -> None:
    recipe = Recipe(tasks=("*",))
    assert fit_to_cache(recipe, own, "r.toml").tasks == ("glasses", "helmet", "years")
    assert labelled_factors(masks) == ("mask",)  # of gender only one value is there
    # Settings of ages are left out where no age is: another number may be of any unit.
    spread = dataclasses.replace(recipe, age=Age(sigma=3.0, clipped_at="top"))
    assert fit_to_cache(spread, own, "r.toml").age == fit_to_cache(spread, masks, "r.toml").age == Age()
    aged = pd.DataFrame({"person": ["p0", "p1"], "mask": [0, 1], "gender": 0, "age": [20, 70]})
    assert fit_to_cache(spread, write(tmp_path / "aged", aged), "r.toml").age == spread.age
    named = Recipe(tasks=("glasses",))
    assert fit_to_cache(named, own, "r.toml") is named
    alike = write(tmp_path / "alike", pd.DataFrame({"person": ["p0", "p1"], "mask": 1, "gender": -1}))
    with pytest.raises(
        ValueError, match=r"r.toml: .*mask \(1 value\), gender \(no values\), age .*own-labels"
    ):
        fit_to_cache(recipe, alike, "r.toml")


def test_a_recipe_that_does_not_fit_is_refused_with_its_file(coloured: Cache) -> None:
    with pytest.raises(ValueError, match=r"^recipes/x.toml: tasks: 'senoir' is no .*did you mean 'senior'\?"):
        fit_to_cache(Recipe(tasks=("senoir",)), coloured, "recipes/x.toml")


def test_numbers_of_any_name_are_dropped(own: Cache, tmp_path: Path) -> None:
    rows = rows_of(own, "glasses", rows=Rows(drop_ages=(65,)))
    assert (own.index.years[rows.training] == 25).all() and len(rows.training)
    plain = LabelSet(name="plain", factors=(Categories(name="hat", categories=("on", "off")),))
    photos = pd.DataFrame({"person": [f"p{n}" for n in range(6)], "hat": [0, 1] * 3})
    cache = write(tmp_path / "hats", photos, plain)
    with pytest.raises(
        ValueError, match=r"rows.drop_ages=\[65\] is about a number .* only hat: leave it out"
    ):
        fit_to_cache(Recipe(tasks=("hat",), rows=Rows(drop_ages=(65,))), cache, "r.toml")
    assert len(rows_of(cache, "hat").validation) == 2
