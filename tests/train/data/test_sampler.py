"""Which rows a recipe trains on, and its sampler over them: filters, class counts, weights of the user."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.cache.reader import Cache
from faces.command import read_toml, write_toml
from pipeline.loader import Loader
from pipeline.samplers import class_weights
from train.data.rows import fold_rows
from train.data.sampler import fold_sampler
from train.recipe.data import Rows, Sampling
from train.recipe.recipe import Recipe

FOLD = {"fold": 1, "folds": 3, "seed": 0}


def recipe(**sampler: object) -> Recipe:
    return Recipe(tasks=("mask", "age3"), sampler=Sampling(**sampler))  # type: ignore[arg-type]


def weights_of(cache: Cache, table: str, folder: Path, **sampler: object) -> np.ndarray:
    """Probabilities of the fold's training rows from a table of weights."""
    (folder / "weights.csv").write_text(table)
    rows = fold_rows(cache, ("mask",), **FOLD).training
    chosen = recipe(name="custom", table=str(folder / "weights.csv"), **sampler)
    return fold_sampler(chosen, cache, rows).probabilities  # type: ignore[attr-defined]


@settings(max_examples=20)
@given(
    ages=st.lists(st.sampled_from([25, 45, 65, 30]), max_size=2),
    only=st.sampled_from(["", "senior", "class18"]),
    fold=st.integers(0, 2),
)
def test_filters_drop_training_rows_and_never_validation_rows(
    coloured: Cache, ages: list[int], only: str, fold: int
) -> None:
    whole = fold_rows(coloured, ("mask",), fold=fold, folds=3, seed=0)
    age = coloured.index.age.to_numpy()
    keep = ~np.isin(age, ages) & ((only != "senior") | (age >= 30))
    expected = [row for row in whole.training if keep[row]]
    rows = Rows(drop_ages=tuple(ages), only=only)
    if not expected:
        with pytest.raises(ValueError, match="training photos is left"):
            fold_rows(coloured, ("mask",), fold=fold, folds=3, seed=0, rows=rows)
        return
    chosen = fold_rows(coloured, ("mask",), fold=fold, folds=3, seed=0, rows=rows)
    assert chosen.training.tolist() == expected
    assert chosen.validation.tolist() == whole.validation.tolist() and chosen.prior == whole.prior


def test_a_fold_left_without_rows_is_an_error_that_says_by_what(coloured: Cache) -> None:
    with pytest.raises(ValueError, match=r"none of its 48 training photos .* rows.drop_ages=\[25, 45, 65\]"):
        fold_rows(coloured, ("mask",), **FOLD, rows=Rows(drop_ages=(25, 45, 65)))


@pytest.mark.parametrize("name", ["class_balanced", "effective_number", "inverse_sqrt"])
def test_classes_are_counted_in_the_folds_training_rows_alone(coloured: Cache, name: str) -> None:
    rows = fold_rows(coloured, ("mask",), **FOLD, rows=Rows(drop_ages=(45,))).training[:-7]
    for task in ("", "age3"):
        sampler = fold_sampler(recipe(name=name, task=task, beta=0.9), coloured, rows)
        weights = class_weights(coloured.labels(task or "mask")[rows], name, 0.9)  # type: ignore[arg-type]
        np.testing.assert_allclose(sampler.probabilities, weights / weights.sum())  # type: ignore[attr-defined]


def test_samplers_of_a_recipe_balance_what_they_say(coloured: Cache) -> None:
    rows = fold_rows(coloured, ("mask",), **FOLD).training[5:]

    def epoch(**sampler: object) -> np.ndarray:
        return rows[fold_sampler(recipe(**sampler), coloured, rows).samples(epoch=0, seed=0)]

    assert sorted(epoch()) == sorted(rows)
    ages = coloured.labels("age3")[epoch(name="undersample", task="age3")]
    assert len(set(np.bincount(ages))) == 1
    persons = coloured.index.person.iloc[epoch(name="person_balanced")]
    assert set(persons) == set(coloured.index.person.iloc[rows]) and persons.value_counts().nunique() == 1


def test_a_task_that_no_row_has_cannot_be_balanced(coloured: Cache) -> None:
    young = np.flatnonzero(coloured.index.age < 30)
    with pytest.raises(ValueError, match=r"sampler.task='senior': none of the 24 training photos"):
        fold_sampler(recipe(name="class_balanced", task="senior"), coloured, young)


def test_weights_come_from_a_table_by_person_or_key(coloured: Cache, tmp_path: Path) -> None:
    rows = fold_rows(coloured, ("mask",), **FOLD).training
    known = coloured.index.iloc[rows]
    for name in ("person", "key", "source"):
        value = {key: number % 5 for number, key in enumerate(sorted(set(coloured.index[name])))}
        lines = [f"{name},trust", *(f"{key},{weight}" for key, weight in value.items())]
        found = weights_of(coloured, "\n".join(lines), tmp_path, column="trust")
        expected = known[name].map(value).to_numpy(float)
        np.testing.assert_allclose(found, expected / expected.sum())


