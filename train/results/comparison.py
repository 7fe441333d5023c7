"""Trained recipes in their order, each against a baseline: paired gains over the same people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from faces.command import nearest
from faces.intervals import Estimate, gain
from faces.labelling.kept import differences
from faces.storage.documents import DamagedError
from faces.terminal.progress import track
from train.engine.card import RunError
from train.results.recipe_scores import (
    RecipeScores,
    count_people,
    people_of,
    remarks,
    score_recipe,
    tasks_of,
)
from train.results.trained_folds import TrainedFold, find_recipes, group_seeds, read_folds


@dataclass(frozen=True, kw_only=True)
class Line:
    """A recipe's place in the comparison."""

    scores: RecipeScores
    comparable: bool
    """Whether its people are divided into folds as the baseline's are."""
    baseline: str
    """The recipe it is compared with; its own name for the baseline itself."""
    gain: Estimate | None
    """Macro F1 less the baseline's, over the people of both; None for the baseline and where no people are
    the same or their folds are not."""
    people: int
    """How many people `gain` is over; 0 where it is None."""
    notes: tuple[str, ...]
    """What must be known to read the line: sentences without their end."""


def score_recipes(roots: Sequence[Path]) -> tuple[list[RecipeScores], list[str]]:
    """Scores of all recipes in some folders, and a line on each that has none.

    Raises:
        ValueError: none has, or the files of one are damaged or of several trainings.
    """
    recipes: dict[str, tuple[TrainedFold, ...]] = {}
    notes = []
    for name, folder in track(find_recipes(roots).items(), "reading runs", "recipes", transient=True):
        try:
            recipes[name] = read_folds(folder)
        except (RunError, DamagedError):
            raise  # what is damaged or mixed is never passed over
        except ValueError as error:
            notes.append(f"{name}: left out: {error}")
    if not recipes:
        raise ValueError(f"nothing to compare: {'; '.join(notes)}")
    groups, kept_apart = group_seeds(recipes)
    named = track(groups.items(), "drawing people", "recipes", transient=True)
    return [score_recipe(name, seeds) for name, seeds in named], [*notes, *kept_apart]


def paired_gain(one: RecipeScores, other: RecipeScores) -> tuple[Estimate, int] | None:
    """The macro F1 of `one` less that of `other`, on the photos that all seeds of both have answered.

    Returns:
        The gain and the number of those photos' people; None where there is no such photo or the two are not
        judged by the same tasks.
    """
    if one.judged != other.judged:
        return None
    tables = [*one.answers, *other.answers]
    common = tables[0].index
    for table in tables[1:]:
        if not table.index.equals(common):
            common = common.intersection(table.index)
    if not len(common):
        return None
    tables = [table[table.index.isin(common)] for table in tables]
    people, tasks = people_of(tables), tasks_of(tables)
    if not tasks:
        return None
    counts = [count_people([table], people, tasks, one.labels) for table in tables]
    mine, others = counts[: len(one.seeds)], counts[len(one.seeds) :]
    return gain([*chain(*mine)], [*chain(*others)]), len(people)


def compare(recipes: Sequence[RecipeScores], baseline: str = "") -> list[Line]:
    """Lines of all recipes: those judged by the same tasks together, the best first.

    Args:
        recipes: at least one.
        baseline: name of a recipe; when empty, the best comparable one of those judged by the same tasks.

    Raises:
        ValueError: a baseline that is not among them.
    """
    ordered = sorted(recipes, key=lambda s: (not s.headline, [*s.judged.items()], -s.macro_f1.value, s.name))
    named = [s for s in ordered if baseline in (s.name, s.name.split(" (")[0])]
    if baseline and not named:
        names = [scores.name for scores in ordered]
        raise ValueError(f"baseline={baseline!r} is not among them: {nearest(baseline, names)}")
    # Ties go to the better one.
    divisions = Counter(tuple(s.folds[0].division.items()) for s in (named[:1] if baseline else ordered))
    reference = dict(divisions.most_common(1)[0][0])
    lines = []
    for scores in ordered:
        alike = [s for s in ordered if s.judged == scores.judged]
        comparable = [s for s in alike if remarks(s, reference)[0]] or alike
        base = next((s for s in named[:1] if baseline and s in alike), comparable[0])
        lines.append(_line(scores, base, reference, _apart_notes(scores, ordered)))
    return lines


def _apart_notes(scores: RecipeScores, others: Sequence[RecipeScores]) -> list[str]:
    """From whom it is judged apart though tasks of both are called the same, and why: one line at most."""
    mine = scores.judged
    for other in others:
        theirs = other.judged
        if any(mine[task] != theirs[task] for task in {*mine} & {*theirs}):
            differing = "; ".join(differences(scores.labels, other.labels))
            return [f"judged apart from {other.name}, whose labels are others: {differing}"]
    return []


def _line(
    scores: RecipeScores, base: RecipeScores, reference: dict[str, object], apart: Sequence[str]
) -> Line:
    comparable, notes = remarks(scores, reference)
    paired = paired_gain(scores, base) if comparable and scores is not base else None
    difference, people = paired or (None, 0)
    return Line(
        scores=scores,
        comparable=comparable,
        baseline=base.name,
        gain=difference,
        people=people,
        notes=(*notes, *apart, *_pair_notes(scores, base, people)),
    )


def _pair_notes(scores: RecipeScores, base: RecipeScores, people: int) -> list[str]:
    """What must be known to read a gain over so many people; 0 where there is no gain."""
    if scores is base:
        return []
    notes = []
    if scores.folds[0].request.cache != base.folds[0].request.cache:
        notes.append(f"trained on another cache than {base.name}")
    if 0 < people < max(len(people_of(s.answers)) for s in (scores, base)):
        notes.append(f"its difference is over the {people} people whom {base.name} has too")
    return notes
