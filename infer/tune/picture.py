"""Fitted values as a picture: each curve with its optimum on all photos and on those of all folds but one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from faces.intervals import estimate
from faces.labels import UNKNOWN, Task
from faces.plots import save_figure
from infer.ensemble.adjust import class_factors
from infer.ensemble.calibration import log_loss, tempered
from infer.ensemble.tree import Node, Override, Vote
from infer.ensemble.vote import Verdict
from infer.evaluate.panels import Scored
from infer.evaluate.picture import draw_reliability
from infer.evaluate.scores import confidence_of
from infer.tune.answered import Answered
from infer.tune.fit import answers_at, thresholds_of
from infer.tune.nested import Tuned
from infer.tune.table import names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 60
"""Thresholds at which the band over people is drawn."""
_ALL, _FOLD, _BEFORE = "tab:red", "black", "tab:gray"
"""Colours of what was fitted on all photos, of each fold's fit, and of what was before."""
_STRENGTHS = np.linspace(0, 2, 21)
"""Powers to which the numbers of adjusted choices are raised: at 0 none is adjusted, at 1 all as fitted."""
_WARMEST = 4.0
"""Temperatures are drawn from 1 / 4 to 4, or as far as those that were fitted."""


@dataclass(frozen=True, kw_only=True)
class PictureData:
    """A tree before and after, and the n photos that it was fitted to."""

    root: Node
    """The tree as it was before."""
    tuned: Tuned
    untuned: Verdict
    """Answers of `root`."""
    given: Answered
    """The photos and what they were answered."""
    scored: Scored
    """The same photos; of them those that are scored."""


def draw_tuning(data: PictureData, title: str, path: Path) -> None:
    """Write a picture: two panels for each fitted vote and override, for adjusted choices, and reliability.

    Args:
        data: what is drawn.
        title: what is shown, with its conditions.
        path: a PNG file.
    """
    before, whole = data.given.fitted_nodes(data.root), data.given.fitted_nodes(data.tuned.whole)
    adjusted = [place for place, (_, node) in enumerate(whole) if isinstance(node, Vote) and node.adjust]
    folds = list(zip(*(data.given.fitted_nodes(tree) for tree in data.tuned.folds.values()), strict=True))
    count = len(before) + len(adjusted) + 1
    figure = Figure(figsize=(14, 4.8 * count + 0.6))
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.15)
    figure.suptitle(title, fontsize=12)
    rows = figure.subplots(count, 2, squeeze=False)
    for axes, (task, old), (_, new), named in zip(rows, before, whole, folds, strict=False):
        fits = [node for _, node in named]
        if isinstance(old, Override) and isinstance(new, Override):
            _draw_threshold(axes, data, task, old, new, [node for node in fits if isinstance(node, Override)])
        elif isinstance(old, Vote) and isinstance(new, Vote):
            votes = [node for node in fits if isinstance(node, Vote)]
            _draw_weights(axes[0], task, old, new, votes)
            _draw_temperature(axes[1], data, task, new, votes)
    for axes, place in zip(rows[len(before) :], adjusted, strict=False):
        _draw_adjusted(axes, data, *whole[place], [node for _, node in folds[place]])
    scored = data.scored
    answers = {"untuned": scored.part(data.untuned), "tuned, nested": scored.part(data.tuned.nested)}
    for place, (name, verdict) in zip(rows[-1], answers.items(), strict=True):
        right = verdict.classes == scored.truth
        draw_reliability(place, scored.person, confidence_of(verdict), right, name)
    save_figure(figure, path, dpi=90)


def _draw_adjusted(
    axes: Sequence[Axes], data: PictureData, task: str, new: Node, folds: Sequence[Node]
) -> None:
    """Draw how often values count, and beside it what follows."""
    if isinstance(new, Vote):
        own = data.given.labels.task(task)
        _draw_times(axes[0], own, new, [node for node in folds if isinstance(node, Vote)])
        _draw_strengths(axes[1], data.given, data.scored, own, new)


def _draw_threshold(
    axes: Sequence[Axes],
    data: PictureData,
    task: str,
    old: Override,
    new: Override,
    folds: Sequence[Override],
) -> None:
    """Draw macro F1 with its band, and beside it what it is traded for."""
    scored = dataclasses.replace(data.scored, task=data.given.labels.task(task))
    rows = np.flatnonzero(scored.known)
    scores = thresholds_of(new, data.given, rows, task)
    places = np.unique(np.linspace(0, len(scores.above) - 1, _POINTS).round().astype(int))
    answers = [answers_at(new, data.given, task, float(scores.above[p]))[rows] for p in places]
    bands = [estimate([scored.counts(each)]) for each in answers]
    macro = f"macro F1, {len(scored.task.classes)} classes"
    left, right = axes
    left.fill_between(
        scores.above[places],
        [band.low for band in bands],
        [band.high for band in bands],
        alpha=0.15,
        label="95 % over people",
    )
    left.plot(scores.above, scores.macro_f1, color="tab:blue")
    left.set_ylabel(macro)
    _mark(left, old.above, new.above, [node.above for node in folds])
    left.set_title(f"threshold of {new.category} by task {new.task}, over the base fitted on all")
    for name, values in {"recall": scores.recall, "precision": scores.precision}.items():
        right.plot(scores.above, values, label=f"{name} of {new.category}")
    right.plot(scores.above, scores.macro_f1, color="black", linestyle="--", label=macro)
    right.axvline(new.above, color=_ALL, linewidth=1)
    right.set_ylim(0, 1)
    right.set_title(f"what is traded: recall, precision and macro F1 ({new.category})")
    for one in (left, right):
        one.set_xlabel("probability above which the answer is changed")
        one.legend(fontsize=9)
        one.grid(alpha=0.3)


