"""All kinds of heads, and which one each head of a recipe is.

Every file of train/network/codings/ adds one; none is known here by name but what fits any task.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Final

from faces.labels import LabelSet, Task
from train.network import codings
from train.network.coding import Coding
from train.recipe.recipe import Recipe

CODINGS: Final[dict[str, type[Coding]]] = {
    module.name: import_module(f"{codings.__name__}.{module.name}").CODING
    for module in pkgutil.iter_modules(codings.__path__)
}
"""Every kind by the name of its file, which is what `age.coding` calls it."""
ANY_TASK: Final = "classes"
"""The kind of heads that tell more, or something else, than one number."""


def coding_of(task: Task, recipe: Recipe) -> Coding:
    """How a recipe's head of this task tells its classes; `age.coding` is of those of one number alone.

    Raises:
        ValueError: the recipe has settings, or a teacher, that such a head cannot follow.
    """
    coding = CODINGS[ANY_TASK if task.number is None else recipe.age.coding](task, recipe)
    if recipe.teacher.predictions and not coding.teachable:
        raise ValueError(
            f"teacher.predictions={[*recipe.teacher.predictions]}, age.coding={recipe.age.coding!r}: "
            f'predictions of classes do not tell what {task.name} learns then; use coding = "classes" or '
            '"ordinal"'
        )
    return coding


def check_codings(recipe: Recipe, labels: LabelSet, source: Path | str) -> None:
    """Refuse what `codings_of` does, naming the recipe's file as the source."""
    try:
        codings_of(recipe, labels)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def codings_of(recipe: Recipe, labels: LabelSet) -> dict[str, Coding]:
    """The coding of each of a recipe's tasks, in order.

    Raises:
        ValueError: as `coding_of`.
    """
    return {name: coding_of(labels.task(name), recipe) for name in recipe.tasks}
