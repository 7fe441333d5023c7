"""What trained recipes achieved out of fold, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faces.folds import fold_numbers
from faces.intervals import Estimate, estimate, f1_of_counts, mean_f1, person_counts, pooled_f1
from faces.labels import TASKS, UNKNOWN, FloatArray, LabelSet
from faces.scores import class_scores
from train.recipe.ending import is_finished
from train.results.metrics import rows_of
from train.results.trained_folds import TrainedFold, answered_tasks

_SENIOR_CLASSES = slice(2, None, 3)
"""Those of the contest's 18 classes whose people are 60 or older."""


@dataclass(frozen=True, kw_only=True)
class RecipeScores:
    """Scores of a recipe, or of several seeds of it together."""

    name: str
    seeds: tuple[tuple[TrainedFold, ...], ...]
    """The folds of each seed."""
    labels: LabelSet
    """The factors of the photos it was trained on."""
    tasks: tuple[str, ...]
    """What is judged: the labels' headline where the heads together say it, otherwise each head that photos
    are labelled for, alone."""
    macro_f1: Estimate
    """Macro F1 of all folds' photos together, mean over tasks and seeds; its interval is over people."""
    fold_scores: tuple[float, ...]
    """Macro F1 of each fold of each seed."""
    details: Mapping[str, float]
    """Of a headline accuracy, that of each of its factors, and in the contest's 18 classes senior (mean F1 of
    the six of 60 and older); otherwise the macro F1 of each task."""

    @property
    def headline(self) -> bool:
        """Whether the labels' headline is judged."""
        return self.tasks == (self.labels.headline,)

    @property
    def judged(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Factors and classes of each judged task by its name: recipes of equal ones can be compared."""
        tasks = map(self.labels.task, self.tasks)
        return {task.name: (task.factors, task.classes) for task in tasks}

    @property
    def folds(self) -> tuple[TrainedFold, ...]:
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


def tasks_of(tables: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """The tasks of some tables of answers that a photo is labelled for."""
    return tuple(
        task
        for task in answered_tasks(tables[0])
        if any((table[f"{task} true"] != UNKNOWN).any() for table in tables)
    )


def count_people(
    tables: Sequence[pd.DataFrame], people: pd.Index, tasks: Sequence[str], labels: LabelSet
) -> list[FloatArray]:
    """Counts for `faces.intervals` of each of some tasks in each table of answers, over the same people."""
    parts = []
    for table in tables:
        person = people.get_indexer(table.index.get_level_values("person"))
        for task in tasks:
            true, guess = (table[f"{task} {kind}"].to_numpy(np.int64) for kind in ("true", "guess"))
            mine = true != UNKNOWN
            size = len(labels.task(task).classes)
            parts.append(person_counts(person[mine], true[mine], guess[mine], len(people), size))
    return parts


def people_of(tables: Sequence[pd.DataFrame]) -> pd.Index:
    """The people of some tables of answers, in the order of their names."""
    names = np.unique(np.concatenate([table.index.get_level_values("person") for table in tables]))
    people: pd.Index = pd.Index(names)
    return people


def score_recipe(name: str, seeds: Sequence[tuple[TrainedFold, ...]]) -> RecipeScores:
    """Score the folds of a recipe, or of several seeds of it.

    Args:
        name: of the recipe.
        seeds: the folds of each seed; all with the same heads.
    """
    labels = seeds[0][0].labels
    tables = [pd.concat([fold.answers for fold in folds]) for folds in seeds]
    tasks = tasks_of(tables)
    parts = count_people(tables, people_of(tables), tasks, labels)
    each = [[fold.answers] for folds in seeds for fold in folds if tasks_of([fold.answers])]
    return RecipeScores(
        name=name,
        seeds=tuple(seeds),
        labels=labels,
        tasks=tasks,
        macro_f1=estimate(parts),
        fold_scores=tuple(
            pooled_f1(count_people(table, people_of(table), tasks_of(table), labels)) for table in each
        ),
        details=_details(tables, parts, tasks, labels),
    )


def _details(
    tables: Sequence[pd.DataFrame], parts: Sequence[FloatArray], tasks: Sequence[str], labels: LabelSet
) -> dict[str, float]:
    if [*tasks] != [labels.headline]:
        f1 = np.reshape([mean_f1(part.sum(0)) for part in parts], (len(tables), len(tasks))).mean(0)
        return dict(zip(tasks, map(float, f1), strict=True))
    task = labels.task(labels.headline)
    known = [table[table[f"{task.name} true"] != UNKNOWN] for table in tables]
    rows = [class_scores(table[f"{task.name} true"], table[f"{task.name} guess"], task) for table in known]
    means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if key != "macro_f1"}
    if task != TASKS["class18"]:
        return means
    senior = [np.nanmean(f1_of_counts(part.sum(0))[_SENIOR_CLASSES]) for part in parts]
    return {**means, "senior": float(np.mean(senior))}


def remarks(scores: RecipeScores, reference: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """What must be known to read the scores of a recipe.

    Args:
        scores: the recipe's.
        reference: how people are divided in the recipes it is compared with.

    Returns:
        Whether its folds are comparable with those, and sentences without their end.
    """
    notes = []
    if silent := [task for task in answered_tasks(scores.folds[0].answers) if task not in scores.tasks]:
        notes.append(f"its score is without {', '.join(silent)}: no validated photo is labelled for it")
    divisions = [fold.division for fold in scores.folds]
    differing = {k: v for d in divisions for k, v in d.items() if v != reference[k]}
    if differing:
        there = ", ".join(f"{key} {value} and not {reference[key]}" for key, value in differing.items())
        notes.append(f"not comparable, its people are divided otherwise: {there}")
    if any(division["scheme"] == "image" for division in divisions):
        notes.append("photos of one person stand on both sides of its folds: its scores are too good")
    for folds in scores.seeds:
        numbers = [fold.request.fold for fold in folds]
        wanted = fold_numbers(folds[0].division["scheme"], folds[0].division["folds"])
        if set(numbers) != set(wanted):
            listed = ", ".join(map(str, numbers))
            notes.append(f"of {len(wanted)} folds only {listed} {'is' if len(numbers) == 1 else 'are'} there")
        short = [fold for fold in folds if not is_finished(fold.request.recipe, rows_of(fold.history))]
        if short:
            listed = ", ".join(f"{fold.request.fold} after epoch {len(fold.history)}" for fold in short)
            notes.append(f"still in training: fold {listed} of {short[0].request.recipe.epochs}")
    return not differing, notes
