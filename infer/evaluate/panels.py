"""An ensemble's answers out of fold: its runs and photos found and checked, then predicted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from faces.cache.reader import Cache
from faces.labels import UNKNOWN, FloatArray, IntArray, LabelSet, Task
from faces.projection import covers
from faces.terminal.progress import photo_progress
from infer.ensemble.space import space_of
from infer.ensemble.tree import Ensemble, Node, recipes_of
from infer.ensemble.vote import Verdict, count_votes
from infer.evaluate.scores import class_counts, numbered
from infer.predict.heads import Panels
from infer.predict.nested import NestedVotes
from infer.predict.out_of_fold import OutOfFold, plan_out_of_fold
from infer.predict.views import ViewsRule
from train.engine.compute import PredictCompute


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The photos of a plan on which answers in one task are scored: those whose class is known."""

    plan: OutOfFold
    task: Task
    """The task that is voted on."""

    @property
    def labels(self) -> LabelSet:
        """What the photos are labelled with."""
        return self.plan.cache.label_set

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """[photos of the plan] whether a photo is scored."""
        return np.asarray(self.plan.truth(self.task.name) != UNKNOWN)

    @cached_property
    def truth(self) -> IntArray:
        """[n] classes of the photos scored."""
        return self.plan.truth(self.task.name)[self.known]

    @cached_property
    def person(self) -> IntArray:
        """[n] numbers of their people, from `numbered`."""
        return numbered(self.plan.photos["person"][self.known])

    @property
    def said(self) -> str:
        """The task and how many classes it has; "" where it is the labels' headline, as it usually is."""
        headline = self.task.name == self.labels.headline
        return "" if headline else f"{self.task.name}, {len(self.task.classes)} classes"

    @property
    def of_task(self) -> str:
        """` of <task>`, to follow the name of a score; "" where the task is the labels' headline."""
        return f" of {self.task.name}" if self.said else ""

    @property
    def note(self) -> str:
        """How many photos are not scored and why; "" where all are."""
        if self.known.all():
            return ""
        starts = [(part.factor.name, part.least) for part in self.task.parts if part.least is not None]
        below = "".join(f", or {factor} is below {least:g}" for factor, least in starts)
        return (
            f"scored on {len(self.truth):,} of {len(self.known):,} photos: the others are not labelled for "
            f"{self.task.name}{below}"
        )

    def vote(self, root: Node, panels: Panels) -> Verdict:
        """The answers of a tree to all photos of the plan."""
        return count_votes(root, panels, self.task.name, self.labels)

    def part(self, verdict: Verdict) -> Verdict:
        """Of the answers to all photos of the plan those to the photos scored."""
        return Verdict(
            classes=verdict.classes[self.known],
            probabilities=verdict.probabilities[self.known],
            agreement=verdict.agreement[self.known],
        )

    def answers(self, root: Node, panels: Panels) -> IntArray:
        """[n] answers of a tree to the photos scored."""
        return self.vote(root, panels).classes[self.known]

    def counts(self, classes: IntArray) -> FloatArray:
        """float32 [people, 3, classes] counts of `faces.intervals` of [n] answers to the photos scored."""
        return class_counts(self.person, self.truth, classes, len(self.task.classes))

    def named(self, ensemble: Ensemble) -> Ensemble:
        """An ensemble of the plan's recipes that votes on the task, whose file names it where it must."""
        try:
            follows = space_of(ensemble, heads_of_recipes(self.plan), self.labels) == self.task.name
        except ValueError:  # members that tell different factors share this task alone
            follows = False
        return ensemble if follows else dataclasses.replace(ensemble, task=self.task.name)

    def telling(self) -> list[str]:
        """The recipes whose heads alone tell the task."""
        heads = heads_of_recipes(self.plan)
        return [name for name, tasks in heads.items() if covers(tasks, self.task.name, self.labels)]


def heads_of_recipes(plan: OutOfFold) -> dict[str, tuple[str, ...]]:
    """The tasks of each recipe's heads."""
    return {name: mine[0].card.recipe.tasks for name, mine in plan.runs.items()}


def scored_in(plan: OutOfFold, space: str) -> Scored:
    """The photos of a plan that are scored in a task.

    Raises:
        ValueError: none is labelled for it.
    """
    found = Scored(plan=plan, task=plan.cache.label_set.task(space))
    if not found.known.any():
        raise ValueError(
            f"{plan.cache.folder}: none of its {len(plan.photos)} photos that were left out of a fold is "
            f"labelled for {space}, which the ensemble votes on, so nothing scores it; label some of them"
        )
    return found


def plan_of_ensemble(ensemble: Ensemble, runs: Path, cache: Cache) -> Scored:
    """The runs and photos of an ensemble, checked before any network is loaded, and the task it votes on.

    Raises:
        ValueError: as `plan_out_of_fold`, `space_of` and `scored_in`.
    """
    plan = plan_out_of_fold(recipes_of(ensemble.root), runs, cache)
    return scored_in(plan, space_of(ensemble, heads_of_recipes(plan), cache.label_set))


def predict_out_of_fold(
    plan: OutOfFold | NestedVotes,
    views: Sequence[str],
    compute: PredictCompute,
    console: Console,
    rule: ViewsRule = "soft",
) -> Panels:
    """Each recipe's answers to all photos of a plan, with a progress bar.

    Args:
        plan: photos and runs; of nested trainings several networks of each recipe answer a photo.
        views: views over which answers are averaged.
        compute: where to predict what training has not stored.
        console: where the bar is shown.
        rule: by which they are averaged.
    """
    with photo_progress(console=console) as progress:
        bar = progress.add_task("out of fold", total=plan.photo_count)
        return plan.answered(
            tuple(views),
            compute,
            lambda done: progress.advance(bar, done),
            lambda line: console.print(line, style="yellow", highlight=False, soft_wrap=True),
            rule,
        )
