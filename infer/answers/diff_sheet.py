"""The photos that two submissions answer differently, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from faces.cache.reader import Cache
from faces.foreign.photos import some
from faces.labels import UNKNOWN, Task
from faces.plots import class_names, save_figure
from infer.answers.changes import Side, factor_changes

MOST_DRAWN = 60
"""Largest number of photos in a picture."""
_COLUMNS = 8
_CELL, _GAP = 1.9, 0.2
"""Inches of a photo's width, and between two."""
_LINE, _HEADING, _TOP = 0.215, 0.42, 1.0
"""Inches of an answer's height, of the heading of a group, and of the picture's own heading."""
_LETTERS = 25
"""Letters that stand beside a probability; longer names are written smaller."""
_INK = {"first": ("#0b5394", "#bfdcf5"), "second": ("#9a4f00", "#fbd3a0")}
"""Dark and light colour of each side."""
_WRONG, _PLAIN = "#b00020", "#888888"


def check_held(cache: Cache, pairs: pd.DataFrame, sides: Sequence[Side] = ()) -> None:
    """Refuse a cache that was not what both sides answered.

    Args:
        cache: the cache whose crops are to be drawn.
        pairs: from `pair_up`.
        sides: that were paired; each may be of a cache of its own, with other crops of the same photos.

    Raises:
        ValueError: photos that the cache neither holds nor rejected, or a cache that is none of the sides'.
    """
    if sides and all(side.cache for side in sides) and cache.identity not in [side.cache for side in sides]:
        names = " or ".join(side.name for side in sides)
        raise ValueError(f"{cache.folder}: not the cache whose photos {names} answers; give that one")
    held = {*cache.columns("image_id").image_id, *cache.rejects.image_id}
    stray = [photo for photo in pairs.ImageID if photo not in held]
    if stray:
        raise ValueError(
            f"{cache.folder}: does not hold {len(stray):,} of the {len(pairs):,} photos compared "
            f"({some(stray)}); give the cache that was predicted"
        )


