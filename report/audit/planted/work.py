"""Plant wrong labels, train on them, audit, and count how many of the most suspect labels were planted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from faces.cache.reader import Cache
from faces.files import exclusive, write_atomically
from faces.labels import FloatArray, IntArray
from faces.storage.cells import csv_bytes
from infer.ensemble.tree import Ensemble, Leaf
from report.audit.answers import Answers, answers_of
from report.audit.planted.plant import Planted, plant, write_planted
from report.audit.suspects import Units, quality_of, suspects_of, units_of
from train.assemble import FoldPlan
from train.engine.watch import BarWatch
from train.fold import train_ready
from train.ready import ready_folds
from train.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class PlantedPlan:
    """What is planted, and what is trained on it."""

    recipe: Recipe
    """One that fits the cache's labels."""
    name: str
    """Of the recipe."""
    cache: Cache
    share: float
    seeds: Sequence[int]
    """One planting each; their counts are added."""
    folds: int
    out: Path
    device: str
    threads: int


def measure(plan: PlantedPlan, console: Console) -> pd.DataFrame:
    """Print and write what an audit finds of planted errors: planted.csv in `out`.

    Returns:
        A row for each factor: planted; hits, how many of as many most suspect labels were planted; flagged by
        confident learning; flagged_planted, those of them that were planted; agreeing, share of the labels as
        they were that the networks answer.
    """
    found: list[dict[str, Any]] = []
    with exclusive(plan.out, doing="planting into it", cure="give another folder (OUT=)"):
        for seed in plan.seeds:
            planted = plant(plan.cache.index, plan.cache.label_set, plan.share, seed)
            copied = write_planted(plan.cache, planted, plan.out / "caches" / f"seed{seed}")
            runs = plan.out / "runs"
            _train(plan, copied, runs / f"seed{seed}")
            subject = Ensemble(name=f"seed{seed}", root=Leaf(f"seed{seed}"))
            found += _count(answers_of(subject, runs, copied), planted, plan.cache, copied, seed)
        table = pd.DataFrame(found)
        write_atomically(plan.out / "planted.csv", csv_bytes(table))
    columns = ["planted", "hits", "flagged", "flagged_planted", "labels", "agreed"]
    summed = table.groupby("factor", sort=False)[columns].sum()
    _say(summed, plan, console)
    return summed


def _train(plan: PlantedPlan, cache: Cache, folder: Path) -> None:
    plans = [
        FoldPlan(
            recipe=plan.recipe,
            cache=cache,
            fold=fold,
            folds=plan.folds,
            fold_seed=0,
            folder=folder / f"fold{fold}",
            device=plan.device,
            threads=plan.threads,
        )
        for fold in range(plan.folds)
    ]
    with BarWatch() as watch:
        for ready in ready_folds(plans):
            train_ready(ready, watch)


def _count(
    answers: Answers, planted: Planted, before: Cache, copied: Cache, seed: int
) -> list[dict[str, Any]]:
    rows = answers.photos["row"].to_numpy(np.int64)
    found = []
    for name, probabilities in answers.by_factor.items():
        if name not in planted.rows:
            continue
        factor, codes = before.label_set.factor(name), answers.codes(copied, name)
        units = units_of(answers.photos, factor, codes, probabilities)
        wrong = np.array([bool(np.isin(rows[each], planted.rows[name]).any()) for each in units.rows])
        flagged = {int(suspect.rows[0]) for suspect in suspects_of(units) if suspect.flagged}
        of_flagged = np.array([int(each[0]) in flagged for each in units.rows])
        truth = before.labels(factor.name)[rows[[each[0] for each in units.rows]]]
        found.append(
            {
                "factor": name,
                "seed": seed,
                "planted": int(wrong.sum()),
                "hits": hits_of(quality_of(units), wrong),
                "flagged": len(flagged),
                "flagged_planted": int((of_flagged & wrong).sum()),
                "labels": len(units.rows),
                "agreed": _agreed(units, truth),
            }
        )
    return found


def hits_of(quality: FloatArray, wrong: NDArray[np.bool_]) -> int:
    """How many of the n labels of the lowest quality are wrong, n being the number that are; of equal ones
    the first."""
    count = int(wrong.sum())
    return int(wrong[np.argsort(quality, kind="stable")[:count]].sum())


def _agreed(units: Units, truth: IntArray) -> int:
    return int((units.probabilities.argmax(1) == truth).sum())


def _say(summed: pd.DataFrame, plan: PlantedPlan, console: Console) -> None:
    seeds = ", ".join(map(str, plan.seeds))
    lines = [
        f"{plan.share:.1%} of the labels of {plan.cache.folder} swapped, seeds {seeds}; {plan.name}, "
        f"{plan.folds} folds; each seed trained and audited anew, counts added"
    ]
    for factor, row in summed.iterrows():
        lines.append(
            f"{factor}: precision at the number planted {row.hits / row.planted:.2f} ({row.hits} of "
            f"{row.planted}); flagged {row.flagged} of {row.labels}, {row.flagged_planted} of them planted; "
            f"networks agree with {row.agreed / row.labels:.1%} of the labels as they were"
        )
    for line in [*lines, f"written to {plan.out / 'planted.csv'}"]:
        console.print(line, highlight=False, soft_wrap=True)
