"""Answers to every labelled photo of a cache, each by the networks that never saw its person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.command import typed
from faces.folds import fold_numbers
from faces.labels import IntArray
from infer.predict.checks import (
    check_division,
    check_labels,
    check_scheme,
    check_stored,
    check_trained_on,
)
from infer.predict.heads import Heads, Panels
from infer.predict.runs import Run, check_crops, find_runs
from infer.predict.views import ViewsRule
from train.data.rows import fold_rows
from train.engine.card import OOF_FILE
from train.results.oof import probabilities_of, read_oof

if TYPE_CHECKING:
    from train.engine.compute import PredictCompute

ORIGINAL = ("original",)
"""The views with which training has already answered the photos that a fold left out."""


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Photos and, for each recipe, the run that may answer each of them."""

    cache: Cache
    photos: pd.DataFrame
    """One row a photo that every recipe may answer, fold after fold: key, image_id, person, a label of each
    factor of the cache, row (of the cache) and fold."""
    runs: Mapping[str, Sequence[Run]]
    """By recipe: the run of each fold, in the folds' order."""
    validated: Mapping[str, IntArray]
    """By the name of a run: the rows of the cache that its fold validates, in their order."""

    @property
    def every_run(self) -> list[Run]:
        """The runs of all recipes."""
        return [run for folds in self.runs.values() for run in folds]

    @property
    def fold_count(self) -> int:
        """How many folds validate."""
        return int(self.photos["fold"].nunique())

    @property
    def photo_count(self) -> int:
        """Photos times recipes: the sum that `answered` advances to."""
        return len(self.photos) * len(self.runs)

    def truth(self, space: str) -> IntArray:
        """[photos] int64 true classes in a task, `UNKNOWN` where they are not known or not the task's."""
        return self.cache.label_set.task(space).encode(self.photos)

    def answered(
        self,
        views: Sequence[str],
        compute: PredictCompute,
        advance: Callable[[int], object] = lambda _: None,
        say: Callable[[str], object] = lambda _: None,
        rule: ViewsRule = "soft",
    ) -> Panels:
        """Panels of one voter a recipe over all photos, in the order of `photos`.

        Args:
            views: names of `infer.predict.views.VIEWS` over which answers are averaged. The original
                alone is `stored`, and no network runs.
            compute: where networks run, and with how many threads of the loader and photos a batch.
            advance: called with the number of photos that one more run has answered.
            say: called with a line on kept answers that are damaged, and predicted anew, and once where none
                can be kept.

        Raises:
            ValueError: as `stored` and `predict_runs`.
        """
        if tuple(views) == ORIGINAL:
            stored = self.stored()
            advance(self.photo_count)
            return stored
        from infer.predict.store import load_or_predict

        facts = self.facts()
        for run in self.every_run:
            if run.path.with_name(OOF_FILE).is_file():
                read_stored(
                    run, self.validated[run.name], facts
                )  # which must be of the photos that the fold leaves out now
        answers: dict[str, list[Heads]] = {recipe: [] for recipe in self.runs}
        said: set[str] = set()

        def say_once(line: str) -> None:
            if line not in said:
                said.add(line)
                say(line)

        for place in range(self.fold_count):
            runs = [folds[place] for folds in self.runs.values()]
            rows = self._photos_of(runs[0])["row"].to_numpy()
            answered = load_or_predict(runs, self.cache, rows, views, compute, advance, say_once, rule)
            for recipe, heads in zip(self.runs, answered, strict=True):
                answers[recipe].append(heads)
        return {recipe: [_joined(folds)] for recipe, folds in answers.items()}

    def stored(self) -> Panels:
        """Panels of the original view, which training stored in each run's oof.parquet.

        Raises:
            ValueError: a table is missing, is of other photos, or holds what are no probabilities.
        """
        facts = self.facts()
        return {
            recipe: [_joined([self._stored(run, facts) for run in runs])]
            for recipe, runs in self.runs.items()
        }

    def facts(self) -> pd.DataFrame:
        """What stored answers must agree with: image, person and labels of every row of the cache."""
        return self.cache.columns("image_id", "person", *self.cache.label_set.names)

    def _photos_of(self, run: Run) -> pd.DataFrame:
        return self.photos[self.photos["fold"] == run.card.fold]

    def _stored(self, run: Run, facts: pd.DataFrame) -> Heads:
        """A run's stored answers to the photos of its fold."""
        rows = self.validated[run.name]
        asked = np.isin(rows, self._photos_of(run)["row"])
        return {task: values[asked] for task, values in read_stored(run, rows, facts).items()}


def read_stored(run: Run, rows: IntArray, facts: pd.DataFrame) -> Heads:
    """What training stored of a run's answers to the photos that it left out.

    Args:
        run: trained.
        rows: [n] of the cache, which it validates, in their order.
        facts: image_id, person and labels of every row of the cache, with which the table must agree.

    Raises:
        ValueError: the table is missing, is of other photos, or holds what are no probabilities.
    """
    path = run.path.with_name(OOF_FILE)
    table = read_oof(path.parent)
    check_stored(run, table, facts.iloc[rows], path)
    try:
        return {task: probabilities_of(table, run.card.labels.task(task)) for task in run.card.classes}
    except ValueError as error:
        raise ValueError(f"{path}: {error}; train the fold again") from error


