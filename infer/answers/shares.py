"""How often each class was answered, beside how often training photos had it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from rich.table import Table
from scipy.stats import beta

from faces.labels import FloatArray, IntArray, Task
from faces.projection import split_classes
from infer.answers.words import headings, part_shares

PHOTOS_A_PERSON = 7
"""Photos of a person in the contest. Photos of one person are much alike, so that so many count as one draw;
who is on which photo is not known of new ones."""
CONFIDENCE = 0.99
"""Confidence of each interval. A row must differ by `RATIO` too, so chance marks fewer than 1 row in 100."""
RATIO = 2.0
"""Shares that differ by less are not marked, however sure the difference."""


def class_shares(answers: IntArray, prior: FloatArray, task: Task) -> pd.DataFrame:
    """Counts and shares of every value of each factor and of every class, beside the training photos' shares.

    A share is unlike the training photos' if the two differ by more than a factor of `RATIO` and the latter
    lies outside the former's Clopper-Pearson interval (1934) with the number of photos divided by
    `PHOTOS_A_PERSON` (Korn and Graubard, Survey Methodology 24, 1998) and confidence `CONFIDENCE`:
    7 of 70 photos count as 1 of 10.

    Args:
        answers: [n] classes, n at least 1.
        prior: [classes] shares of the training photos.
        task: what was answered.

    Returns:
        Rows of each factor (26 of the contest's classes): group (the factor, or class of a task of several),
        name, count, share, training (shares in [0, 1]) and unlike.
    """
    rows = pd.DataFrame(_counts(answers, prior, task), columns=["group", "name", "count", "training"])
    rows["share"] = rows["count"] / len(answers)
    draws, hits = len(answers) / PHOTOS_A_PERSON, rows["count"] / PHOTOS_A_PERSON
    tail = (1 - CONFIDENCE) / 2
    # With no hits, or nothing but hits, one side of the interval is open and has no beta distribution.
    low = np.where(hits > 0, beta.ppf(tail, hits, draws - hits + 1), 0)
    high = np.where(hits < draws, beta.ppf(1 - tail, hits + 1, draws - hits), 1)
    more = (rows.training < low) & (rows.share > RATIO * rows.training)
    less = (rows.training > high) & (RATIO * rows.share < rows.training)
    return rows.assign(unlike=more | less)[["group", "name", "count", "share", "training", "unlike"]]


def _counts(answers: IntArray, prior: FloatArray, task: Task) -> Iterator[tuple[str, str, int, float]]:
    given, shares = split_classes(answers, task), part_shares(prior[None], task)
    for heading, part, (known,) in zip(headings(task), task.parts, shares, strict=True):
        for code, name in enumerate(part.classes):
            yield heading, name, int((given[part.factor.name] == code).sum()), float(known[code])
    if len(task.parts) > 1:
        for code, name in enumerate(task.classes):
            yield "class", name, int((np.asarray(answers) == code).sum()), float(prior[code])


def shares_table(table: pd.DataFrame, prior: FloatArray, task: Task) -> Table:
    """`class_shares` of a table of answers, for the terminal; unlike rows are marked with * and in yellow."""
    rows = class_shares(table["ans"].to_numpy(np.int64), prior, task)
    shown = Table(title=f"the {len(table):,} answers beside the training photos", title_justify="left")
    for column in ("", "", "photos", "share", "training", ""):
        shown.add_column(column, justify="right" if column else "left")
    for group, part in rows.groupby("group", sort=False):
        shown.add_section()
        for place, row in enumerate(part.to_dict("records")):
            shown.add_row(
                str(group) if not place else "",
                row["name"],
                f"{row['count']:,}",
                f"{row['share']:.1%}",
                f"{row['training']:.1%}",
                "*" if row["unlike"] else "",
                style="yellow" if row["unlike"] else None,
            )
    if rows.unlike.any():
        shown.caption = (
            f"* unlike training by a factor of {RATIO:g} or more, and by more than chance explains even if "
            f"people have {PHOTOS_A_PERSON} photos each, always answered alike"
        )
        shown.caption_justify = "left"
    return shown
