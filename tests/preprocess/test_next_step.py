"""What stage 1 proposes to do next: a command that there is, that fits the labels found, and that works."""

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from faces.cache.reader import Cache
from faces.factors import Categories
from faces.folds import fold_numbers
from faces.labelling.label_file import label_set
from faces.labels import CONTEST, LabelSet
from preprocess.next_step import next_lines
from tests.helpers.shown import fields, write
from train.data.rows import fold_rows
from train.data.tasks import fit_to_cache
from train.recipe.file import read_recipe

ROOT = Path(__file__).parents[2]
MASK = label_set("mask", (CONTEST.factor("mask"),))
GLASSES = label_set("glasses", (Categories(name="glasses", categories=("yes", "no")),))
NAN = float("nan")


def row(position: int, *, person: int, **changes: object) -> dict[str, object]:
    """A face of a person with these labels and no others."""
    plain = {name: value for name, value in fields(position).items() if name not in CONTEST.names}
    return {**plain, "person": f"p{person}", **changes}


def masks(people: int, **changes: object) -> list[dict[str, object]]:
    """Three photos of each person, one of each value of mask."""
    return [row(n, person=n // 3, mask=n % 3, **changes) for n in range(3 * people)]


def proposed(folder: Path, rows: list[dict[str, object]], labels: LabelSet) -> tuple[list[str], str]:
    """What is said before the command, and the command without the cache's folder."""
    cache = write(folder / "cache", rows, labels=labels)
    *before, last = next_lines(cache, ROOT)
    before = without_fetching(before)
    assert last.startswith("next: ")
    exists(last)
    if "train-all" in last:
        divides(cache, last)
    return before, last.removeprefix("next: ").replace(str(cache.folder), "C")


def without_fetching(lines: list[str]) -> list[str]:
    """Lines but the one on what the recipe fetches, which depends on what was fetched here."""
    return [line for line in lines if "145 MB" not in line]


def exists(line: str) -> None:
    """The target, its variables, and the files of the project that a command names are there."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z-]+)", line):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for variable in re.findall(r"\b([A-Z_]+)=", line):
        assert re.search(rf"\b{variable}\b", makefile), variable
    for file in re.findall(r"\b(?:recipes|ensembles|docs)/[\w.-]+", line):
        assert (ROOT / file).is_file(), file


def divides(cache: Cache, step: str) -> None:
    """What the command names to train with divides the cache, in every fold."""
    given = dict(re.findall(r"\b([A-Z_]+)=(\S+)", step))
    recipe = fit_to_cache(read_recipe(ROOT / given["RECIPE"]), cache, given["RECIPE"])
    scheme, folds = given.get("FOLD_SCHEME", "person"), int(given.get("FOLDS", 5))
    for fold in fold_numbers(scheme, folds):  # type: ignore[arg-type]
        rows = fold_rows(cache, recipe.tasks, fold=fold, folds=folds, seed=0, scheme=scheme)  # type: ignore[arg-type]
        assert len(rows.training) and (len(rows.validation) or scheme == "everything")


def train(root: Path, *runs: str) -> None:
    """Trained folds, the last the newest, beside the project's ensembles."""
    for age, run in enumerate(reversed(runs)):
        weights = root / run / "fold0" / "best.safetensors"
        weights.parent.mkdir(parents=True)
        weights.touch()
        os.utime(weights, (1000 - age, 1000 - age))
    (root / "ensembles").symlink_to(ROOT / "ensembles")


def test_the_contests_factors_are_trained_by_the_quick_recipe(coloured: Cache) -> None:
    *before, last = next_lines(coloured, ROOT)
    assert without_fetching(before) == ["labelled: mask 72, gender 72, age 72 of 72 crops"]
    assert last == f"next: make train-all RECIPE=recipes/quick.toml CACHE={coloured.folder}"
    exists(last)
    divides(coloured, last)


def test_what_is_fetched_is_said_until_it_is_there(coloured: Cache, tmp_path: Path) -> None:
    assert any("145 MB" in line for line in next_lines(coloured, tmp_path))
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/face.safetensors").touch()
    assert not any("145 MB" in line for line in next_lines(coloured, tmp_path))


def test_masks_alone_are_trained_by_a_head_for_each_labelled_factor(tmp_path: Path) -> None:
    before, step = proposed(tmp_path, masks(6), MASK)
    assert before == ["labelled: mask 18 of 18 crops"]
    assert step == "make train-all RECIPE=recipes/quick.toml CACHE=C RUNS=runs/cache"


def test_masks_among_the_contests_factors_have_runs_of_their_own(tmp_path: Path) -> None:
    before, step = proposed(tmp_path, masks(6, gender=-1, age=NAN), CONTEST)
    assert before == ["labelled: mask 18, gender 0, age 0 of 18 crops"]
    assert step == "make train-all RECIPE=recipes/quick.toml CACHE=C RUNS=runs/cache"


def test_each_factor_is_counted_and_one_of_a_single_value_is_named(tmp_path: Path) -> None:
    both = label_set("both", (*MASK.factors, *GLASSES.factors))
    rows = [fields_ | {"glasses": 0 if n % 2 else -1} for n, fields_ in enumerate(masks(6))]
    before, step = proposed(tmp_path, rows, both)
    assert before[0] == "labelled: mask 18, glasses 9 of 18 crops"
    assert before[1].startswith("glasses is yes in all of these: nothing can be trained on it")
    assert step.startswith("make train-all RECIPE=recipes/quick.toml")


def test_where_nothing_can_be_trained_no_command_is_named(tmp_path: Path) -> None:
    before, step = proposed(tmp_path, [row(n, person=n, glasses=1) for n in range(8)], GLASSES)
    assert before[-1].startswith("glasses is no in all")
    assert "make" not in step and "other values" in step


def test_data_that_came_divided_are_trained_as_they_came(tmp_path: Path) -> None:
    parts = ("train", "train", "val", "test", "train", "train")
    rows = [fields_ | {"split": parts[n // 3]} for n, fields_ in enumerate(masks(6))]
    before, step = proposed(tmp_path, rows, MASK)
    assert before[-1] == "parts: test 3, train 12, val 3"
    assert step == "make train-all RECIPE=recipes/quick.toml CACHE=C RUNS=runs/cache FOLD_SCHEME=split"


def test_folds_of_the_data_are_the_folds_of_training(tmp_path: Path) -> None:
    rows = [fields_ | {"split": f"fold{n // 6}"} for n, fields_ in enumerate(masks(6))]
    _, step = proposed(tmp_path, rows, MASK)
    assert step.endswith("RUNS=runs/cache FOLD_SCHEME=split_folds FOLDS=3")


def test_a_division_with_people_on_both_sides_is_not_followed(tmp_path: Path) -> None:
    rows = [fields_ | {"split": ("train", "val")[n % 2]} for n, fields_ in enumerate(masks(6))]
    before, step = proposed(tmp_path, rows, MASK)
    assert "scores would be too good" in before[-1]
    assert step.endswith("RUNS=runs/cache")


def test_parts_that_are_no_division_are_said_and_people_are_dealt(tmp_path: Path) -> None:
    before, step = proposed(tmp_path, masks(6, split="train"), MASK)
    assert before[-1] == "parts: train 18"
    assert step.endswith("RUNS=runs/cache")


def test_few_people_of_a_value_are_dealt_to_fewer_folds(make_cache: Callable[..., Cache]) -> None:
    # Of 12 people 4 are of each age band.
    cache = make_cache(people=12)
    last = next_lines(cache, ROOT)[-1]
    assert last.endswith(" FOLDS=4")
    exists(last)
    divides(cache, last)


def test_who_has_all_photos_of_a_value_trains_in_every_fold(tmp_path: Path) -> None:
    rows = [row(n, person=n // 2, glasses=int(n == 0)) for n in range(12)]
    before, step = proposed(tmp_path, rows, GLASSES)
    assert before[-2].startswith("all photos of glasses no validate together, and none is left to train on")
    assert before[-1].startswith("who is alone in a value trains in every fold")
    assert "FOLD_SCHEME" not in step


def test_a_rare_age_does_not_take_the_folds_of_masks(tmp_path: Path) -> None:
    rows = [
        fields_ | {"gender": n // 3 % 2, "age": 70.0 if n < 3 else 25.0} for n, fields_ in enumerate(masks(8))
    ]
    before, step = proposed(tmp_path, rows, CONTEST)
    assert "age >=60 has 1 people" in before[-2]
    assert "recipes/quick.toml" in step and "FOLD_SCHEME" not in step


def test_one_person_alone_leaves_nobody_out(tmp_path: Path) -> None:
    rows = [row(n, person=0, glasses=n % 2) for n in range(12)]
    before, step = proposed(tmp_path, rows, GLASSES)
    assert before[-1] == "so all photos train, and no score tells how well"
    assert step.endswith(" FOLD_SCHEME=everything")


def test_labels_of_one_person_that_disagree_are_said(tmp_path: Path) -> None:
    rows = [fields(n, gender=n % 2, age=25.0 + 20 * (n // 6)) for n in range(12)]
    before, _ = proposed(tmp_path, rows, CONTEST)
    assert any("has photos of two values of gender" in line for line in before)


def test_photos_without_labels_wait_for_a_model_where_there_is_none(unseen: Cache, tmp_path: Path) -> None:
    alone = Cache.open(Path(shutil.copytree(unseen.folder, tmp_path / "alone" / "eval")))
    lines = next_lines(alone, tmp_path)
    assert lines[0] == "no photo is labelled, so these are photos to predict"
    assert "no trained run" in lines[1] and "must be trained on first" in lines[1]
    assert lines[2].startswith("next: make preprocess DATA=")
    exists(lines[2])


@pytest.mark.parametrize(
    ("runs", "ensemble", "where"),
    [
        (["runs/small"], "small", ""),
        (["demo/runs/small"], "small", " RUNS=demo/runs"),
        (["runs/small", "runs/glasses/factors"], "factors", " RUNS=runs/glasses"),
        (["runs/glasses/factors", "runs/small"], "small", ""),
        (["runs/small", "runs/winner_b4"], "small", ""),
    ],
)
def test_photos_without_labels_are_predicted_by_the_newest_run_of_an_ensemble(
    unseen: Cache, tmp_path: Path, runs: list[str], ensemble: str, where: str
) -> None:
    train(tmp_path, *runs)
    _, run, last = next_lines(unseen, tmp_path)
    assert last == f"next: make infer ENSEMBLE=ensembles/{ensemble}.toml CACHE={unseen.folder}{where}"
    assert run == f"trained run: {next(name for name in runs if name.endswith(ensemble))}"
    exists(last)


def test_what_is_learned_from_the_demo_stays_in_the_demo(
    coloured: Cache, unseen: Cache, tmp_path: Path
) -> None:
    """Runs lie beside the caches that they are of, and are looked for there first, wherever that is."""
    demo = tmp_path / "my demo"
    for name, cache in (("train", coloured), ("eval", unseen)):
        shutil.copytree(cache.folder, demo / "caches" / name)
    *_, last = next_lines(Cache.open(demo / "caches/train"), ROOT)
    exists(last)
    assert shlex.split(last)[-1] == f"RUNS={demo / 'runs'}"
    *_, last = next_lines(Cache.open(demo / "caches/eval"), tmp_path)  # the labelled cache beside it is known
    exists(last)
    assert shlex.split(last)[2:] == [
        "train-all", "RECIPE=recipes/quick.toml", f"CACHE={demo / 'caches/train'}", f"RUNS={demo / 'runs'}"
    ]  # fmt: skip
    train(tmp_path, "my demo/runs/small", "runs/quick")
    *_, last = next_lines(Cache.open(demo / "caches/eval"), tmp_path)
    assert shlex.split(last)[3:] == [
        "ENSEMBLE=ensembles/small.toml", f"CACHE={demo / 'caches/eval'}", "RUNS=my demo/runs"
    ]  # fmt: skip


def test_runs_that_no_ensemble_is_called_after_are_named(unseen: Cache, tmp_path: Path) -> None:
    train(tmp_path, "runs/winner_b4")
    lines = next_lines(unseen, tmp_path)
    assert "runs/winner_b4" in lines[1] and "make ensembles" in lines[-1] and "make infer" in lines[-1]
    exists(lines[-1])
