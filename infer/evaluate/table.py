"""An evaluation as tables, in the terminal and on a page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.factors import Number
from faces.intervals import DRAWS, Estimate
from faces.labels import Task
from faces.terminal.output import print_whole
from infer.ensemble.calibration import BINS
from infer.evaluate.scores import Group, Scores

MOST_NAMED = 5
"""Classes without a photo that are named; of more, how many there are."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A recipe of the ensemble that alone tells the task that is voted on."""

    recipe: str
    macro_f1: Estimate
    accuracy: Estimate
    gain: Estimate
    """Macro F1 of the ensemble less this recipe's, paired."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """What the ensemble's views are worth beside the original photo alone."""

    names: tuple[str, ...]
    images: int
    """Images that a network sees of a photo with these views, over all recipes; alone it is one a recipe."""
    original_images: int
    macro_f1: Estimate
    """Macro F1 of the original alone."""
    gain: Estimate
    """Macro F1 with the views less that, paired."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of an ensemble out of fold, and what they are compared with."""

    ensemble: str
    conditions: Mapping[str, str]
    """What a reader of the scores must know, by name."""
    scores: Scores
    ece: float
    """Expected calibration error over `BINS` bins of equally many photos."""
    log_loss: float
    members: tuple[Member, ...]
    """Recipes that alone tell the task voted on, the best first; none where the ensemble has one recipe."""
    views: Views | None
    """What its views gain; None where it has the original alone."""


@dataclass(frozen=True)
class Section:
    """A table of texts."""

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def sections(evaluation: Evaluation, task: Task) -> list[Section]:
    """All tables of an evaluation, the most important first.

    Args:
        evaluation: what is shown.
        task: the task that was voted on.
    """
    scores = evaluation.scores
    found = [
        _whole(evaluation),
        *([_members(evaluation)] if evaluation.members else []),
        *([_views(evaluation.views)] if evaluation.views else []),
        *(_groups(_last_band(task, factor), [group]) for factor, group in scores.last_bands.items()),
        _classes(scores.classes, task),
        *(_groups(f"photos by {factor}", groups) for factor, groups in scores.slices.items()),
    ]
    if not scores.slices:
        return found
    note = (
        "macro_f1 of photos by a factor is over the classes of the other factors: compare within a table only"
    )
    return [*found[:-1], dataclasses.replace(found[-1], note=note)]


def _last_band(task: Task, factor: str) -> str:
    """Heading of the scores of a number's last band."""
    [part] = [part for part in task.parts if part.factor.name == factor]
    assert isinstance(part.factor, Number)
    edge = f"{part.edges[-1]:g}"
    years = part.factor.unit == "years"
    who = f"people of {edge} and older" if years else f"photos with {factor} of {edge} and more"
    return f"{who}, as one class whatever the other factors"


def _whole(evaluation: Evaluation) -> Section:
    overall = evaluation.scores.overall
    rows = [(name, str(value)) for name, value in overall.scores.items()]
    rows += [
        (f"calibration error (ECE, {BINS} bins of equal mass)", f"{evaluation.ece:.3f}"),
        ("log-loss", f"{evaluation.log_loss:.3f}"),
    ]
    title = f"{evaluation.ensemble}, out of fold: {overall.photos:,} photos of {overall.people:,} people"
    caution = overall.scores["macro_f1"].caution
    note = f"in brackets 95 % intervals over people, {DRAWS:,} draws{caution and f'; {caution}'}"
    return Section(title, ("", "score"), rows, note)


def _members(evaluation: Evaluation) -> Section:
    rows = [
        (member.recipe, str(member.macro_f1), str(member.accuracy), member.gain.signed)
        for member in evaluation.members
    ]
    header = ("recipe alone", "macro_f1", "accuracy", "gain of the ensemble")
    note = "gains are paired; the best recipe was picked by these very scores, which flatters it"
    return Section("members", header, rows, note)


def _views(views: Views) -> Section:
    rows = [
        ("original", str(views.macro_f1), "", f"{views.original_images}"),
        (" + ".join(views.names), "as above", views.gain.signed, f"{views.images}"),
    ]
    note = (
        "images are those that networks see of one photo; each fold that votes costs as many. Runs with keep "
        '= "best" have their epoch picked by the original alone, which flatters that line'
    )
    return Section("views", ("views", "macro_f1", "gain", "images a photo"), rows, note)


def _groups(title: str, groups: Sequence[Group]) -> Section:
    rows = [
        (group.name, f"{group.photos:,}", f"{group.people:,}", *map(str, group.scores.values()))
        for group in groups
    ]
    return Section(title, ("", "photos", "people", *groups[0].scores), rows)


def _classes(groups: Sequence[Group], task: Task) -> Section:
    """F1 of each class, and how many classes no photo is of."""
    shown = {group.name for group in groups}
    missing = [name for name in task.classes if name not in shown]
    first = ", ".join(missing[:MOST_NAMED]) + (", …" if len(missing) > MOST_NAMED else "")
    of = f"{len(missing)} of {len(task.classes)} classes"
    note = f"no photo is of {of}: {first}; macro F1 counts such a class only where it was answered"
    return dataclasses.replace(_groups("classes", groups), note=note if missing else "")


def print_sections(shown: Sequence[Section], console: Console) -> None:
    """Print tables, each with its note."""
    for section in shown:
        table = Table(title=section.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for place, name in enumerate(section.header):
            table.add_column(name, justify="right" if place else "left", no_wrap=True)
        for row in section.rows:
            table.add_row(*row)
        print_whole(table, console)
        if section.note:
            console.print(section.note, highlight=False, soft_wrap=True, style="dim")
