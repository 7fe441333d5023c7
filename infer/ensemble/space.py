"""The task that an ensemble votes on, and whether its tree fits the labels and heads of its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from faces.command import nearest
from faces.labels import LabelSet, Task
from faces.projection import covers, folds_whole, from_whole
from infer.ensemble.tree import Compose, Ensemble, Leaf, Node, Override, Vote, children, recipes_of

MOST_CLASSES: Final = 512
"""Largest number of classes that a vote is on."""
Heads = Mapping[str, Sequence[str]]
"""Tasks of the heads of each recipe in a tree."""


def space_of(ensemble: Ensemble, heads: Heads, labels: LabelSet) -> str:
    """The task that an ensemble votes on, once its tree, and what it asks of whom, is checked.

    It is the task that the ensemble file names. Where that names none, it is the product of all factors whose
    own values any member tells, class18 for the contest's three; where nobody tells a factor's own values, it
    is the one task that all members were trained on.

    Args:
        ensemble: named in errors.
        heads: tasks of each of its recipes.
        labels: of its runs.

    Raises:
        ValueError: as `check_tree`; somebody is asked what their heads do not tell, or the task is none of
            the labels', or one of more than `MOST_CLASSES` classes.
    """
    try:
        check_tree(ensemble.root, labels)
        space = ensemble.task or _own_task(ensemble.root, heads, labels)
        _check_size(labels.task(space))
        _check_heads(ensemble.root, heads, space, labels)
    except ValueError as error:
        raise ValueError(f"ensemble {ensemble.name}: {error}") from error
    return space


def check_tree(root: Node, labels: LabelSet) -> None:
    """Refuse a tree that names tasks, factors or categories which labels do not have.

    Raises:
        ValueError: naming the value and the nearest.
    """
    if isinstance(root, Compose):
        _check_parts([labels.task(task) for task, _ in root.parts])
    if isinstance(root, Override):
        _check_override(root, labels)
    for child in children(root):
        check_tree(child, labels)


def told_factors(node: Node, heads: Heads, labels: LabelSet) -> set[str]:
    """Names of the factors whose own values any voice below a node tells it."""
    match node:
        case Leaf():
            parts = [part for name in heads[node.recipe] for part in labels.task(name).parts]
            return {part.factor.name for part in parts if folds_whole(part)}
        case Compose():
            return {factor for task, _ in node.parts for factor in labels.task(task).factors}
        case Override():
            return told_factors(node.base, heads, labels)
    return {factor for member in node.members for factor in told_factors(member, heads, labels)}


def task_of_parts(node: Compose, labels: LabelSet) -> Task:
    """The task that a composition votes on: the product of its parts' factors."""
    return labels.product({factor for task, _ in node.parts for factor in labels.task(task).factors})


def task_of_base(node: Override, heads: Heads, space: str, labels: LabelSet) -> Task:
    """The task that the base of an override votes on: the product of all factors that it tells or, where that
    has more than `MOST_CLASSES` classes, of those that matter to the override and to `space`.

    Raises:
        ValueError: it tells no factor's own values.
    """
    told = told_factors(node.base, heads, labels)
    if not told:
        raise ValueError(
            f"override.base: {', '.join(recipes_of(node.base))} tell no factor's own values, so there is "
            f"none to change; use recipes that tell {', '.join(labels.task(node.task).factors)}"
        )
    task = labels.product(told)
    if math.prod(task.sizes) <= MOST_CLASSES:
        return task
    needed = {*labels.task(space).factors, *labels.task(node.task).factors, *dict(node.where)}
    return labels.product(told & needed or told)


def _own_task(root: Node, heads: Heads, labels: LabelSet) -> str:
    told = told_factors(root, heads, labels)
    if told:
        return labels.product(told).name
    first, *others = recipes_of(root)
    shared = [task for task in heads[first] if all(task in heads[other] for other in others)]
    if len(shared) == 1:
        return shared[0]
    raise ValueError(
        f"its members tell no factor's own values, and share {', '.join(shared) or 'no task'}: name the one "
        'that it is to answer in its file, task = "..."'
    )


def _check_size(task: Task) -> None:
    count = math.prod(task.sizes)
    if count > MOST_CLASSES and len(task.factors) > 1:
        first, second, *_ = task.factors
        raise ValueError(
            f"its members tell {', '.join(task.factors)}, together {count:,} classes, and a vote is on at "
            f'most {MOST_CLASSES}: name fewer factors in its file, such as task = "{first}*{second}", or use '
            "recipes of fewer heads"
        )


