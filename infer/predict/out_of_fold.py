"""What recipes say of every labelled photo of their cache, each by the model that never saw its person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faces.cache import Cache
from faces.folds import FoldScheme, fold_numbers
from faces.labels import FloatArray
from infer.predict.checks import (
    check_classes,
    check_division,
    check_probabilities,
    check_scheme,
    check_trained_on,
)
from infer.predict.heads import Panels
from infer.predict.runs import Run, check_crops, find_runs
from train.data.rows import fold_rows
from train.results.oof import OOF_FILE, probabilities_of, read_oof

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
        """Photos times recipes: what `answered` advances to."""
        return len(self.photos) * len(self.runs)

    def answered(
        self,
        views: Sequence[str],
        *,
        device: str,
        threads: int,
        batch_size: int,
        advance: Callable[[int], object] = lambda _: None,
    ) -> Panels:
        """Panels of one voter a recipe over all photos, in the order of `photos`.

        Args:
            views: names of `infer.predict.views.VIEWS` over which probabilities are averaged. What training
                has answered, the original alone, is read from oof.parquet, and no network is asked.
            device: `cpu` or `cuda`.
            threads: of the loader.
            batch_size: photos a batch.
            advance: called with the number of photos that one more run has answered.
        """
        if tuple(views) == ORIGINAL:
            read = {name: [_joined([self._read(run) for run in runs])] for name, runs in self.runs.items()}
            advance(self.photo_count)
            return read
        from infer.predict.kept import member_heads

        answers: dict[str, list[Mapping[str, FloatArray]]] = {recipe: [] for recipe in self.runs}
        for place in range(self.fold_count):
            runs = [folds[place] for folds in self.runs.values()]
            mine = self.photos[self.photos["fold"] == runs[0].card.fold]
            heads = member_heads(
                runs,
                self.cache,
                mine["row"].to_numpy(),
                views,
                device=device,
                threads=threads,
                batch_size=batch_size,
                advance=advance,
            )
            for recipe, run, said in zip(self.runs, runs, heads, strict=True):
                for task, values in said.items():
                    check_probabilities(values, len(mine), f"run {run.name}, head {task}")
                answers[recipe].append(said)
        return {recipe: [_joined(said)] for recipe, said in answers.items()}

    def _read(self, run: Run) -> dict[str, FloatArray]:
        path = run.path.with_name(OOF_FILE)
        table = read_oof(path.parent)
        mine = self.photos[self.photos["fold"] == run.card.fold]
        if [*table["image_id"]] != [*mine["image_id"]]:
            raise ValueError(
                f"{path}: its {len(table)} rows are not the {len(mine)} photos of fold {run.card.fold}; "
                "train the fold again"
            )
        heads = {}
        for task in run.card.classes:
            try:
                heads[task] = probabilities_of(table, task)
            except ValueError as error:
                raise ValueError(f"{path}: {error}; train the fold again") from error
            check_probabilities(heads[task], len(mine), f"{path}, head {task}")
        return heads


def out_of_fold_panels(
    recipes: Sequence[str],
    runs: Path,
    cache: Cache,
    views: Sequence[str],
    *,
    device: str = "cpu",
    threads: int = 1,
    batch_size: int = 64,
    advance: Callable[[int], object] = lambda _: None,
) -> tuple[Panels, pd.DataFrame]:
    """Every labelled photo of a cache, answered by the run of its fold.

    Args:
        recipes: names of folders in `runs`, each once.
        runs: folder of all runs.
        cache: on which all of them were trained.
        views: as in `OutOfFold.answered`, like all that follow.
        device: `cpu` or `cuda`.
        threads: of the loader.
        batch_size: photos a batch.
        advance: called with the number of photos that one more run has answered.

    Returns:
        By recipe one voter, whose heads' rows are those of the table: `OutOfFold.photos`.

    Raises:
        ValueError: as `plan_out_of_fold`, or probabilities that are none.
    """
    plan = plan_out_of_fold(recipes, runs, cache)
    options: dict[str, Any] = {"device": device, "threads": threads, "batch_size": batch_size}
    return plan.answered(views, **options, advance=advance), plan.photos


def plan_out_of_fold(recipes: Sequence[str], runs: Path, cache: Cache) -> OutOfFold:
    """Find each recipe's run of each fold, and the photos that it may answer.

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


def _joined(folds: Sequence[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
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