def plan_out_of_fold(recipes: Sequence[str], runs: Path, cache: Cache) -> OutOfFold:
    """Find each recipe's run of each fold, and the photos that all of them may answer.

    Recipes for different factors validate different photos where not all photos have all labels.

    Args:
        recipes: names of folders in `runs`, each once.
        runs: folder of all runs.
        cache: on which all of them were trained.

    Raises:
        ValueError: a recipe not trained or a fold missing; runs of other folds than the rest, of a scheme
            that leaves nobody out, on another cache, on rows of their own, with other crops, labels or
            classes; or a fold in which two recipes validate no photo in common.
    """
    found = find_runs(recipes, runs)
    check_runs([run for folds in found.values() for run in folds], cache)
    return plan_of_runs({name: _in_order(name, folds, runs, cache) for name, folds in found.items()}, cache)


def check_runs(runs: Sequence[Run], cache: Cache) -> None:
    """Refuse runs that a cache cannot score together, out of fold.

    Raises:
        ValueError: as `plan_out_of_fold`, but for what is missing.
    """
    for run in runs:
        check_scheme(run)
        check_trained_on(run, cache)
        check_labels(run, cache)
    check_division(runs)
    check_crops(runs, cache.description["settings"], cache.folder)


def plan_of_runs(runs: Mapping[str, Sequence[Run]], cache: Cache) -> OutOfFold:
    """The photos that runs may answer, be they all folds of their recipes or some.

    Args:
        runs: checked by `check_runs`, by recipe; of each recipe the same folds in the same order.
        cache: on which all of them were trained.

    Raises:
        ValueError: a fold in which two recipes validate no photo in common.
    """
    validated = _validated([run for folds in runs.values() for run in folds], cache)
    photos = [_common(folds, validated, cache) for folds in zip(*runs.values(), strict=True)]
    return OutOfFold(cache=cache, photos=pd.concat(photos, ignore_index=True), runs=runs, validated=validated)


def _joined(folds: Sequence[Heads]) -> Heads:
    """Rows of fold after fold."""
    return {task: np.concatenate([heads[task] for heads in folds]) for task in folds[0]}


def _in_order(recipe: str, runs: Sequence[Run], folder: Path, cache: Cache) -> list[Run]:
    """One run for each fold of the scheme, in their order."""
    card = runs[0].card
    by_fold = {run.card.fold: run for run in runs}
    if len(by_fold) < len(runs):
        names = ", ".join(run.name for run in runs)
        raise ValueError(f"{folder / recipe}: two runs of one fold among {names}; delete one")
    missing = [k for k in fold_numbers(card.scheme, card.folds) if k not in by_fold]
    if missing:
        scheme = "" if card.scheme == "person" else f" FOLD_SCHEME={card.scheme}"
        raise ValueError(
            f"{folder / recipe}: fold {', '.join(map(str, missing))} of {card.folds} is not trained, so its "
            f"people would have no answer; `make train FOLD={typed(missing)} "
            f"RECIPE={typed(f'recipes/{Path(recipe).name}.toml')} CACHE={typed(cache.folder)} "
            f"FOLDS={card.folds}{scheme} RUNS={typed(folder)}`"
        )
    return [by_fold[k] for k in sorted(by_fold)]


def _validated(runs: Sequence[Run], cache: Cache) -> dict[str, IntArray]:
    """By name of a run, the rows that its fold validates."""
    found: dict[tuple[tuple[str, ...], int], IntArray] = {}  # which depend on nothing else
    for run in runs:
        card = run.card
        if (card.recipe.tasks, card.fold) not in found:
            found[card.recipe.tasks, card.fold] = rows_left_out(run, cache)
    return {run.name: found[run.card.recipe.tasks, run.card.fold] for run in runs}


def rows_left_out(run: Run, cache: Cache) -> IntArray:
    """[n] rows of the cache on which a run was trained that its fold, or folds, validate, in their order."""
    card = run.card
    return fold_rows(
        cache,
        card.recipe.tasks,
        fold=card.fold,
        folds=card.folds,
        seed=card.fold_seed,
        scheme=card.scheme,
        rows=card.recipe.rows,
        senior_from=card.recipe.age.senior_from,
        also_out=card.also_out,
    ).validation


def _common(runs: Sequence[Run], validated: Mapping[str, IntArray], cache: Cache) -> pd.DataFrame:
    """The photos that one fold's runs all validate."""
    rows, first = validated[runs[0].name], runs[0]
    for run in runs[1:]:
        rows = rows[np.isin(rows, validated[run.name])]
        if not len(rows):
            raise ValueError(
                f"runs {first.name} and {run.name} validate no photo in common, so nothing scores them "
                f"together: {cache.folder} has no photos labelled for both; score them one by one"
            )
    known = cache.columns("key", "image_id", "person", *cache.label_set.names).iloc[rows]
    return known.assign(row=rows, fold=first.card.fold).reset_index(drop=True)