def _check_parts(tasks: Sequence[Task]) -> None:
    factors = [factor for task in tasks for factor in task.factors]
    for task in tasks:
        for part in task.parts:
            if not folds_whole(part):
                raise ValueError(
                    f"compose: {task.name!r} does not tell {part.factor.name} by its own values, "
                    f"{', '.join(part.factor.classes)}; compose of tasks that do, such as "
                    f"{part.factor.name!r}"
                )
    for factor in factors:
        if factors.count(factor) > 1:
            raise ValueError(
                f"compose of {', '.join(task.name for task in tasks)}: {factor} is said "
                f"{factors.count(factor)} times; say each factor once"
            )


def _check_override(node: Override, labels: LabelSet) -> None:
    task = labels.task(node.task)
    [part, *others] = task.parts
    if others or not from_whole(part):
        single = [
            name
            for name in dict.fromkeys((*labels.named, *labels.names))
            if len(labels.task(name).parts) == 1 and from_whole(labels.task(name).parts[0])
        ]
        raise ValueError(
            f"override.task={node.task!r}: {nearest(node.task, single)}; it is to tell one factor, cut where "
            "its own values are"
        )
    settable = [name for name in task.classes if name in part.factor.classes]
    if node.category not in settable:
        raise ValueError(
            f"override.category={node.category!r} is no value of task {node.task}: "
            f"{nearest(node.category, settable)}"
        )
    different = [value for value in part.factor.classes if value != node.category]
    if node.otherwise and node.otherwise not in different:
        raise ValueError(
            f"override.otherwise={node.otherwise!r} is no other value of {part.factor.name} than "
            f"{node.category}: {nearest(node.otherwise, different)}"
        )
    for name, values in node.where:
        if name not in labels.names:
            raise ValueError(f"override.where: {name!r}: {nearest(name, labels.names)}")
        known = labels.factor(name).classes
        for value in values:
            if value not in known:
                raise ValueError(f"override.where.{name}: {value!r}: {nearest(value, known)}")


def _check_heads(node: Node, heads: Heads, space: str, labels: LabelSet) -> None:
    match node:
        case Leaf():
            if not covers(heads[node.recipe], space, labels):
                raise ValueError(
                    f"member {node.recipe!r} was trained on {', '.join(heads[node.recipe])}, but is asked "
                    f"for {space}: put it where it can answer, use a recipe that tells "
                    f"{', '.join(labels.task(space).factors)}, or name in the ensemble's file the task that "
                    'all members tell, task = "..."'
                )
        case Compose():
            _check_covers("a composition", task_of_parts(node, labels), space, labels)
            for task, part in node.parts:
                _check_heads(part, heads, task, labels)
        case Override():
            own = task_of_base(node, heads, space, labels)
            _check_size(own)
            changed = labels.task(node.task).factors[0]
            for factor in (changed, *dict(node.where)):
                if factor not in own.factors:
                    raise ValueError(
                        f"override of {factor}: its base tells {', '.join(own.factors)} alone; use a base "
                        f"that tells {factor}"
                    )
            _check_covers("an override", own, space, labels)
            _check_heads(node.base, heads, own.name, labels)
            _check_heads(node.by, heads, node.task, labels)
        case _:
            _check_adjust(node, labels.task(space))
            for member in node.members:
                _check_heads(member, heads, space, labels)


def _check_adjust(node: Vote, task: Task) -> None:
    values = {part.factor.name: part.classes for part in task.parts}
    for factor, times in node.adjust:
        if factor not in values:
            raise ValueError(
                f"adjust.{factor}: the vote is on {task.name}, which does not tell it: "
                f"{nearest(factor, values)}"
            )
        for value, _ in times:
            if value not in values[factor]:
                raise ValueError(f"adjust.{factor}: {value!r}: {nearest(value, values[factor])}")


def _check_covers(kind: str, own: Task, space: str, labels: LabelSet) -> None:
    if not covers([own.name], space, labels):
        raise ValueError(
            f"{kind} of {', '.join(own.factors)} is asked for {space}, which tells "
            f"{', '.join(labels.task(space).factors)}: say each of them once, or put it where it can answer"
        )
