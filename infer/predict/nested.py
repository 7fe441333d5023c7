"""Votes on photos of a cache by networks none of which saw the person: those of nested trainings.

A network was trained for each two folds, without the people of both. So of k folds each photo has k - 1
answers of a recipe, and their vote is made as the vote of all folds on new photos is, but for one voter and
for the size of the trainings.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faces.command import typed
from faces.labels import FloatArray, IntArray
from infer.predict.checks import check_division, check_labels, check_trained_on
from infer.predict.heads import Heads, Panels
from infer.predict.out_of_fold import ORIGINAL, OutOfFold, read_stored, rows_left_out
from infer.predict.runs import Run, check_crops, read_run
from infer.predict.views import ViewsRule
from train.engine.card import BEST_FILE, NESTED
from train.results.together import check_alike

if TYPE_CHECKING:
    from train.engine.compute import PredictCompute

Pair = tuple[int, ...]
"""Two folds, the lower first."""


@dataclass(frozen=True, kw_only=True)
class NestedVotes:
    """The nested trainings of all recipes of a plan, and the photos on which they vote."""

    plan: OutOfFold
    """Of its photos those that every network validates which left their fold out."""
    runs: Mapping[str, Mapping[Pair, Run]]
    """By recipe: the network that left two folds out."""
    rows: Mapping[str, IntArray]
    """By the name of a run: the rows of the cache that it validates, in their order."""

    @property
    def every_run(self) -> list[Run]:
        """The runs of all recipes."""
        return [run for pairs in self.runs.values() for run in pairs.values()]

    @property
    def voters(self) -> int:
        """How many networks of each recipe answer a photo."""
        return self.plan.fold_count - 1

    @property
    def photo_count(self) -> int:
        """Photos times networks: the sum that `answered` advances to."""
        return len(self.plan.photos) * len(self.runs) * self.voters

    def answered(
        self,
        views: Sequence[str],
        compute: PredictCompute,
        advance: Callable[[int], object] = lambda _: None,
        say: Callable[[str], object] = lambda _: None,
        rule: ViewsRule = "soft",
    ) -> Panels:
        """Panels of `voters` voters a recipe over all photos, in the order of the plan's `photos`.

        The voters of a photo are in the order of the other fold that each left out. Arguments and errors are
        those of `OutOfFold.answered`.
        """
        fold = self.plan.photos["fold"].to_numpy()
        folds = np.unique(fold).tolist()
        panels: dict[str, list[dict[str, FloatArray]]] = {
            recipe: [{} for _ in range(self.voters)] for recipe in self.runs
        }
        for pair in itertools.combinations(folds, 2):
            asked = np.isin(fold, pair)
            answers = self._of_pair(pair, asked, views, compute, advance, say, rule)
            for voters, heads in zip(panels.values(), answers, strict=True):
                for mine, other in (pair, pair[::-1]):
                    place = folds.index(other) - (other > mine)
                    _fill(voters[place], heads, fold[asked] == mine, fold == mine)
        return panels

    def _of_pair(
        self,
        pair: Pair,
        asked: NDArray[np.bool_],
        views: Sequence[str],
        compute: PredictCompute,
        advance: Callable[[int], object],
        say: Callable[[str], object],
        rule: ViewsRule,
    ) -> list[Heads]:
        """The answers of each recipe's network without two folds to those of the photos that are asked."""
        runs = [pairs[pair] for pairs in self.runs.values()]
        rows, cache = self.plan.photos["row"].to_numpy()[asked], self.plan.cache
        if tuple(views) != ORIGINAL:
            from infer.predict.store import load_or_predict

            return load_or_predict(runs, cache, rows, views, compute, advance, say, rule)
        facts, answers = self.plan.facts(), []
        for run in runs:
            stored = read_stored(run, self.rows[run.name], facts)
            places = np.searchsorted(self.rows[run.name], rows)
            answers.append({task: values[places] for task, values in stored.items()})
            advance(len(rows))
        return answers


def _fill(
    voter: dict[str, FloatArray], heads: Heads, taken: NDArray[np.bool_], where: NDArray[np.bool_]
) -> None:
    """Put some of the answers to a pair's photos where a voter answers all photos."""
    for task, values in heads.items():
        whole = voter.setdefault(task, np.zeros((len(where), values.shape[1]), values.dtype))
        whole[where] = values[taken]


def find_nested(plan: OutOfFold, runs: Path) -> NestedVotes | str:
    """The nested trainings of a plan's recipes; where some are not there, what to do to have them.

    Args:
        plan: whose recipes and folds they must be of.
        runs: folder of all runs.

    Raises:
        ValueError: they are of another cache, recipe or division than the recipe's folds, damaged, or
            validate no photo together.
    """
    first = next(iter(plan.runs.values()))
    pairs: list[Pair] = [*itertools.combinations([run.card.fold for run in first], 2)]
    if len(first) < 3:
        return "of 3 folds or more votes can be fitted, by `make train-nested`"
    found = {recipe: _runs_of(recipe, whole, plan, runs) for recipe, whole in plan.runs.items()}
    for recipe, mine in found.items():
        if missing := [pair for pair in pairs if pair not in mine]:
            card = plan.runs[recipe][0].card
            scheme = "" if card.scheme == "person" else f" FOLD_SCHEME={card.scheme}"
            return (
                f"{len(pairs) - len(missing)} of the {len(pairs)} nested trainings of {recipe} are there: "
                f"`make train-nested RECIPE={typed(f'recipes/{Path(recipe).name}.toml')} "
                f"CACHE={typed(plan.cache.folder)} FOLDS={card.folds}{scheme} RUNS={typed(runs)}`"
            )
    ordered = {recipe: {pair: mine[pair] for pair in pairs} for recipe, mine in found.items()}
    rows = {
        run.name: np.sort(rows_left_out(run, plan.cache))
        for mine in ordered.values()
        for run in mine.values()
    }
    return NestedVotes(plan=_answered_by_all(plan, ordered, rows), runs=ordered, rows=rows)


def _runs_of(recipe: str, whole: Sequence[Run], plan: OutOfFold, runs: Path) -> dict[Pair, Run]:
    """A recipe's nested trainings by the folds that they leave out, checked against its folds."""
    folder = runs / recipe / NESTED
    paths = sorted(folder.glob(f"fold*/{BEST_FILE}"))
    found = [read_run(f"{recipe}/{NESTED}/{path.parent.name}", path) for path in paths]
    for run in found:
        check_trained_on(run, plan.cache)
        check_labels(run, plan.cache)
    check_division([whole[0], *found])
    check_crops(found, plan.cache.description["settings"], plan.cache.folder)
    check_alike({run.path: run.card for run in (whole[0], *found)})
    return {run.card.left_out: run for run in found}


def _answered_by_all(
    plan: OutOfFold, runs: Mapping[str, Mapping[Pair, Run]], rows: Mapping[str, IntArray]
) -> OutOfFold:
    """The plan with those of its photos that each network validates which left their fold out: of a class
    that few people are of some train, other ones in other trainings."""
    fold, row = plan.photos["fold"].to_numpy(), plan.photos["row"].to_numpy()
    kept = np.ones(len(row), bool)
    for mine in runs.values():
        for pair, run in mine.items():
            kept &= ~np.isin(fold, pair) | np.isin(row, rows[run.name])
    if len(np.unique(fold[kept])) < plan.fold_count:
        raise ValueError(
            f"{plan.cache.folder}: a fold has no photo that all nested trainings without it validate; label "
            "more people of each class"
        )
    return dataclasses.replace(plan, photos=plan.photos[kept].reset_index(drop=True))
