"""Whether a recipe fits the labels of the photos it is to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from faces.labels import MOST_CLASSES, LabelSet, Number, Task
from train.recipe.data import SENIOR, Age
from train.recipe.network import Loss
from train.recipe.recipe import ALL, Recipe


def check_fit(recipe: Recipe, labels: LabelSet) -> None:
    """Refuse a recipe that does not fit the labels.

    Args:
        recipe: with tasks `["*"]` all factors are meant.
        labels: of the photos.

    Raises:
        ValueError: an unknown task, two names of one task, or a table that the tasks or the labels cannot
            follow; key, value and cure are named, but not the recipe's file.
    """
    if recipe.tasks == (ALL,):
        recipe = replace(recipe, tasks=labels.names)
    tasks = [_task("tasks", name, labels) for name in recipe.tasks]
    for place, task in enumerate(tasks):
        same = next((other.name for other in tasks[:place] if other.parts == task.parts), "")
        if same:
            raise ValueError(f"tasks: {same!r} and {task.name!r} are one and the same; name it once")
    for key, name in (("sampler.task", recipe.sampler.task), ("rows.only", recipe.rows.only)):
        if name:
            _task(key, name, labels)
    custom = recipe.loss.custom
    if custom and (len(tasks) > 1 or len(custom) != len(tasks[0].classes)):
        raise ValueError(
            f"loss.custom has {len(custom)} weights, tasks={list(recipe.tasks)}: it weighs the classes of "
            f"one task, {tasks[0].name} has {len(tasks[0].classes)}"
        )
    _check_numbers(recipe, tasks, labels)


def number_meant(tasks: Sequence[str], labels: LabelSet) -> Number | None:
    """The number that a recipe's settings of ages are about: the first that its tasks tell, or else the
    first of the labels; None where these have no number."""
    told = [labels.factor(name) for task in tasks for name in labels.task(task).factors]
    return next((factor for factor in (*told, *labels.factors) if isinstance(factor, Number)), None)


def _task(key: str, name: str, labels: LabelSet) -> Task:
    try:
        task = labels.task(name)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error
    if task.count > MOST_CLASSES:
        raise ValueError(
            f"{key}: {name!r} has {task.count:,} classes, and a head is taught at most {MOST_CLASSES:,}: "
            "multiply fewer factors, and name the others as tasks of their own"
        )
    return task


def _check_numbers(recipe: Recipe, tasks: Sequence[Task], labels: LabelSet) -> None:
    """Refuse settings of a number that the labels do not have, or of an edge."""
    if number_meant(recipe.tasks, labels) is None:
        needing = {
            "the table [age]": recipe.age not in (Age(), Age(clipped_at=0)),  # 0 is what runs keep of auto
            f"rows.drop_ages={list(recipe.rows.drop_ages)}": bool(recipe.rows.drop_ages),
            "mixing.partner='rare_age'": recipe.mixing.name != "none" and recipe.mixing.partner == "rare_age",
        }
        for what in [what for what, needed in needing.items() if needed]:
            raise ValueError(
                f"{what} is about a number such as age, and the labels have none, only "
                f"{', '.join(labels.names)}: leave it out"
            )
    _check_coding(recipe, tasks, labels)
    if recipe.age.senior_from != SENIOR:
        _check_senior(recipe.age.senior_from, tasks, labels)


def _check_coding(recipe: Recipe, tasks: Sequence[Task], labels: LabelSet) -> None:
    """Refuse a coding of numbers that no head takes, or one that leaves no head for the table [loss]."""
    if recipe.age.coding == "classes":
        return
    named = f"tasks={list(recipe.tasks)}"
    alone = [task.number is not None for task in tasks]
    if not any(alone):
        known = [name for name in (*labels.named, *labels.names) if labels.task(name).number]
        raise ValueError(
            f"age.coding={recipe.age.coding!r}: none of {named} tells a number such as age alone; use "
            f"{', '.join(known[:-1])} or {known[-1]}, whose loss it replaces"
            if known[1:]
            else f"age.coding={recipe.age.coding!r}: none of {named} tells {known[0]} alone; use {known[0]}"
        )
    if all(alone) and recipe.loss != Loss(task_weights=recipe.loss.task_weights):
        raise ValueError(
            f"age.coding={recipe.age.coding!r} has a loss of its own, and {named} have no other head: "
            'leave the table [loss] out, or use age.coding = "classes"'
        )


def _check_senior(senior_from: float, tasks: Sequence[Task], labels: LabelSet) -> None:
    edges = [part.edges for task in (*tasks, *map(labels.task, labels.names)) for part in task.parts]
    if not any(SENIOR in each for each in edges):
        raise ValueError(
            f"age.senior_from={senior_from:g}: it moves an edge at {SENIOR:g}, which none of the labels' "
            f"numbers has; leave it out"
        )
    for each in edges:
        between = [edge for edge in each if senior_from <= edge < SENIOR]
        if SENIOR in each and between:
            raise ValueError(
                f"age.senior_from={senior_from:g}: it would move the edge at {SENIOR:g} past that at "
                f"{between[-1]:g}; use more than {between[-1]:g}"
            )
