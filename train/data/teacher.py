"""Learning from predictions of trained models: distillation of labelled photos, pseudo-labels of others."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.cache.reader import Cache
from faces.labels import UNKNOWN, Categories, IntArray, LabelSet, Part, Task
from faces.projection import covers, project, split_classes
from train.data.rows import FoldRows
from train.data.teacher_file import Answers, read_teacher
from train.recipe.data import Teacher
from train.recipe.recipe import Recipe

BoolArray = NDArray[np.bool_]


def lessons(answers: Answers, teacher: Teacher) -> NDArray[np.float64]:
    """What the teacher's answers teach: [n, classes], rows summing to 1, or to 0 where it does not answer.

    With temperature T soft probabilities become p^(1/T) / sum p^(1/T) (Hinton et al., Distilling the
    Knowledge in a Neural Network, 2015, who divide logits by T): at T = 2, (.8, .2) becomes (.667, .333).
    """
    if teacher.labels == "hard":
        return np.asarray(answers.choices[:, None] == np.arange(len(answers.task.classes)), np.float64)
    tiny = np.finfo(np.float64).tiny
    powers = answers.probabilities / np.maximum(answers.probabilities.max(1, keepdims=True), tiny)
    powers **= 1 / teacher.temperature
    return np.asarray(powers / np.maximum(powers.sum(1, keepdims=True), tiny))


def teach(
    rows: NDArray[np.float32],
    task: Task,
    labelled: BoolArray,
    answers: Answers,
    teacher: Teacher,
    labels: LabelSet,
) -> NDArray[np.float32]:
    """The targets of a head with the teacher's answers in them.

    Args:
        rows: [n, classes] what labels alone teach.
        task: the head's, one that the teacher's task tells.
        labelled: [n] of which photos all factors of the task are known.
        answers: of all n photos.
        teacher: the recipe's.
        labels: that the tasks are of.

    Returns:
        float32 [n, classes]. Labelled and answered: (1 - share) of the label's row, share of the teacher's.
        Not labelled, and the teacher sure: `weight` of the teacher's. The teacher's row sums to 1; that of a
        task of part of the photos to how probable it is that the photo is of them: P(>= 30) for `senior`.
        All others as they were.
    """
    taught = _told(answers, task, teacher, labels)
    share = np.where(labelled & (answers.choices != UNKNOWN), teacher.share, 0)
    unknown = ~labelled & (rows.sum(1) == 0)
    weight = np.where(unknown & answers.sure(teacher.above), teacher.weight, 0)
    mixed = (1 - share)[:, None] * rows + (share + weight)[:, None] * taught
    return np.asarray(mixed, np.float32)


def _told(answers: Answers, task: Task, teacher: Teacher, labels: LabelSet) -> NDArray[np.floating]:
    """[n, classes] what a teacher's answers say of a task."""
    taught = {answers.task.name: lessons(answers, teacher)}
    if answers.task.parts == task.parts or all(part.least is None for part in task.parts):
        return project(taught, task.name, labels)
    # With those who are not the task's as a class of their own, which is left out then.
    wide = labels.task("*".join(map(_widened, task.parts)))
    cube = project(taught, wide.name, labels).reshape(-1, *wide.sizes)
    for axis, part in enumerate(task.parts, 1):
        cube = cube if part.least is None else np.delete(cube, 0, axis)
    return np.asarray(cube.reshape(len(cube), -1))


def _widened(part: Part) -> str:
    """The expression of a part that tells those below its least, too."""
    if isinstance(part.factor, Categories):
        return part.factor.name
    edges = part.edges if part.least is None else (part.least, *part.edges)
    return f"{part.factor.name}[{', '.join(map(repr, edges))}]"