def _mark(axes: Axes, old: float, new: float, folds: Sequence[float]) -> None:
    """Mark where a value was, where it is now, and where each fold would have it."""
    axes.axvline(old, color=_BEFORE, linestyle=":", label=f"before: {old:.3f}")
    axes.axvline(new, color=_ALL, linewidth=1.5, label=f"fitted on all: {new:.3f}")
    bottom = axes.get_ylim()[0]
    axes.plot(folds, [bottom] * len(folds), "^", color=_FOLD, clip_on=False, label="fitted without a fold")


def _draw_weights(axes: Axes, task: str, old: Vote, new: Vote, folds: Sequence[Vote]) -> None:
    """Draw each member's share of the vote."""
    names = names_of(old)
    shares = [dict(zip(names_of(vote), vote.shares, strict=True)) for vote in (old, new, *folds)]
    for place, name in enumerate(names):
        before, now, *others = (share.get(name, 0.0) for share in shares)
        first = place == 0
        axes.barh(place, now, color=_ALL, alpha=0.35, label="fitted on all" if first else None)
        axes.plot(before, place, "|", color=_BEFORE, markersize=18, label="before" if first else None)
        label = "fitted without a fold" if first else None
        axes.plot(others, [place] * len(others), "^", color=_FOLD, markersize=5, label=label)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("share of the vote")
    axes.set_title(f"weights ({task})")
    axes.legend(fontsize=9)
    axes.grid(axis="x", alpha=0.3)


def _draw_temperature(axes: Axes, data: PictureData, task: str, new: Vote, folds: Sequence[Vote]) -> None:
    """Draw log-loss at every temperature."""
    truth = data.given.truth(task)
    labelled = truth != UNKNOWN
    plain = data.given.vote(dataclasses.replace(new, temperature=1.0), task).probabilities
    fits = [new.temperature, *(vote.temperature for vote in folds)]
    grid = np.geomspace(min(1 / _WARMEST, *fits), max(_WARMEST, *fits), 80)
    losses = [log_loss(tempered(plain[labelled], t), truth[labelled]) for t in grid]
    axes.plot(grid, losses, color="tab:blue")
    axes.set_xscale("log")
    axes.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    axes.minorticks_off()
    _mark(axes, 1.0, new.temperature, fits[1:])
    axes.set_xlabel("temperature")
    axes.set_ylabel("log-loss")
    axes.set_title(f"temperature of the fitted vote ({task})")
    axes.legend(fontsize=9)
    axes.grid(alpha=0.3)


def _draw_times(axes: Axes, task: Task, fitted: Vote, folds: Sequence[Vote]) -> None:
    """Draw how many times each value counts, fitted on all and without each fold."""
    names = [(part.factor.name, value) for part in task.parts for value in part.classes]
    now, *others = (
        {(factor, value): times for factor, values in vote.adjust for value, times in values}
        for vote in (fitted, *folds)
    )
    axes.barh(range(len(names)), [now.get(name, 1.0) for name in names], color=_ALL, alpha=0.35)
    for number, other in enumerate(others):
        label = None if number else "fitted without a fold"
        axes.plot(
            [other.get(name, 1.0) for name in names], range(len(names)), "k^", markersize=5, label=label
        )
    axes.axvline(1, color=_BEFORE, linestyle=":", label="not adjusted")
    axes.set_yticks(range(len(names)), [f"{factor} {value}" for factor, value in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("times that a value's probability counts in the choice")
    axes.set_title(f"adjusted choices ({task.name})")
    axes.legend(fontsize=9)
    axes.grid(axis="x", alpha=0.3)


def _draw_strengths(axes: Axes, given: Answered, scored: Scored, task: Task, fitted: Vote) -> None:
    """Draw the macro F1 of choices that are adjusted less and more."""
    scored = dataclasses.replace(scored, task=task)
    plain = given.vote(dataclasses.replace(fitted, adjust=()), task.name).probabilities[scored.known]
    times = np.asarray(class_factors(fitted, task))
    found = [estimate([scored.counts((plain * times**power).argmax(1))]) for power in _STRENGTHS]
    axes.fill_between(
        _STRENGTHS, [e.low for e in found], [e.high for e in found], alpha=0.15, label="95 % over people"
    )
    axes.plot(
        _STRENGTHS, [e.value for e in found], color="tab:blue", label="macro F1 on the photos fitted on"
    )
    axes.axvline(1, color=_ALL, label="fitted on all")
    axes.axvline(0, color=_BEFORE, linestyle=":", label="not adjusted")
    axes.set_xlabel("power of the adjustment")
    axes.set_ylabel(f"macro F1, {len(task.classes)} classes")
    axes.set_title(f"macro F1 of adjusted choices ({task.name})")
    axes.legend(fontsize=9)
    axes.grid(alpha=0.3)