def test_weights_come_from_a_column_of_the_index(coloured: Cache) -> None:
    rows = fold_rows(coloured, ("mask",), **FOLD).training
    sampler = fold_sampler(recipe(name="custom", column="age"), coloured, rows)
    age = coloured.index.age.to_numpy()[rows]
    np.testing.assert_allclose(sampler.probabilities, age / age.sum())  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"no column 'weight': name a numeric one"):
        fold_sampler(recipe(name="custom"), coloured, rows)
    with pytest.raises(ValueError, match="48 of the 48 training photos have no weight in column 'status'"):
        fold_sampler(recipe(name="custom", column="status"), coloured, rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-9], "training photos have no weight in column 'weight'.*first person 'p0"),
        (lambda lines: [line.replace(",1", ",nan") for line in lines], "48 of the 48 .*nan"),
        (lambda lines: [line.replace(",1", ",") for line in lines], "48 of the 48 "),
        (lambda lines: [line.replace(",1", ",-1") for line in lines], r"first person .* \('-1'\)"),
        (lambda lines: [line.replace(",1", ",0") for line in lines], "all 48 training photos .* are 0"),
        (lambda lines: [*lines, lines[-1]], r"person 'p023' occurs twice, in rows \d+ and \d+; keep one"),
        (lambda lines: ["who,weight", *lines[1:]], "columns who, weight; needed are 'weight' and one of key"),
        (lambda lines: ["person,heavy", *lines[1:]], "columns person, heavy; needed are 'weight'"),
        (lambda lines: [""], "not readable"),
    ],
)
def test_tables_of_weights_that_cannot_be_used(
    coloured: Cache, tmp_path: Path, change: Callable[[list[str]], list[str]], message: str
) -> None:
    lines = ["person,weight", *(f"{person},1" for person in sorted(set(coloured.index.person)))]
    with pytest.raises(ValueError, match=message):
        weights_of(coloured, "\n".join(change(lines)), tmp_path)


def test_tables_of_weights_are_read_as_spreadsheets_save_them(coloured: Cache, tmp_path: Path) -> None:
    people = sorted(set(coloured.index.person))
    lines = ["Person;Weight", *(f" {person};{number % 3},5" for number, person in enumerate(people))]
    (tmp_path / "weights.csv").write_bytes("\r\n".join(lines).encode("utf-16"))
    notes: list[str] = []
    chosen = recipe(name="custom", table=str(tmp_path / "weights.csv"))
    sampler = fold_sampler(chosen, coloured, np.arange(len(coloured)), notes)
    expected = coloured.index.person.map({person: n % 3 + 0.5 for n, person in enumerate(people)}).to_numpy()
    np.testing.assert_allclose(sampler.probabilities, expected / expected.sum())  # type: ignore[attr-defined]
    assert notes == ["weights.csv, column Weight: '0,5' is read as 0.5, and so on"]


def test_a_table_of_weights_that_is_not_there(coloured: Cache) -> None:
    with pytest.raises(ValueError, match=r"sampler.table='none.csv': no such file"):
        fold_sampler(recipe(name="custom", table="none.csv"), coloured, np.arange(9))


def test_recipes_say_sampler_and_rows_in_toml(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        '[sampler]\nname = "effective_number"\ntask = "age3"\nbeta = 0.99\n'
        '[rows]\ndrop_ages = [27, 28, 29]\nonly = "senior"\n'
    )
    read = read_toml(Recipe, path)
    assert read.sampler == Sampling(name="effective_number", task="age3", beta=0.99)
    assert read.rows == Rows(drop_ages=(27, 28, 29), only="senior")
    write_toml(read, path)
    assert read_toml(Recipe, path) == read


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[sampler]\nname = "class_balance"', "class_balance"),
        ("[sampler]\nbeta = 1.0", r"sampler.beta=1.0: must be in \[0, 1\)"),
        ("[rows]\ndrop_ages = [-3]", r"rows.drop_ages=\[-3\]"),
        ("[rows]\ndrop_age = [3]", "did you mean 'drop_ages'"),
    ],
)
def test_recipes_that_say_what_cannot_be(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(table)
    with pytest.raises(ValueError, match=message):
        read_toml(Recipe, path)


def test_a_batch_larger_than_what_trains_is_an_error_but_evaluation_takes_what_there_is(
    coloured: Cache,
) -> None:
    half = (0.5, 0.5, 0.5)

    def loader(**options: object) -> Loader:
        settings: dict = {"batch_size": 16, "image_size": 32, "mean": half, "std": half, **options}
        return Loader(coloured, np.arange(10), **settings)

    with pytest.raises(
        ValueError, match=r"batch_size=16: an epoch of these 10 training rows has only 10 samples"
    ):
        loader(shuffle=True)
    with pytest.raises(
        ValueError, match="only 5 samples for each of 2 processes; choose a batch_size of at most 5"
    ):
        loader(shuffle=True, world=2, batch_size=6)
    assert len(loader()) == 1 and len(loader(shuffle=True, batch_size=10)) == 1


def test_the_sequence_of_rows_does_not_depend_on_the_batch_size(coloured: Cache) -> None:
    half = (0.5, 0.5, 0.5)
    rows = fold_rows(coloured, ("mask",), **FOLD).training
    sampler = fold_sampler(recipe(name="undersample", task="age3"), coloured, rows)
    whole = rows[sampler.samples(epoch=2, seed=0)]
    for size in (4, 16, len(whole)):
        loader = Loader(coloured, rows, batch_size=size, image_size=16, mean=half, std=half, sampler=sampler)
        seen = np.concatenate([batch[1].numpy() for batch in loader.epoch(2)])
        assert seen.tolist() == whole[: len(whole) // size * size].tolist()
