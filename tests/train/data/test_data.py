"""Rows of a fold: both sides in every scheme, rows apart, extra rows, and classes that would be missing."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.cache.reader import Cache
from faces.folds import FoldScheme, fold_numbers
from faces.labels import TASKS
from tests.helpers.extras import joined, write_extra
from train.data.rows import FoldRows, fold_rows
from train.data.taught import absent_classes, training_classes
from train.recipe.data import Rows

SCHEMES: tuple[FoldScheme, ...] = tuple(name for name in get_args(FoldScheme) if "split" not in name)
"""Those that any data have."""


def rows_of(cache: Cache, scheme: FoldScheme, fold: int = 0, tasks: tuple[str, ...] = ("mask",)) -> FoldRows:
    return fold_rows(cache, tasks, fold=fold, folds=3, seed=0, scheme=scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_photo_stands_on_one_side_of_each_fold(coloured: Cache, scheme: FoldScheme) -> None:
    persons = coloured.index.person.to_numpy()
    validated: list[int] = []
    for fold in fold_numbers(scheme, 3):
        rows = rows_of(coloured, scheme, fold)
        assert sorted([*rows.training, *rows.validation]) == [*range(72)]
        both = {*persons[rows.training]} & {*persons[rows.validation]}
        assert bool(both) == (scheme == "image")
        validated += rows.validation.tolist()
    assert len(validated) == len(set(validated)) == {"holdout": 24, "everything": 0}.get(scheme, 72)


def test_bands_and_genders_are_spread_evenly_by_default(coloured: Cache) -> None:
    known = coloured.index
    for fold in range(3):
        mine = known.iloc[fold_rows(coloured, ("mask",), fold=fold, folds=3, seed=0).validation]
        people = mine.drop_duplicates("person").groupby(["age", "gender"]).size()
        assert len(people) == 6 and set(people) <= {1, 2} and people.sum() == 8


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_fold_that_a_scheme_does_not_have(coloured: Cache, scheme: FoldScheme) -> None:
    numbers = "fold 0 is the only one" if scheme in ("holdout", "everything") else "they are numbered 0 to 2"
    for fold in (3, -1):
        with pytest.raises(ValueError, match=f"fold {fold}: with 3 folds of scheme {scheme} {numbers}"):
            rows_of(coloured, scheme, fold)


def test_rows_kept_apart_stand_on_neither_side(coloured: Cache) -> None:
    persons = coloured.index.person.to_numpy()
    apart = rows_of(coloured, "holdout").validation
    for scheme in SCHEMES:
        rows = fold_rows(coloured, ("mask",), fold=0, folds=2, seed=0, scheme=scheme, without=apart)
        sides = {*rows.training, *rows.validation}
        assert len(sides) == 72 - len(apart)
        assert not {*persons[[*sides]]} & {*persons[apart]}


@pytest.mark.parametrize("senior_from", [57.0, 58.5, 60.0])
@pytest.mark.parametrize("task", TASKS)
def test_training_moves_the_oldest_boundary_and_nothing_else(
    coloured: Cache, task: str, senior_from: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ages = np.array([18, 29, 30, 54, 55, 56.9, 57, 58, 58.5, 59, 60, 61, np.nan])
    known = coloured.index[["mask", "gender", "age"]].iloc[: len(ages)].assign(age=ages)
    monkeypatch.setattr(Cache, "columns", lambda self, *names: known[[*names]])
    found = training_classes(coloured, task, senior_from)
    plain = TASKS[task].encode(known)
    moved = (ages >= senior_from) & (ages < 60)
    assert found[~moved].tolist() == plain[~moved].tolist()
    oldest = TASKS[task].encode(known.assign(age=60.0))
    assert found[moved].tolist() == oldest[moved].tolist()


def test_a_class_without_a_training_photo_is_named_with_its_people(coloured: Cache) -> None:
    fold = {"fold": 1, "folds": 3, "seed": 0}
    with pytest.raises(
        ValueError, match=r"class '>=60' of task age3; 8 people of the cache are: .* \[rows\]"
    ):
        fold_rows(coloured, ("age3",), **fold, rows=Rows(drop_ages=(65,)))
    young = np.flatnonzero(coloured.index.age < 30)
    with pytest.raises(ValueError, match=r"class 'wear male <30' of task class18; 4 people"):
        fold_rows(coloured, ("class18",), **fold, without=young)


def test_a_class_that_nobody_has_is_told_and_not_asked_for(coloured: Cache) -> None:
    assert len(fold_rows(coloured, ("mask", "age6"), fold=1, folds=3, seed=0).training) == 48
    assert absent_classes(coloured, ("mask", "age6")) == ["age6: <20", "age6: 47-54", "age6: 55-59"]


def test_classes_of_people_whom_a_recipe_leaves_out_are_not_asked_for(coloured: Cache) -> None:
    for tasks in (("senior",), ("class18",), ("mask_gender", "age3")):
        rows = fold_rows(coloured, tasks, fold=0, folds=3, seed=0, rows=Rows(only="senior"))
        assert (coloured.index.age[rows.training] >= 30).all()


def test_the_boundary_of_training_decides_which_photos_teach_a_class(
    coloured: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Cache.columns

    def aged(self: Cache, *names: str):  # type: ignore[no-untyped-def]
        table = read(self, *names)
        return table.assign(age=table.age.replace(65.0, 58.0)) if "age" in table else table

    monkeypatch.setattr(Cache, "columns", aged)
    everyone = {"fold": 0, "folds": 3, "seed": 0}
    dropped = Rows(drop_ages=(58,))
    # At 59 nobody of the cache is 60 or older, so nothing is missing; at 58 those dropped are.
    assert len(fold_rows(coloured, ("age3",), **everyone, rows=dropped, senior_from=59.0).training)
    with pytest.raises(ValueError, match="class '>=60' of task age3; 8 people"):
        fold_rows(coloured, ("age3",), **everyone, rows=dropped, senior_from=58.0)


@given(swaps=st.integers(1, 20))
def test_rows_tell_themselves_apart(swaps: int) -> None:
    def identity(cut: int) -> str:
        return FoldRows(training=np.arange(cut), validation=np.arange(cut, 40), prior={}).identity

    assert identity(20) == identity(20)
    assert identity(20) != identity(20 - swaps)


@pytest.fixture(scope="session")
def mixed(coloured: Cache, unseen: Cache, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """The 72 labelled photos, 12 without labels, and extra ones for all folds, for fold 1, and of p000."""
    folder = tmp_path_factory.mktemp("mixed")
    own = write_extra(folder / "own", persons=["g0", "g1"], folds=["all", "fold1"])
    known = write_extra(folder / "known", persons=["p000"])
    return joined(folder / "mixed", coloured, unseen, extra=[own, known])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_extra_photos_change_nothing_for_the_ordinary_ones(
    coloured: Cache, mixed: Cache, scheme: FoldScheme
) -> None:
    for fold in fold_numbers(scheme, 3):
        plain, beside = rows_of(coloured, scheme, fold), rows_of(mixed, scheme, fold)
        # The ordinary photos are the first rows of both.
        assert beside.validation.tolist() == plain.validation.tolist()
        assert beside.training[beside.training < 72].tolist() == plain.training.tolist()
        assert beside.prior == plain.prior


def test_extra_photos_train_in_their_folds_but_where_their_person_validates(mixed: Cache) -> None:
    persons = mixed.index.person.to_numpy()
    for fold in range(3):
        rows = rows_of(mixed, "person", fold)
        beside = persons[rows.training[rows.training >= 72]].tolist()
        validates = "p000" in persons[rows.validation]
        expected = ["g0"] * 3 + ["g1"] * 3 * (fold == 1) + ["p000"] * 3 * (not validates)
        assert beside == expected
        assert rows.training.tolist() == sorted(rows.training)


def test_extra_photos_of_people_kept_apart_stay_apart(mixed: Cache) -> None:
    persons = mixed.index.person.to_numpy()
    ordinary = np.flatnonzero(persons[:72] == "p000")
    rows = fold_rows(mixed, ("mask",), fold=0, folds=2, seed=0, without=ordinary)
    assert "p000" not in persons[[*rows.training, *rows.validation]]
    assert "g0" in persons[rows.training]


def test_photos_without_labels_wait_for_a_teacher_unless_their_person_validates(
    mixed: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = [*range(72, 84)]
    assert all(rows_of(mixed, "person", fold).unlabelled.tolist() == without for fold in range(3))
    persons, read = mixed.index.person, Cache.columns
    row = int(np.flatnonzero(persons == "p004")[0])

    def forgetful(self: Cache, *names: str):  # type: ignore[no-untyped-def]
        table = read(self, *names)
        return table.assign(mask=table["mask"].where(table.index != row, -1)) if "mask" in table else table

    monkeypatch.setattr(Cache, "columns", forgetful)
    for fold in range(3):
        rows = rows_of(mixed, "person", fold)
        validates = "p004" in {*persons[rows.validation]}
        assert rows.unlabelled.tolist() == ([] if validates else [row]) + without
        assert row not in rows.training


def test_extra_photos_of_folds_that_are_not_trained_are_refused(coloured: Cache, tmp_path: Path) -> None:
    for value in ("fold3", "fold", "none"):
        made = write_extra(tmp_path / value / "made", persons=["g0"], folds=[value])
        cache = joined(tmp_path / value / "all", coloured, extra=[made])
        with pytest.raises(ValueError, match=rf"index.parquet: column 'extra' says '{value}'; with 3 folds"):
            rows_of(cache, "person")


def test_a_class_that_only_extra_photos_of_another_fold_have_is_not_asked_for(
    make_cache: Callable[..., Cache], tmp_path: Path
) -> None:
    # Person 4 of a cache is of the oldest band; the first four are not.
    young = make_cache("young", people=4)
    made = write_extra(tmp_path / "made", persons=[f"g{n}" for n in range(6)], folds=["fold1"] * 6)
    cache = joined(tmp_path / "all", young, extra=[made])
    rows = [fold_rows(cache, ("age3",), fold=fold, folds=2, seed=0).training for fold in range(2)]
    oldest = cache.labels("age3") == 2
    assert [oldest[training].any() for training in rows] == [False, True]
