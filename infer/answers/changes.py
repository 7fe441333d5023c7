"""What changed from one set of predictions to another, photo by photo and counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faces.foreign.photos import some
from faces.labelling.kept import differences
from faces.labels import CONTEST, IntArray, LabelSet, Task
from faces.projection import split_classes
from infer.answers.submission import is_submitted
from infer.answers.submission_checks import changed_notes, read_submission
from infer.answers.written import BASIS, TABLE, read_written


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two predictions."""

    name: str
    table: pd.DataFrame
    """ImageID, ans and, where there are any, probabilities in `task.columns`."""
    task: Task
    labels: LabelSet
    cache: str = ""
    """Identity of the cache whose photos are answered; "" where that is not known."""


def read_side(path: Path, notes: list[str] | None = None) -> Side:
    """Predictions to compare: of the contest's classes the answers of submission.csv, with the probabilities
    beside it, if there are any.

    Args:
        path: a predictions folder, or a submission.csv.
        notes: gets sentences on files that are not as they were written, and on what was found out of a text.

    Raises:
        ValueError: no predictions, or probabilities of other photos.
    """
    notes = [] if notes is None else notes
    file = path / TABLE
    if not file.is_file() and not (path / BASIS).is_file():
        contest = CONTEST.task(CONTEST.headline)
        return Side(name=str(path), table=read_submission(path, notes), task=contest, labels=CONTEST)
    written = read_written(path)
    notes += changed_notes(path)
    table = written.table[["ImageID", "ans", *written.task.columns]]
    if is_submitted(written.task):
        submission = read_submission(path, notes)
        if set(table.ImageID) != set(submission.ImageID):
            raise ValueError(
                f"{file}: of other photos than submission.csv beside it; predict again, or give the CSV alone"
            )
        table = submission.merge(table.drop(columns="ans"), on="ImageID")
    return Side(
        name=str(path), table=table, task=written.task, labels=written.labels, cache=written.entries.cache
    )


def check_same_space(first: Side, second: Side) -> None:
    """Refuse sides that answer different things.

    Raises:
        ValueError: naming both sides, and what each answers.
    """
    if first.task.parts == second.task.parts:
        return
    alike = first.task.factors == second.task.factors and first.task.sizes == second.task.sizes
    what = "; ".join(differences(second.labels, first.labels)) if alike else ""
    raise ValueError(
        f"{first.name} answers {first.task.name}, {second.name} {second.task.name}"
        f"{f', whose factors are not alike ({what})' if what else ''}: only predictions of the same task of "
        'the same labels can be compared; an ensemble\'s file names what it answers, task = "..."'
    )


def pair_up(first: pd.DataFrame, second: pd.DataFrame, task: Task, names: tuple[str, str]) -> pd.DataFrame:
    """Both sides' answers to each photo.

    Args:
        first: of a `Side`.
        second: of a `Side`; its photos may be in another order.
        task: that both answer.
        names: the sides' names, for the message.

    Returns:
        One row a photo in the first side's order: ImageID; first and second (classes of the task);
        first_probability and second_probability, which a side gives to its own answer; shift, the total
        variation distance of the two sides' probabilities in [0, 1] (half the sum of absolute differences);
        NaN where a side has no probabilities; and changed, the factors that differ: "", "age",
        "mask, gender", ...

    Raises:
        ValueError: a photo that only one side answers.
    """
    _check_same_photos(first, second, names)
    second = second.set_index("ImageID").loc[first.ImageID].reset_index()
    before, after = split_classes(first["ans"], task), split_classes(second["ans"], task)
    differs = np.stack([before[factor] != after[factor] for factor in task.factors], 1)
    one, other = (side.reindex(columns=task.columns).to_numpy(np.float64) for side in (first, second))
    rows = np.arange(len(first))
    return pd.DataFrame(
        {
            "ImageID": first["ImageID"],
            "first": first["ans"],
            "second": second["ans"],
            "first_probability": one[rows, first["ans"]],
            "second_probability": other[rows, second["ans"]],
            "shift": np.abs(one - other).sum(1) / 2,
            "changed": [", ".join(np.array(task.factors)[row]) for row in differs],
        }
    )


