"""The command that says what changed from one submission to another, in numbers and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.command import run_command
from faces.labels import CLASS_COUNT, CLASS_NAMES, IntArray, split_classes
from faces.scores import class_scores
from infer.answers.changes import agreement, class_changes, factor_changes, pair_up, read_side, settle
from infer.answers.diff_sheet import check_held, draw_changes
from infer.answers.known import Known, mean_scores, read_answers, read_networks, read_people
from infer.ensemble.tree import FACTORS

COMMONEST = 12
"""Changes of class that are printed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
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
    """CSV with the columns ImageID and ans (the true class, 0-17); with person too, intervals are told."""
    picture: Path | None = None
    """PNG file to write; left out, diff-<first>.png beside the second submission."""


def run(settings: Settings) -> None:
    """Compare, print and draw."""
    names = str(settings.first), str(settings.second)
    first, second = read_side(settings.first), read_side(settings.second)
    pairs = pair_up(first, second, names)
    truth = read_answers(settings.answers, pairs) if settings.answers else None
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
        console.print(scores_table(pairs, truth, names, alone))
        people = read_people(settings.answers, pairs)
        if people is not None:
            told = interval_line(pairs, alone, Known(truth, people))
            console.print(told, highlight=False, markup=False, soft_wrap=True)
    if not pairs.changed.any():
        return
    console.print(factor_table(pairs), class_table(pairs), sep="\n")
    if truth is not None:
        console.print(settled_table(pairs, truth))
        p_value = settle(pairs, truth).p_value
        console.print(
            f"McNemar's exact test, photos taken as independent: p = {p_value:.3g}", highlight=False
        )
    if cache is None:
        console.print("no picture: give the cache that was predicted, --cache")
        return
    path = settings.picture or _beside(settings.second) / f"diff-{_stem(settings.first)}.png"
    shown = draw_changes(cache, pairs if truth is None else pairs.assign(truth=truth), path, names)
    console.print(f"picture of {shown} changed photos: {path}", highlight=False, soft_wrap=True)


def agreement_table(pairs: pd.DataFrame, names: tuple[str, str]) -> Table:
    """How many answers changed, and Cohen's kappa, of the class and of each factor."""
    shown = _table(
        f"from {names[0]} to {names[1]}: {len(pairs):,} photos", "", "changed", "same", "Cohen's kappa"
    )
    before, after = split_classes(pairs["first"]), split_classes(pairs["second"])
    sides = {"class": (pairs["first"].to_numpy(), pairs["second"].to_numpy(), CLASS_COUNT)}
    sides |= {factor: (before[factor], after[factor], len(FACTORS[factor])) for factor in FACTORS}
    for name, (one, other, count) in sides.items():
        changed, kappa = agreement(one, other, count)
        told = "undefined" if np.isnan(kappa) else f"{kappa:.4f}"
        shown.add_row(name, f"{changed:,}", f"{1 - changed / len(pairs):.2%}", told)
    return shown


def scores_table(
    pairs: pd.DataFrame, truth: IntArray, names: tuple[str, str], alone: Sequence[IntArray]
) -> Table:
    """Macro F1 and accuracies of both sides, what the second has more, and one network of the second."""
    scores = [class_scores(truth, pairs[side]) for side in ("first", "second")]
    shown = _table("against the answers", "", *scores[0])
    for name, row in zip(names, scores, strict=True):
        shown.add_row(name, *(f"{value:.4f}" for value in row.values()))
    shown.add_row("difference", *(f"{scores[1][key] - scores[0][key]:+.4f}" for key in scores[0]))
    if len(alone) > 1:
        means = mean_scores(truth, alone)
        shown.add_section()
        shown.add_row(f"one network, mean of {len(alone)}", *(f"{v:.4f}" for v in means.values()))
        shown.add_row("less the first", *(f"{means[key] - scores[0][key]:+.4f}" for key in means))
    return shown


def interval_line(pairs: pd.DataFrame, alone: Sequence[IntArray], known: Known) -> str:
    """Paired intervals of what the second has more macro F1 than the first, and one network of it."""
    first, second = (pairs[side].to_numpy(np.int64) for side in ("first", "second"))
    told = f"macro F1: difference {known.told([second], less=[first])}"
    if len(alone) > 1:
        told += f", one network less the first {known.told(alone, less=[first])}"
    return f"{told}: 95 % intervals over {known.number} people"


def factor_table(pairs: pd.DataFrame) -> Table:
    """Which masks, genders and age bands became which."""
    ways = factor_changes(pairs)
    shown = _table("changes by factor", "", "photos", "<from", "<to")
    for factor, part in ways.groupby("factor", sort=False):
        shown.add_section()
        shown.add_row(str(factor), f"{part['count'].sum():,}", style="bold")
        for way in part.to_dict("records"):
            shown.add_row("", f"{way['count']:,}", way["before"], way["after"])
    return shown


def class_table(pairs: pd.DataFrame) -> Table:
    """The most frequent changes of class."""
    ways = class_changes(pairs)
    few = ways.head(COMMONEST)
    of = f"the {len(few)} most frequent of {len(ways)} " if len(few) < len(ways) else ""
    shown = _table(f"{of}changes of class", "<from", "<to", "photos")
    for before, after, count in few[["before", "after", "count"]].to_numpy(np.int64).tolist():
        shown.add_row(CLASS_NAMES[before], CLASS_NAMES[after], f"{count:,}")
    return shown


def settled_table(pairs: pd.DataFrame, truth: IntArray) -> Table:
    """Who is right on the changed photos, by what changed."""
    shown = _table("who is right on the changed photos", "", "photos", "first", "second", "neither")
    for changed, part in pairs[pairs.changed != ""].groupby("changed"):
        who = settle(part, truth[part.index])
        shown.add_row(str(changed), *map(str, (len(part), who.first, who.second, who.neither)))
    who = settle(pairs, truth)
    shown.add_section()
    total = who.first + who.second + who.neither
    shown.add_row("all", *(f"{count:,}" for count in (total, who.first, who.second, who.neither)))
    return shown


def _table(title: str, *columns: str) -> Table:
    """A table whose first column, and those that begin with <, are aligned to the left."""
    shown = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        left = place == 0 or column.startswith("<")
        shown.add_column(column.removeprefix("<"), justify="left" if left else "right")
    return shown


def _beside(submission: Path) -> Path:
    return submission if submission.is_dir() else submission.parent


def _stem(submission: Path) -> str:
    """`small` of predictions/small, and of predictions/small/submission.csv too."""
    if submission.is_dir() or submission.stem == "submission":
        return _beside(submission).resolve().name
    return submission.stem


def main() -> None:
    """`python -m infer.answers.diff`."""
    run_command(Settings, run)


if __name__ == "__main__":
    main()
