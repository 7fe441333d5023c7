"""Whoever is alone in a class trains in every fold, whatever their number and that of the folds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.folds import FoldScheme
from tests.helpers.coloured import write_told
from train.data.rows import FoldRows, fold_rows
from train.data.taught import not_validated
from train.recipe.data import Rows

TASKS = ("mask", "age3")


def cache_of(folder: Path, old: int, **columns: object) -> Cache:
    """Twelve young people and some old ones, with a photo of each mask each."""
    people = np.repeat(np.arange(12 + old), 3)
    photos = pd.DataFrame(
        {"person": [f"p{n:02d}" for n in people], "mask": [0, 1, 2] * (12 + old), "gender": people % 2}
    )
    photos["age"] = np.where(people < 12, 20.0 + people % 2 * 20, 65.0)
    return write_told(folder, photos.assign(**columns))


def all_folds(cache: Cache, folds: int, scheme: FoldScheme = "person", seed: int = 0) -> list[FoldRows]:
    return [
        fold_rows(cache, TASKS, fold=fold, folds=folds, seed=seed, scheme=scheme)
        for fold in range(1 if scheme == "holdout" else folds)
    ]


@pytest.mark.parametrize("old", [1, 2])
@pytest.mark.parametrize("scheme", ["person", "age_group", "holdout", "image"])
def test_every_fold_teaches_every_class_that_people_have(
    tmp_path: Path, old: int, scheme: FoldScheme
) -> None:
    cache = cache_of(tmp_path / "few", old)
    age, person = cache.labels("age3"), cache.columns("person")["person"].to_numpy()
    for folds in (2, 5):
        for seed in range(2):
            rows = all_folds(cache, folds, scheme, seed)
            for each in rows:
                assert {*age[each.training]} == {0, 1, 2} and {*cache.labels("mask")[each.training]} == {
                    0,
                    1,
                    2,
                }
                assert not {*each.training} & {*each.validation}
                if scheme != "image":
                    assert not {*person[each.training]} & {*person[each.validation]}
            if scheme in ("person", "age_group"):
                validated = np.concatenate([each.validation for each in rows])
                assert len(np.unique(person[validated][age[validated] == 2])) == (old if old > 1 else 0)
                assert len({*validated}) == len(validated) == 36 + (3 * old if old > 1 else 0)


def test_the_person_is_named_and_the_class_said_not_to_be_validated(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "one", 1)
    rows = all_folds(cache, 2)
    notes = [note for each in rows for note in each.notes]
    assert notes == ["p12 trains and does not validate: no other training photo is of age3: >=60"]
    assert [not_validated(cache, TASKS, each.training, each.validation) for each in rows] == [
        "age3: >=60"
    ] * 2


def test_other_tasks_and_those_taught_by_others_move_nobody(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "one", 1)
    masks = [fold_rows(cache, ("mask",), fold=fold, folds=2, seed=0) for fold in range(2)]
    assert sorted(np.concatenate([each.validation for each in masks])) == [*range(39)]
    assert not any(each.notes for each in masks)


def test_a_single_photo_of_a_value_trains_with_its_person(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "mask", 2, mask=[0, 2, 1] + [0, 2, 2] * 13)
    for folds in (2, 3):
        for each in all_folds(cache, folds):
            assert 2 in each.training and 2 not in each.validation  # row 2 alone is worn incorrectly


def test_who_shares_a_file_with_them_stays_on_their_side(tmp_path: Path) -> None:
    files = [f"{n}" for n in range(39)]
    files[36], files[1] = "same", "same"
    cache = cache_of(tmp_path / "linked", 1, source_sha256=files)
    for each in all_folds(cache, 2):
        assert {0, 1, 2, 36, 37, 38} <= {*each.training}


@pytest.mark.parametrize("scheme", ["split", "split_folds"])
def test_data_that_came_divided_are_not_moved_but_the_cure_works(tmp_path: Path, scheme: FoldScheme) -> None:
    parts = ["train" if scheme == "split" else "fold0"] * 36 + ["val" if scheme == "split" else "fold1"] * 3
    cache = cache_of(tmp_path / "came", 1, split=parts)
    fold = 0 if scheme == "split" else 1
    with pytest.raises(ValueError, match=r"class '>=60' of task age3; 1 people .*FOLD_SCHEME=person$"):
        fold_rows(cache, TASKS, fold=fold, folds=2, seed=0, scheme=scheme)
    assert len(all_folds(cache, 2)) == 2  # FOLD_SCHEME=person
    fold_rows(cache, ("mask",), fold=fold, folds=2, seed=0, scheme=scheme)  # train another task


def test_where_nobody_would_be_left_to_validate_everything_trains(tmp_path: Path) -> None:
    photos = pd.DataFrame({"person": ["a", "b"], "mask": [0, 1], "gender": 0, "age": 20.0})
    cache = write_told(tmp_path / "two", photos)
    with pytest.raises(ValueError, match="nothing would be validated: use FOLD_SCHEME=everything"):
        fold_rows(cache, ("mask",), fold=0, folds=2, seed=0)
    rows = fold_rows(cache, ("mask",), fold=0, folds=2, seed=0, scheme="everything")
    assert rows.training.tolist() == [0, 1]


def test_what_a_recipe_leaves_out_is_asked_back(tmp_path: Path) -> None:
    cache = cache_of(tmp_path / "one", 1)
    with pytest.raises(ValueError, match=r"class '>=60' .* keep more in \[rows\], or use another FOLD_SEED"):
        fold_rows(cache, TASKS, fold=0, folds=2, seed=0, rows=Rows(drop_ages=(65,)))
