"""The subject of an export: an ensemble with all its runs, or one run alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faces.labels import LabelSet, Task
from infer.ensemble.file import ensemble_table
from infer.ensemble.space import space_of
from infer.ensemble.tree import Ensemble, Leaf, Node, Vote, children, recipes_of
from infer.predict.runs import Run, find_runs, labels_of_runs, read_run
from infer.predict.views import ViewsRule


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Runs, views and votes that become one model."""

    name: str
    """Name of the folder in `exports`, when no other is given."""
    members: Mapping[str, Sequence[Run]]
    """The runs of each recipe."""
    root: Node | None
    """Tree by which they vote; None for a run whose heads form no task together."""
    task: Task | None
    """What is voted on; None where nothing is."""
    labels: LabelSet
    """The factors that the runs were trained on."""
    views: tuple[str, ...]
    views_rule: ViewsRule = "soft"
    table: Mapping[str, Any] | None
    """The ensemble as a TOML table; None for a run alone."""

    @property
    def runs(self) -> list[Run]:
        """All runs, recipe by recipe."""
        return [run for folds in self.members.values() for run in folds]


def subject_of_ensemble(ensemble: Ensemble, runs: Path) -> Subject:
    """An ensemble and its trained folds.

    Args:
        ensemble: to export.
        runs: folder of all runs.

    Raises:
        ValueError: a vote by rank, a recipe without a trained fold, runs of different factors, or one whose
            heads do not tell the task that it votes on.
    """
    check_rules(ensemble.root, ensemble.name)
    members = find_runs(recipes_of(ensemble.root), runs)
    labels = labels_of_runs([run for folds in members.values() for run in folds])
    heads = {recipe: folds[0].card.recipe.tasks for recipe, folds in members.items()}
    return Subject(
        name=ensemble.name,
        members=members,
        root=ensemble.root,
        task=labels.task(space_of(ensemble, heads, labels)),
        labels=labels,
        views=ensemble.views,
        views_rule=ensemble.views_rule,
        table=ensemble_table(ensemble),
    )


def subject_of_run(folder: Path, views: Sequence[str]) -> Subject:
    """One trained fold.

    Args:
        folder: `runs/<recipe>/fold<k>`.
        views: names of test-time views.

    Raises:
        ValueError: no run that can be used.
    """
    path = folder / "best.safetensors"
    name = "/".join(folder.resolve().parts[-2:])
    run = read_run(name, path)
    task = _task_of(run)
    return Subject(
        name=name.replace("/", "-"),
        members={name: [run]},
        root=Leaf(name) if task else None,
        task=task,
        labels=run.card.labels,
        views=tuple(views),
        table=None,
    )


def _task_of(run: Run) -> Task | None:
    """What an ensemble of a run alone answers; None where that is nothing, or not all that its heads tell."""
    labels, tasks = run.card.labels, run.card.recipe.tasks
    try:
        task = labels.task(space_of(Ensemble(name=run.name, root=Leaf(run.name)), {run.name: tasks}, labels))
    except ValueError:
        return None
    told = {factor for name in tasks for factor in labels.task(name).factors}
    return task if {*task.factors} == told else None


def check_rules(node: Node, ensemble: str) -> None:
    """Refuse a tree whose answer on a photo depends on other photos.

    Args:
        node: the root, or a part of it.
        ensemble: name for the error.

    Raises:
        ValueError: a vote by rank.
    """
    if isinstance(node, Vote) and node.rule == "rank":
        raise ValueError(
            f'ensemble {ensemble}: rule = "rank" cannot be exported: a photo\'s rank depends on the other '
            "photos of the same prediction, which an exported model does not know; export the same members "
            'with rule = "soft", "log" or "hard"'
        )
    for child in children(node):
        check_rules(child, ensemble)
