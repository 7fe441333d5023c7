"""Answers to every labelled photo of a cache, each by the networks that never saw its person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faces.cache import Cache
from faces.folds import FoldScheme, fold_numbers
from infer.predict.checks import (
    check_classes,
    check_division,
    check_probabilities,
    check_scheme,
    check_trained_on,
)
from infer.predict.heads import Heads, Panels
from infer.predict.runs import Run, check_crops, find_runs
from train.data.rows import fold_rows
from train.results.oof import OOF_FILE, probabilities_of, read_oof

if TYPE_CHECKING:
    from train.engine.compute import PredictCompute

ORIGINAL = ("original",)
"""The views with which training has already answered the photos that a fold left out."""


@dataclass(frozen=True, kw_only=True)
class OutOfFold:
    """Photos and, for each recipe, the run that may answer each of them."""

    cache: Cache
    photos: pd.DataFrame
    """One row a photo, fold after fold: row (of the cache), key, image_id, person, fold, mask, gender, age
    and class18."""
    runs: Mapping[str, Sequence[Run]]
    """By recipe: the run of each fold, in the folds' order."""

    @property
    def fold_count(self) -> int:
        """How many folds validate."""
        return int(self.photos["fold"].nunique())

    @property
    def photo_count(self) -> int:
        """Photos times recipes: the sum that `answered` advances to."""
        return len(self.photos) * len(self.runs)

    def answered(
        self,
        views: Sequence[str],
        compute: PredictCompute,
        advance: Callable[[int], object] = lambda _: None,
    ) -> Panels:
        """Panels of one voter a recipe over all photos, in the order of `photos`.

        Args:
            views: names of `infer.predict.views.VIEWS` over which probabilities are averaged. The original
                alone is `stored`, and no network runs.
            compute: where networks run, and with how many threads of the loader and photos a batch.
            advance: called with the number of photos that one more run has answered.

        Raises:
            ValueError: as `stored`, or networks answer with what are no probabilities.
        """
        if tuple(views) == ORIGINAL:
            stored = self.stored()
            advance(self.photo_count)
            return stored
        from infer.predict.store import load_or_predict

        answers: dict[str, list[Heads]] = {recipe: [] for recipe in self.runs}
        for place in range(self.fold_count):
            runs = [folds[place] for folds in self.runs.values()]
            rows = self._photos_of(runs[0])["row"].to_numpy()
            answered = load_or_predict(runs, self.cache, rows, views, compute, advance)
            for recipe, run, heads in zip(self.runs, runs, answered, strict=True):
                for task, values in heads.items():
                    check_probabilities(values, len(rows), f"run {run.name}, head {task}")
                answers[recipe].append(heads)
        return {recipe: [_joined(folds)] for recipe, folds in answers.items()}

    def stored(self) -> Panels:
        """Panels of the original view, which training stored in each run's oof.parquet.

        Raises:
            ValueError: a table is missing, is of other photos, or holds what are no probabilities.
        """
        return {recipe: [_joined([self._read(run) for run in runs])] for recipe, runs in self.runs.items()}

    def _photos_of(self, run: Run) -> pd.DataFrame:
        return self.photos[self.photos["fold"] == run.card.fold]

    def _read(self, run: Run) -> Heads:
        path = run.path.with_name(OOF_FILE)
        table, photos = read_oof(path.parent), self._photos_of(run)
        if [*table["image_id"]] != [*photos["image_id"]]:
            raise ValueError(
                f"{path}: its {len(table)} rows are not the {len(photos)} photos of fold {run.card.fold}; "
                "train the fold again"
            )
        heads = {}
        for task in run.card.classes:
            try:
                heads[task] = probabilities_of(table, task)
            except ValueError as error:
                raise ValueError(f"{path}: {error}; train the fold again") from error
            check_probabilities(heads[task], len(photos), f"{path}, head {task}")
        return heads


def plan_out_of_fold(recipes: Sequence[str], runs: Path, cache: Cache) -> OutOfFold:
    """Find each recipe's run of each fold, and the photos that it may answer.

    Args:
        recipes: names of folders in `runs`, each once.
        runs: folder of all runs.
        cache: on which all of them were trained.

    Raises:
        ValueError: a recipe not trained or a fold missing; runs of other folds than the rest, of a scheme
            that leaves nobody out, on another cache, on rows of their own, with other crops or classes.
    """
    found = find_runs(recipes, runs)
    every = [run for folds in found.values() for run in folds]
    for run in every:
        check_scheme(run)
        check_trained_on(run, cache)
        check_classes(run)
    check_division(every)
    check_crops(every, cache.description["settings"], cache.folder)
    ordered = {recipe: _in_order(recipe, folds, runs, cache) for recipe, folds in found.items()}
    parts = [_photos(run, cache) for run in next(iter(ordered.values()))]
    return OutOfFold(cache=cache, photos=pd.concat(parts, ignore_index=True), runs=ordered)


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
    missing = [k for k in fold_numbers(_scheme(card.scheme), card.folds) if k not in by_fold]
    if missing:
        scheme = "" if card.scheme == "person" else f" FOLD_SCHEME={card.scheme}"
        raise ValueError(
            f"{folder / recipe}: fold {', '.join(map(str, missing))} of {card.folds} is not trained, so its "
            f'people would have no answer; `make train FOLD="{" ".join(map(str, missing))}" '
            f"RECIPE=recipes/{Path(recipe).name}.toml CACHE={cache.folder} FOLDS={card.folds}{scheme} "
            f"RUNS={folder}`"
        )
    return [by_fold[k] for k in sorted(by_fold)]


def _photos(run: Run, cache: Cache) -> pd.DataFrame:
    card = run.card
    rows = fold_rows(
        cache,
        card.recipe.tasks,
        fold=card.fold,
        folds=card.folds,
        seed=card.fold_seed,
        scheme=_scheme(card.scheme),
        rows=card.recipe.rows,
        senior_from=card.recipe.age.senior_from,
    ).validation
    known = cache.columns("key", "image_id", "person", "mask", "gender", "age").iloc[rows]
    truth = cache.labels("class18")[rows]
    return known.assign(row=rows, fold=card.fold, class18=truth).reset_index(drop=True)


def _scheme(name: str) -> FoldScheme:
    scheme: FoldScheme = name  # type: ignore[assignment]
    return scheme
