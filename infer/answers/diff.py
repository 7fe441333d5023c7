"""`python -m infer.answers.diff`: what changed between two predictions, in numbers and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from faces.cache.reader import Cache
from faces.command import run_command
from faces.terminal.output import print_notes
from infer.answers.changes import check_same_space, count_right, pair_up, read_side
from infer.answers.diff_table import (
    agreement_table,
    class_table,
    difference_intervals,
    factor_table,
    right_table,
    sides_table,
)
from infer.answers.known import Known, read_networks, read_people, read_truth
from infer.answers.submission import NETWORKS


@dataclass(frozen=True, kw_only=True)
class DiffSettings:
    """Say what changed from one set of predictions to another of the same task.

    Prints how many answers changed, which way by factor and by class, and Cohen's kappa; with the true
    answers also which side is right where they differ. With a cache, draws the changed photos.

    Example: make diff FIRST=predictions/quick SECOND=predictions/best CACHE=caches/new
    """

    first: Path
    """A predictions folder, or a submission.csv alone, which has no probabilities."""
    second: Path
    """What to compare with it: the same, of answers to the same photos."""
    cache: Path | None = None
    """The cache that was predicted, for the picture."""
    answers: Path | None = None
    """Table with the column ImageID (or path) and, for each factor that was answered, a column of its name in
    words, codes or numbers; or ans, the true class (the contest's 0-17). With person too, intervals are
    printed."""
    picture: Path | None = None
    """PNG file to write; left out, diff-<first>.png beside the second predictions."""


def run(settings: DiffSettings) -> None:
    """Compare, print and draw."""
    # matplotlib takes a second to import, for which --help should not wait.
    from infer.answers.diff_sheet import check_held, draw_changes

    names = str(settings.first), str(settings.second)
    notes: list[str] = []
    one, other = (read_side(path, notes) for path in (settings.first, settings.second))
    check_same_space(one, other)
    first, second, task = one.table, other.table, one.task
    pairs = pair_up(first, second, task, names)
    truth = read_truth(settings.answers, pairs, task, one.labels, notes) if settings.answers else None
    cache = Cache.open(settings.cache) if settings.cache else None
    if cache:
        check_held(cache, pairs, (one, other))
    console = Console(markup=False)
    print_notes(notes)
    if first.ImageID.tolist() != second.ImageID.tolist():
        warning = f"warning: {names[1]} has the photos in another order than {names[0]}; "
        cure = "`python -m infer.answers.check` tells which of them has that of info.csv"
        console.print(warning + cure, style="yellow", highlight=False, soft_wrap=True)
    console.print(agreement_table(pairs, task, names))
    if truth is not None and settings.answers:
        alone = read_networks(
            settings.second / NETWORKS, pairs[["ImageID"]].assign(ans=pairs["second"]), len(task.classes)
        )
        console.print(sides_table(pairs, truth, names, alone))
        people = read_people(settings.answers, pairs)
        if people is not None:
            line = difference_intervals(pairs, alone, Known(truth, people))
            console.print(line, highlight=False, soft_wrap=True)
    if not pairs.changed.any():
        return
    console.print(
        factor_table(pairs, task), *([class_table(pairs, task)] if len(task.parts) > 1 else []), sep="\n"
    )
    if truth is not None:
        console.print(right_table(pairs, truth.classes))
        p_value = count_right(pairs, truth.classes).p_value
        console.print(
            f"McNemar's exact test, photos taken as independent: p = {p_value:.3g}", highlight=False
        )
    if cache is None:
        console.print("no picture: give the cache that was predicted, --cache")
        return
    path = settings.picture or _beside(settings.second) / f"diff-{_stem(settings.first)}.png"
    shown = draw_changes(
        cache, pairs if truth is None else pairs.assign(truth=truth.classes), task, path, names
    )
    console.print(f"picture of {shown} changed photos: {path}", highlight=False, soft_wrap=True)


def _beside(submission: Path) -> Path:
    """The folder of a submission."""
    return submission if submission.is_dir() else submission.parent


def _stem(submission: Path) -> str:
    """`small` of predictions/small, and of predictions/small/submission.csv too."""
    if submission.is_dir() or submission.stem == "submission":
        return _beside(submission).resolve().name
    return submission.stem


def main() -> None:
    """`python -m infer.answers.diff`."""
    run_command(DiffSettings, run)


if __name__ == "__main__":
    main()
