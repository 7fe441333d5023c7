"""What trained recipes achieved out of fold, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faces.folds import fold_numbers
from faces.intervals import drawn_f1, f1_of_counts, interval, mean_f1, person_counts, pooled_f1
from faces.labels import TASKS, UNKNOWN, FloatArray
from faces.scores import class_scores
from train.results.runs import Fold

_SENIOR_CLASSES = slice(2, None, 3)
"""Those of the 18 classes whose people are 60 or older."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One line of a comparison: a recipe, or several seeds of it."""

    name: str
    seeds: tuple[tuple[Fold, ...], ...]
    """The folds of each seed."""
    tasks: tuple[str, ...]
    """What is judged: `class18` where the heads together say the 18 classes, otherwise each head alone."""
    score: float
    """Macro F1 of all folds' photos together; mean over tasks and seeds."""
    low: float
    high: float
    """95 % interval of `score` over people."""
    fold_scores: tuple[float, ...]
    """Macro F1 of each fold of each seed."""
    details: Mapping[str, float]
    """accuracy, mask, gender, age (accuracies) and senior (mean F1 of the six classes of 60 and older), or
    the macro F1 of each task."""

    @property
    def folds(self) -> tuple[Fold, ...]:
        """All folds of all seeds."""
        return tuple(fold for seed in self.seeds for fold in seed)

    @property
    def answers(self) -> list[pd.DataFrame]:
        """All folds' answers together, a table for each seed."""
        return [pd.concat([fold.answers for fold in seed]) for seed in self.seeds]

    @property
    def photos(self) -> int:
        """Photos that are judged, in the seed that has most."""
        columns = [f"{task} true" for task in self.tasks]
        return max(int((table[columns] != UNKNOWN).any(axis=1).sum()) for table in self.answers)


def tasks_of(table: pd.DataFrame) -> tuple[str, ...]:
    """Judged tasks of a table of answers."""
    return tuple(column.removesuffix(" true") for column in table.columns if column.endswith(" true"))


def count_people(tables: Sequence[pd.DataFrame], people: pd.Index) -> list[FloatArray]:
    """Counts for `faces.intervals` of each judged task in each table of answers, over the same people."""
    parts = []
    for table in tables:
        person = people.get_indexer(table.index.get_level_values("person"))
        for task in tasks_of(table):
            true, guess = (table[f"{task} {kind}"].to_numpy(np.int64) for kind in ("true", "guess"))
            mine = true != UNKNOWN
            size = len(TASKS[task].classes)
            parts.append(person_counts(person[mine], true[mine], guess[mine], len(people), size))
    return parts


def people_of(tables: Sequence[pd.DataFrame]) -> pd.Index:
    """The people of some tables of answers, in the order of their names."""
    names = np.unique(np.concatenate([table.index.get_level_values("person") for table in tables]))
    people: pd.Index = pd.Index(names)
    return people


def stand(name: str, seeds: Sequence[tuple[Fold, ...]], *, draws: int, seed: int) -> Standing:
    """Score the folds of a recipe, or of several seeds of it.

    Args:
        name: what the line is called.
        seeds: the folds of each seed; all with the same heads.
        draws: of people, for the interval.
        seed: of the draws.
    """
    tables = [pd.concat([fold.answers for fold in folds]) for folds in seeds]
    parts = count_people(tables, people_of(tables))
    low, high = interval(drawn_f1(parts, draws=draws, seed=seed))
    each = [[fold.answers] for folds in seeds for fold in folds if len(fold.answers)]
    return Standing(
        name=name,
        seeds=tuple(seeds),
        tasks=tasks_of(tables[0]),
        score=pooled_f1(parts),
        low=low,
        high=high,
        fold_scores=tuple(pooled_f1(count_people(table, people_of(table))) for table in each),
        details=_details(tables, parts),
    )


def _details(tables: Sequence[pd.DataFrame], parts: Sequence[FloatArray]) -> dict[str, float]:
    tasks = tasks_of(tables[0])
    if tasks != ("class18",):
        f1 = np.reshape([mean_f1(part.sum(0)) for part in parts], (len(tables), len(tasks))).mean(0)
        return dict(zip(tasks, map(float, f1), strict=True))
    known = [table[table["class18 true"] != UNKNOWN] for table in tables]
    rows = [class_scores(table["class18 true"], table["class18 guess"]) for table in known]
    means = {key: float(np.mean([row[key] for row in rows])) for key in ("accuracy", "mask", "gender", "age")}
    senior = [np.nanmean(f1_of_counts(part.sum(0))[_SENIOR_CLASSES]) for part in parts]
    return {**means, "senior": float(np.mean(senior))}


def _in_training(fold: Fold) -> bool:
    """Whether epochs are to come, as far as can be seen: a recipe that may stop early may have stopped."""
    recipe = fold.request["recipe"]
    return len(fold.history) < recipe["epochs"] and not recipe.get("stop_after")


def remarks(standing: Standing, reference: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """What must be known to read a line.

    Args:
        standing: the line.
        reference: how people are divided in the lines it is compared with.

    Returns:
        Whether its folds are comparable with those, and sentences without their end.
    """
    told = []
    divisions = [fold.division for fold in standing.folds]
    differing = {k: v for d in divisions for k, v in d.items() if v != reference[k]}
    if differing:
        there = ", ".join(f"{key} {value} and not {reference[key]}" for key, value in differing.items())
        told.append(f"not comparable, its people are divided otherwise: {there}")
    if any(division["scheme"] == "image" for division in divisions):
        told.append("photos of one person stand on both sides of its folds: its scores are too good")
    for folds in standing.seeds:
        numbers = [int(fold.request["fold"]) for fold in folds]
        asked = fold_numbers(folds[0].division["scheme"], folds[0].division["folds"])
        if set(numbers) != set(asked):
            listed = ", ".join(map(str, numbers))
            told.append(f"of {len(asked)} folds only {listed} {'is' if len(numbers) == 1 else 'are'} there")
        short = [fold for fold in folds if _in_training(fold)]
        if short:
            listed = ", ".join(f"{fold.request['fold']} after epoch {len(fold.history)}" for fold in short)
            told.append(f"still in training: fold {listed} of {short[0].request['recipe']['epochs']}")
    return not differing, told
