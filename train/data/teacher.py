"""Learning from predictions of trained models: distillation of labelled photos, pseudo-labels of others."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from faces.cache import Cache
from faces.labels import (
    AGE_BANDS,
    CLASS_COUNT,
    GENDERS,
    MASKS,
    TASKS,
    UNKNOWN,
    IntArray,
    project,
    split_classes,
)
from train.data.rows import FoldRows
from train.data.teacher_file import Answers, read_teacher
from train.recipe.data import Teacher
from train.recipe.recipe import Recipe

BoolArray = NDArray[np.bool_]


def lessons(answers: Answers, teacher: Teacher) -> NDArray[np.float64]:
    """What the teacher's answers teach: [n, 18], rows summing to 1, or to 0 where it does not answer.

    With temperature T soft probabilities become p^(1/T) / sum p^(1/T) (Hinton et al., Distilling the
    Knowledge in a Neural Network, 2015, who divide logits by T): at T = 2, (.8, .2) becomes (.667, .333).
    """
    if teacher.labels == "hard":
        return np.asarray(answers.choices[:, None] == np.arange(CLASS_COUNT), np.float64)
    tiny = np.finfo(np.float64).tiny
    powers = answers.probabilities / np.maximum(answers.probabilities.max(1, keepdims=True), tiny)
    powers **= 1 / teacher.temperature
    return np.asarray(powers / np.maximum(powers.sum(1, keepdims=True), tiny))


def teach(
    rows: NDArray[np.float32], task: str, labelled: BoolArray, answers: Answers, teacher: Teacher
) -> NDArray[np.float32]:
    """The targets of a head with the teacher's answers in them.

    Args:
        rows: [n, classes] what labels alone teach.
        task: the head's, one that 18 classes tell.
        labelled: [n] which photos have all labels.
        answers: of all n photos.
        teacher: the recipe's.

    Returns:
        float32 [n, classes]. Labelled and answered: (1 - share) of the label's row, share of the teacher's.
        Without all labels, and the teacher sure: `weight` of the teacher's, but where the head's own label is
        known. The teacher's row sums to 1; that of `senior` to its P(>= 30). All others as they were.
    """
    classes = {"class18": lessons(answers, teacher)}
    taught = project(classes, "age3")[:, 1:] if task == "senior" else project(classes, task)
    share = np.where(labelled & (answers.choices != UNKNOWN), teacher.share, 0)
    unknown = ~labelled & (rows.sum(1) == 0)
    weight = np.where(unknown & answers.sure(teacher.above), teacher.weight, 0)
    mixed = (1 - share)[:, None] * rows + (share + weight)[:, None] * taught
    return np.asarray(mixed, np.float32)


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
    notes = []
    if teacher.share:
        answered = int((answers.choices[rows.training] != UNKNOWN).sum())
        if not answered:
            raise ValueError(
                f"{files}: answers none of the fold's {len(rows.training)} labelled training photos, so "
                f"teacher.share={teacher.share} teaches nothing: name predictions of them, or share = 0"
            )
        notes.append(f"answers to {answered} of {len(rows.training)} labelled photos, share {teacher.share}")
    if teacher.weight:
        taken = _sure_rows(recipe, answers, rows, files)
        notes.append(
            f"pseudo-labels of {len(taken)} of {len(rows.unlabelled)} photos without labels, probability at "
            f"least {teacher.above}, weight {teacher.weight} ({_counted(answers.choices[taken])})"
        )
        training = np.sort(np.concatenate([rows.training, taken]))
        rows = dataclasses.replace(rows, training=training)
    return rows, f"teacher {files}: {'; '.join(notes)}"


def _sure_rows(recipe: Recipe, answers: Answers, rows: FoldRows, files: str) -> IntArray:
    """The unlabelled rows to train on."""
    above, free = recipe.teacher.above, rows.unlabelled
    sure = free[answers.sure(above)[free]]
    if recipe.rows.only:
        factors = split_classes(answers.choices[sure])
        years = np.array([0.0, *TASKS["age3"].edges])[factors["age"]]
        mine = TASKS[recipe.rows.only].encode(factors["mask"], factors["gender"], years) != UNKNOWN
        sure = sure[mine]
    if not len(sure):
        most = answers.probabilities[free].max(initial=0)
        raise ValueError(
            f"{files}: none of the fold's {len(free)} photos without labels is answered with a "
            f"probability of teacher.above={above} or more, the greatest is {most:.3f}: lower it, train "
            "on a cache with photos without labels (`make join`) and predictions of them, or weight = 0"
        )
    return sure


def _counted(classes: IntArray) -> str:
    """`wear 5, incorrect 1, normal 2; male 4, female 4; <30 3, 30-59 5, >=60 0` of 18-class codes."""
    named = zip((MASKS, GENDERS, AGE_BANDS), split_classes(classes).values(), strict=True)
    counts = [(names, np.bincount(codes, minlength=len(names))) for names, codes in named]
    return "; ".join(", ".join(f"{n} {c}" for n, c in zip(*pair, strict=True)) for pair in counts)
