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
from faces.labels import UNKNOWN
from faces.plots import save_figure
from infer.ensemble.calibration import log_loss, tempered
from infer.ensemble.tree import Node, Override, Vote
from infer.ensemble.vote import Verdict
from infer.evaluate.panels import Scored
from infer.evaluate.picture import draw_reliability
from infer.evaluate.scores import confidence_of
from infer.tune.answered import Answered
from infer.tune.fit import flips_of, thresholds_of
from infer.tune.nested import Tuned
from infer.tune.table import names_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINTS = 60
"""Thresholds at which the band over people is drawn."""
_ALL, _FOLD, _BEFORE = "tab:red", "black", "tab:gray"
"""Colours of what was fitted on all photos, of each fold's fit, and of what was before."""
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
    """Write a picture: two panels for each fitted vote and override, and reliability before and after.

    Args:
        data: what is drawn.
        title: what is shown, with its conditions.
        path: a PNG file.
    """
    before, whole = data.given.fitted_nodes(data.root), data.given.fitted_nodes(data.tuned.whole)
    folds = list(zip(*(data.given.fitted_nodes(tree) for tree in data.tuned.folds.values()), strict=True))
    figure = Figure(figsize=(14, 4.8 * (len(before) + 1) + 0.6))
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.15)
    figure.suptitle(title, fontsize=12)
    rows = figure.subplots(len(before) + 1, 2, squeeze=False)
    for axes, (task, old), (_, new), named in zip(rows, before, whole, folds, strict=False):
        fits = [node for _, node in named]
        if isinstance(old, Override) and isinstance(new, Override):
            _draw_threshold(axes, data, task, old, new, [node for node in fits if isinstance(node, Override)])
        elif isinstance(old, Vote) and isinstance(new, Vote):
            votes = [node for node in fits if isinstance(node, Vote)]
            _draw_weights(axes[0], task, old, new, votes)
            _draw_temperature(axes[1], data, task, new, votes)
    scored = data.scored
    answers = {"untuned": scored.part(data.untuned), "tuned, nested": scored.part(data.tuned.nested)}
    for place, (name, verdict) in zip(rows[-1], answers.items(), strict=True):
        right = verdict.classes == scored.truth
        draw_reliability(place, scored.person, confidence_of(verdict), right, name)
    save_figure(figure, path, dpi=90)


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
    flips, scores = flips_of(new, data.given, task).part(rows), thresholds_of(new, data.given, rows, task)
    places = np.unique(np.linspace(0, len(scores.above) - 1, _POINTS).round().astype(int))
    bands = [estimate([scored.counts(flips.answers(scores.above[p]))]) for p in places]
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
