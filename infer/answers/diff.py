"""`python -m infer.answers.diff`: what changed from one submission to another, in numbers and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from faces.cache import Cache
from faces.command import run_command
from infer.answers.changes import count_right, pair_up, read_side
from infer.answers.diff_sheet import check_held, draw_changes
from infer.answers.diff_table import (
    agreement_table,
    class_table,
    difference_intervals,
    factor_table,
    right_table,
    sides_table,
)
from infer.answers.known import Known, read_networks, read_people, read_truth


@dataclass(frozen=True, kw_only=True)
class DiffSettings:
    """Say what changed from one submission to another.

    Prints how many answers changed, which way by factor and by class, and Cohen's kappa; with the true
    answers also which side is right where they differ. With a cache, draws the changed photos.
    """

    first: Path
    """A predictions folder, or a submission.csv alone, which has no probabilities."""
    second: Path
    """What to compare with it: the same, of answers to the same photos."""
    cache: Path | None = None
    """The cache that was predicted, for the picture."""
    answers: Path | None = None
    """CSV with the columns ImageID and ans (the true class, 0-17); with person too, intervals are printed."""
    picture: Path | None = None
    """PNG file to write; left out, diff-<first>.png beside the second submission."""


def run(settings: DiffSettings) -> None:
    """Compare, print and draw."""
    names = str(settings.first), str(settings.second)
    first, second = read_side(settings.first), read_side(settings.second)
    pairs = pair_up(first, second, names)
    truth = read_truth(settings.answers, pairs) if settings.answers else None
    cache = Cache.open(settings.cache) if settings.cache else None
    if cache:
        check_held(cache, pairs)
    console = Console()
    if first.ImageID.tolist() != second.ImageID.tolist():
        warning = f"warning: {names[1]} has the photos in another order than {names[0]}; "
        cure = "`python -m infer.answers.check` tells which of them has that of info.csv"
        console.print(warning + cure, style="yellow", highlight=False, soft_wrap=True)
    console.print(agreement_table(pairs, names))
    if truth is not None and settings.answers:
        alone = read_networks(
            settings.second / "networks.parquet", pairs[["ImageID"]].assign(ans=pairs["second"])
        )
        console.print(sides_table(pairs, truth, names, alone))
        people = read_people(settings.answers, pairs)
        if people is not None:
            line = difference_intervals(pairs, alone, Known(truth, people))
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not pairs.changed.any():
        return
    console.print(factor_table(pairs), class_table(pairs), sep="\n")
    if truth is not None:
        console.print(right_table(pairs, truth))
        p_value = count_right(pairs, truth).p_value
        console.print(
            f"McNemar's exact test, photos taken as independent: p = {p_value:.3g}", highlight=False
        )
    if cache is None:
        console.print("no picture: give the cache that was predicted, --cache")
        return
    path = settings.picture or _beside(settings.second) / f"diff-{_stem(settings.first)}.png"
    shown = draw_changes(cache, pairs if truth is None else pairs.assign(truth=truth), path, names)
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