def choose_changed(pairs: pd.DataFrame, most: int = MOST_DRAWN) -> pd.DataFrame:
    """The changed photos to draw.

    Args:
        pairs: from `pair_up`.
        most: photos at most. Groups of equal `changed`, larger ones first, take turns of a row of eight until
            so many are chosen, so that rare changes are there.

    Returns:
        Rows of `pairs`: larger groups first, in a group the largest shift first, those without one last.
    """
    moved = pairs[pairs.changed != ""].sort_values("shift", ascending=False, kind="stable")
    groups = moved.groupby("changed").ImageID
    ordered = moved.assign(size=-groups.transform("size"), turn=groups.cumcount() // _COLUMNS)
    by_group = ordered.sort_values(["size", "changed"], kind="stable")
    chosen = by_group.assign(place=range(len(moved))).sort_values("turn", kind="stable").head(most)
    return chosen.sort_values("place")[pairs.columns]


def draw_changes(cache: Cache, pairs: pd.DataFrame, task: Task, path: Path, names: tuple[str, str]) -> int:
    """Write a picture of changed photos: both answers, each with a bar as long as its probability.

    Args:
        cache: the predicted photos; one that it rejected is an empty frame.
        pairs: from `pair_up`; with a column truth (classes, `UNKNOWN` where not known) the side that is
            right is ticked.
        task: that both sides answer.
        path: a PNG file.
        names: the sides' names.

    Returns:
        The number of photos drawn, at most `MOST_DRAWN`.
    """
    chosen = choose_changed(pairs)
    groups = [(str(changed), part) for changed, part in chosen.groupby("changed", sort=False)]
    cell = _CELL + (2 + ("truth" in pairs)) * _LINE + _GAP
    height = _TOP + sum(_HEADING + cell * -(-len(part) // _COLUMNS) for _, part in groups) + _GAP
    sheet = _Sheet(_COLUMNS * (_CELL + _GAP) + _GAP, height)
    _draw_top(sheet, pairs, len(chosen), names)
    words = class_names(task)
    row_of = dict(zip(cache.columns("image_id").image_id, range(len(cache)), strict=True))
    down = _TOP
    for changed, part in groups:
        sheet.text(_GAP, down + _HEADING / 2, _heading(changed, pairs, task), size=11, weight="bold")
        down += _HEADING
        for place, (_, photo) in enumerate(part.iterrows()):
            left = _GAP + place % _COLUMNS * (_CELL + _GAP)
            row = row_of.get(photo["ImageID"])
            crop = None if row is None else cache.image(row)
            _draw_photo(sheet, left, down + place // _COLUMNS * cell, crop, photo, words)
        down += cell * -(-len(part) // _COLUMNS)
    save_figure(sheet.figure, path, dpi=90)
    return len(chosen)


class _Sheet:
    """A figure on which things are placed in inches from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height), facecolor="white")
        self.width, self.height = width, height

    def text(self, left: float, middle: float, text: str, **style: Any) -> None:
        """Write one line of text, whose middle is `middle` inches down."""
        self.figure.text(left / self.width, 1 - middle / self.height, text, va="center", **style)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes without ticks."""
        box = (
            left / self.width,
            1 - (top + height) / self.height,
            width / self.width,
            height / self.height,
        )
        return self.figure.add_axes(box, xticks=[], yticks=[])


def _draw_top(sheet: _Sheet, pairs: pd.DataFrame, shown: int, names: tuple[str, str]) -> None:
    moved = int((pairs.changed != "").sum())
    few = f", {shown} of them here" if shown < moved else ""
    sheet.text(_GAP, 0.28, f"{moved:,} of {len(pairs):,} answers changed{few}", size=15, weight="bold")
    for place, (side, name) in enumerate(zip(("first", "second"), names, strict=True)):
        sheet.text(_GAP, 0.55 + 0.22 * place, f"■ {side}: {name}", size=10, color=_INK[side][0])
    notes = ["a bar is the answer's probability; in each group the largest shift of probabilities first"]
    if "truth" in pairs:
        notes.append("frame and ✓: the side that is right")
    for place, note in enumerate(notes):
        sheet.text(sheet.width - _GAP, 0.55 + 0.22 * place, note, size=10, ha="right")


def _heading(changed: str, pairs: pd.DataFrame, task: Task) -> str:
    part = pairs[pairs.changed == changed]
    text = f"{changed} changed: {len(part):,} photo{'s' if len(part) > 1 else ''}"
    if "," in changed:
        return text
    rows = factor_changes(part, task)[["before", "after", "count"]].to_numpy().tolist()
    ways = ", ".join(f"{before} → {after}: {count:,}" for before, after, count in rows)
    return f"{text}   ({ways})"


def _draw_photo(
    sheet: _Sheet,
    left: float,
    top: float,
    crop: np.ndarray | None,
    photo: pd.Series[Any],
    names: Sequence[str],
) -> None:
    right = [side for side in ("first", "second") if photo.get("truth") == photo[side]]
    frame = _INK[right[0]][0] if right else _PLAIN
    axes = sheet.axes(left, top, _CELL, _CELL)
    for spine in axes.spines.values():
        spine.set(color=frame, linewidth=2.5 if right else 1)
    if crop is None:
        axes.text(0.5, 0.5, "no crop", ha="center", va="center", color=_PLAIN, transform=axes.transAxes)
    else:
        axes.imshow(crop, aspect="auto")
    for place, side in enumerate(("first", "second")):
        tick = "✓ " if side in right else ""
        words, share = f"{tick}{names[photo[side]]}", photo[f"{side}_probability"]
        _draw_bar(
            sheet.axes(left, top + _CELL + 0.03 + place * _LINE, _CELL, _LINE - 0.03), words, share, side
        )
    if photo.get("truth", UNKNOWN) >= 0 and not right:
        middle = top + _CELL + 2.5 * _LINE
        words = f"right: {names[photo['truth']]}"
        sheet.text(left, middle, words, size=_size(words), color=_WRONG)


def _draw_bar(axes: Axes, words: str, share: float, side: str) -> None:
    dark, light = _INK[side]
    axes.axis("off")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.add_patch(Rectangle((0, 0), 1, 1, color="#f3f3f3", linewidth=0))
    if not np.isnan(share):
        axes.add_patch(Rectangle((0, 0), share, 1, color=light, linewidth=0))
        axes.text(0.98, 0.45, f"{share:.0%}", ha="right", va="center", size=8, color=dark)
    axes.text(0.02, 0.45, words, va="center", size=_size(words), color=dark)


def _size(words: str) -> float:
    return 8 * min(1, _LETTERS / len(words))