def check_told(recipe: Recipe, task: Task, labels: LabelSet, files: str) -> None:
    """Refuse tasks that do not follow from the one that a teacher's predictions are of.

    Raises:
        ValueError: naming the files and the tasks.
    """
    asked = [*recipe.tasks, *([recipe.rows.only] if recipe.rows.only and recipe.teacher.weight else [])]
    finer = [name for name in asked if not covers((task.name,), name, labels)]
    if finer:
        raise ValueError(
            f"{files}, tasks={list(recipe.tasks)}: predictions of {task.name}, {len(task.classes)} classes, "
            f"do not tell {', '.join(finer)}; train tasks that follow from it, predict with models of these, "
            "or train without a teacher"
        )


def with_taught(recipe: Recipe, cache: Cache, rows: FoldRows) -> tuple[FoldRows, str]:
    """A fold's rows with those among its unlabelled photos that the teacher is sure of, to be trained on too.

    Args:
        recipe: with a teacher; of its `rows` only `only` counts, for the class the teacher answers with.
        cache: of the rows.
        rows: of the fold.

    Returns:
        The rows, and a line on what the teacher teaches.

    Raises:
        ValueError: as `read_teacher`, or the teacher answers nothing that the recipe asks for.
    """
    teacher, files = recipe.teacher, " and ".join(recipe.teacher.predictions)
    answers = read_teacher(teacher.predictions, cache)
    check_told(recipe, answers.task, cache.label_set, files)
    notes = []
    if teacher.share:
        answered = int((answers.choices[rows.training] != UNKNOWN).sum())
        if not answered:
            raise ValueError(
                f"{files}: answers none of the fold's {len(rows.training)} labelled training photos, so "
                f"teacher.share={teacher.share} teaches nothing; name predictions of them, or share = 0"
            )
        notes.append(f"answers to {answered} of {len(rows.training)} labelled photos, share {teacher.share}")
    if teacher.weight:
        taken = _sure_rows(recipe, answers, rows, files, cache.label_set)
        notes.append(
            f"pseudo-labels of {len(taken)} of {len(rows.unlabelled)} photos without labels, probability at "
            f"least {teacher.above}, weight {teacher.weight} "
            f"({_counted(answers.choices[taken], answers.task)})"
        )
        training = np.sort(np.concatenate([rows.training, taken]))
        rows = dataclasses.replace(rows, training=training)
    return rows, f"teacher {files}: {'; '.join(notes)}"


def _sure_rows(recipe: Recipe, answers: Answers, rows: FoldRows, files: str, labels: LabelSet) -> IntArray:
    """The unlabelled rows to train on."""
    above, free = recipe.teacher.above, rows.unlabelled
    sure = free[answers.sure(above)[free]]
    if recipe.rows.only:
        mine = labels.task(recipe.rows.only).encode(_least_labels(answers.choices[sure], answers.task))
        sure = sure[mine != UNKNOWN]
    if not len(sure):
        most = answers.probabilities[free].max(initial=0)
        raise ValueError(
            f"{files}: none of the fold's {len(free)} photos without labels is answered with a "
            f"probability of teacher.above={above} or more, the greatest is {most:.3f}: lower it, train "
            "on a cache with photos without labels (`make join`) and predictions of them, or weight = 0"
        )
    return sure


def _least_labels(classes: IntArray, task: Task) -> dict[str, NDArray[Any]]:
    """Labels of which a task's classes follow: of a number the least of its band."""
    codes = split_classes(classes, task)
    return {
        part.factor.name: codes[part.factor.name]
        if isinstance(part.factor, Categories)
        else np.array([part.factor.least if part.least is None else part.least, *part.edges])[
            codes[part.factor.name]
        ]
        for part in task.parts
    }


def _counted(classes: IntArray, task: Task) -> str:
    """`wear 5, incorrect 1, normal 2; male 4, female 4; <30 3, 30-59 5, >=60 0` of classes of a task."""
    codes = split_classes(classes, task)
    counts = [
        (part.classes, np.bincount(codes[part.factor.name], minlength=len(part.classes)))
        for part in task.parts
    ]
    return "; ".join(", ".join(f"{n} {c}" for n, c in zip(*pair, strict=True)) for pair in counts)
