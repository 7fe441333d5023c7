"""Trained folds: where they lie, and which photos they can answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faces.cache.crops import crop_cure, crop_differences
from faces.command import nearest, typed
from faces.factors import Factor
from faces.labelling.kept import describe
from faces.labels import LabelSet
from train.engine.card import BEST_FILE, NESTED, RunCard, read_card
from train.recipe.request import REQUEST_FILE
from train.results.metrics import half_done
from train.results.together import check_alike, check_folder

CROP_FREE = ("codec", "quality", "seed", "shard_size", "max_megapixels")
"""Cache settings that do not change how a face is cut out and shown."""


@dataclass(frozen=True)
class Run:
    """A trained fold."""

    name: str
    """`<recipe>/fold<k>`."""
    path: Path
    """Its best.safetensors."""
    card: RunCard
    half_done: str = ""
    """How far its training got, such as `1 of 3 epochs`; "" at its end, or where nobody can tell."""

    @property
    def told(self) -> tuple[str, ...]:
        """Names of the factors that its heads tell, in whatever classes."""
        tasks = [self.card.labels.task(task) for task in self.card.recipe.tasks]
        return tuple(dict.fromkeys(factor for task in tasks for factor in task.factors))


def read_run(name: str, path: Path) -> Run:
    """A trained fold by its best.safetensors, which lies alone or among the files of its own training.

    Raises:
        ValueError: a run that cannot be used, or files of several trainings; both are named.
    """
    card = read_card(path)
    check_folder(path, card)
    return Run(name, path, card, half_done(path.parent, card))


def find_runs(recipes: Sequence[str], runs: Path) -> dict[str, list[Run]]:
    """All trained folds of some recipes, in the order of their folds.

    Raises:
        ValueError: a recipe without a trained fold or with one that has only been begun, or a run that cannot
            be used.
    """
    return {recipe: _folds_of(recipe, runs) for recipe in recipes}


def _folds_of(recipe: str, runs: Path) -> list[Run]:
    place = runs / recipe
    paths = [*place.glob(f"fold*/{BEST_FILE}")]
    begun = {path.parent for path in place.glob(f"fold*/{REQUEST_FILE}")}
    if lost := sorted(begun - {path.parent for path in paths}):
        raise ValueError(
            f"{lost[0]}: was begun and has no {BEST_FILE}, so its fold would not vote; train it to its end, "
            "or move the folder elsewhere"
        )
    found = [read_run(f"{recipe}/{path.parent.name}", path) for path in paths]
    if not found:
        trained = sorted({path.parent.parent.name for path in runs.glob(f"*/fold*/{BEST_FILE}")})
        near = nearest(recipe, trained) if trained else f"nor is there any in {runs}"
        empty = ", which is there" if place.is_dir() else ""
        raise ValueError(
            f"member {recipe!r}: no trained fold in {place}{empty} ({near}); "
            f"train it with `make train-all RECIPE={typed(f'recipes/{recipe}.toml')} CACHE=... "
            f"RUNS={typed(runs)}`"
        )
    found.sort(key=lambda run: run.card.fold)
    if nested := [run for run in found if run.card.also_out]:
        raise ValueError(
            f"{nested[0].path.parent}: a nested training, without the people of several folds, has no vote "
            f"beside whole folds; move its folder into {place / NESTED}"
        )
    check_alike({run.path: run.card for run in found})
    return found


def labels_of_runs(runs: Sequence[Run]) -> LabelSet:
    """The factors of runs that vote together: the set of the first that has all that their heads tell.

    What else the runs' photos are labelled with may differ, and so may the words of tables.

    Raises:
        ValueError: heads tell a factor of other values, or no run has all that they tell; two runs, the
            factor and both sides are named.
    """
    told: dict[str, tuple[Run, Factor]] = {}
    for run in runs:
        for name in run.told:
            factor = run.card.labels.factor(name)
            first, known = told.setdefault(name, (run, factor))
            if _values(factor) != _values(known):
                raise ValueError(
                    f"runs {first.name} and {run.name} cannot vote together: {name} is {describe(known)} in "
                    f"the first, {describe(factor)} in the second; train both on caches of the same labels"
                )
    lacking = [next((name for name in told if not _has(run, told[name][1])), "") for run in runs]
    if "" in lacking:
        return runs[lacking.index("")].card.labels
    first, (other, factor) = runs[0], told[lacking[0]]
    mine = [describe(own) for own in first.card.labels.factors if own.name == factor.name]
    raise ValueError(
        f"runs {first.name} and {other.name} cannot vote together: {factor.name} is "
        f"{mine[0] if mine else 'not labelled'} in the first, {describe(factor)} in the second; train both "
        f"on caches labelled with {', '.join(told)}"
    )


def _has(run: Run, factor: Factor) -> bool:
    return any(own.name == factor.name and _values(own) == _values(factor) for own in run.card.labels.factors)


def _values(factor: Factor) -> tuple[object, ...]:
    """What must be alike of factors for answers on them to be."""
    return type(factor), factor.classes, getattr(factor, "edges", ())


def check_crops(runs: Sequence[Run], crop: Mapping[str, Any], cache: Path) -> None:
    """Refuse photos that were cropped differently from those a run was trained on.

    Raises:
        ValueError: naming the run, and each setting with both values.
    """
    for run in runs:
        differing = crop_differences(run.card.crop, crop, CROP_FREE, ("in training", "here"))
        if differing:
            raise ValueError(
                f"{cache}: its photos are cropped differently from those run {run.name} was trained on "
                f"({'; '.join(differing)}); preprocess them into another folder with "
                f"{crop_cure(run.card.crop, crop, CROP_FREE)}"
            )