def _check_same_photos(first: pd.DataFrame, second: pd.DataFrame, names: tuple[str, str]) -> None:
    lacking = []
    for name, here, there in ((names[0], first, second), (names[1], second, first)):
        only = here.ImageID[~here.ImageID.isin(there.ImageID)].tolist()
        if only:
            lacking.append(f"{len(only):,} of {len(here):,} only in {name} ({some(only)})")
    if lacking:
        raise ValueError(
            f"not answers to the same photos: {' and '.join(lacking)}; compare predictions of one cache"
        )


def changed_and_kappa(first: IntArray, second: IntArray, class_count: int) -> tuple[int, float]:
    """How many photos are answered differently, and Cohen's kappa (1960): NaN where both sides answer one and
    the same class throughout, since chance agrees just as well then."""
    from sklearn.metrics import (
        cohen_kappa_score,
    )  # as scipy takes a second to import, for which --help should not wait

    changed = int((first != second).sum())
    if len({*first.tolist(), *second.tolist()}) == 1:
        return changed, float("nan")
    return changed, float(cohen_kappa_score(first, second, labels=np.arange(class_count)))


def factor_changes(pairs: pd.DataFrame, task: Task) -> pd.DataFrame:
    """Every change of a factor in `pair_up`'s table: factor, before, after (names), count;
    within a factor the most frequent first."""
    before, after = split_classes(pairs["first"], task), split_classes(pairs["second"], task)
    parts = []
    for factor, names in zip(task.factors, (part.classes for part in task.parts), strict=True):
        ways = pd.DataFrame({"before": before[factor], "after": after[factor]})
        ways = _counted(ways[ways.before != ways.after])
        named = {side: [names[code] for code in ways[side]] for side in ("before", "after")}
        parts.append(ways.assign(factor=factor, **named))
    return pd.concat(parts, ignore_index=True)[["factor", "before", "after", "count"]]


def class_changes(pairs: pd.DataFrame) -> pd.DataFrame:
    """Every change of class in `pair_up`'s table: before, after (codes), count; the most frequent first."""
    ways = pairs[["first", "second"]].set_axis(["before", "after"], axis=1)
    return _counted(ways[ways.before != ways.after])


def _counted(ways: pd.DataFrame) -> pd.DataFrame:
    counts = ways.groupby(["before", "after"]).size().reset_index(name="count")
    return counts.sort_values("count", ascending=False, kind="stable", ignore_index=True)


@dataclass(frozen=True)
class RightCounts:
    """How often each side is right on photos that the sides answer differently."""

    first: int
    """Photos on which only the first is right."""
    second: int
    """Photos on which only the second is right."""
    neither: int
    """Photos on which both are wrong, each in its way."""

    @property
    def p_value(self) -> float:
        """McNemar's exact test (1947): the probability of at least so uneven a split of the photos that one
        side has right, were both sides equally good. It takes photos as independent; those of one person are
        not, so it is rather too small. 1 and 7 give 18 / 256."""
        decided = self.first + self.second
        from scipy.stats import binomtest

        return float(binomtest(self.first, decided).pvalue) if decided else 1.0


def count_right(pairs: pd.DataFrame, truth: IntArray) -> RightCounts:
    """Count which side is right, over `pair_up`'s photos with different answers.

    Args:
        pairs: n photos.
        truth: [n] classes, `UNKNOWN` where not known; such photos are left out.
    """
    moved = ((pairs["first"] != pairs["second"]) & (truth >= 0)).to_numpy()
    first, second = (pairs[side].to_numpy()[moved] == truth[moved] for side in ("first", "second"))
    return RightCounts(int(first.sum()), int(second.sum()), int((~first & ~second).sum()))
