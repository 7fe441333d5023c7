"""Overlaps of boxes, and greedy non-maximum suppression of many groups of boxes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
BLOCK = 64
"""Boxes of a group of which each is compared with each at once."""


def _common(one: Floats, other: Floats, edge: int) -> Floats:
    """Intersections of boxes [..., n, 4] with boxes [..., m, 4], whose sides are longer by `edge`: pixels^2
    [..., n, m]."""
    left, top, right, bottom = np.moveaxis(one, -1, 0)[..., None]
    other_left, other_top, other_right, other_bottom = np.moveaxis(other, -1, 0)[..., None, :]
    width = np.minimum(right, other_right) - np.maximum(left, other_left) + edge
    height = np.minimum(bottom, other_bottom) - np.maximum(top, other_top) + edge
    return np.asarray(np.maximum(width, 0, out=width) * np.maximum(height, 0, out=height))


def _areas(boxes: Floats, edge: int) -> Floats:
    return np.asarray((boxes[..., 2] - boxes[..., 0] + edge) * (boxes[..., 3] - boxes[..., 1] + edge))


def shared(one: Floats, other: Floats) -> Floats:
    """Intersection over union of every box of [..., n, 4] with every box of [..., m, 4]; [..., n, m], 0 for
    empty ones."""
    common = _common(one, other, 0)
    union = _areas(one, 0)[..., None] + _areas(other, 0)[..., None, :] - common
    return np.asarray(np.divide(common, union, out=np.zeros_like(common), where=union != 0))


def covered(one: Floats, other: Floats) -> Floats:
    """As `shared`, but the intersection over the smaller box, and sides of whole pixels: 0 to 9 is 10 long.
    A box inside of another gives 1."""
    smaller = np.minimum(_areas(one, 1)[..., None], _areas(other, 1)[..., None, :])
    return np.asarray(_common(one, other, 1) / smaller)


def _standing(clash: Flags, there: Flags) -> Flags:
    """Which of some rows of boxes, best first, stay in greedy suppression: those that clash with none that
    stays and is better.

    All rows are judged at once, and again until nothing changes: after n rounds at least the n best of each
    row are judged rightly.

    Args:
        clash: [rows, n, n], whether two boxes overlap too much; only those after a box are looked at.
        there: [rows, n], whether there is a box.
    """
    clash = np.triu(clash, 1)
    stays, before = there, None
    while before is None or (stays != before).any():
        stays, before = there & ~(clash & stays[..., None]).any(-2), stays
    return stays


def best_of_each(
    boxes: Floats, scores: Floats, limit: float, group: Integers | None = None, *, inside: bool = False
) -> Integers:
    """Greedy non-maximum suppression: the best box is kept, those that overlap it are dropped, and so on.

    Args:
        boxes: [n, 4] left, top, right, bottom.
        scores: [n].
        limit: larger overlaps drop the box of the lower score; of equal ones the later, or the earlier if
            `inside`.
        group: [n] which group, at least 0, each by itself; one if not given.
        inside: whether overlap is measured by the smaller box, `covered`, and not by the union, `shared`.

    Returns:
        [k] positions of the kept ones: groups in rising order, the best of each first.
    """
    overlap = covered if inside else shared
    most = np.float64(limit)  # compared in double precision, as torchvision does: 0.3 as float32 is over 0.3
    # Certain faces often all score exactly 1; facenet-pytorch then keeps the last in the one case, the first
    # in the other.
    order = np.argsort(scores, kind="stable")[::-1] if inside else np.argsort(-scores, kind="stable")
    group = np.zeros(len(boxes), np.int64) if group is None else group
    order = order[np.argsort(group[order], kind="stable")]
    boxes = boxes[order]
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    stays = np.ones(len(order), bool)
    # Groups of about one size go into a table with a row for each, and are judged at once.
    widths = 2 ** np.ceil(np.log2(sizes)).astype(np.int64)
    for width in np.unique(widths[(widths > 1) & (widths <= BLOCK)]):
        same = widths == width
        places = starts[same, None] + np.arange(width)
        there = np.arange(width) < sizes[same, None]
        table = boxes[np.minimum(places, len(boxes) - 1)]
        stays[places[there]] = _standing(overlap(table, table) > most, there)[there]
    for start, size in zip(starts[sizes > BLOCK], sizes[sizes > BLOCK], strict=True):
        for first in range(start, start + size, BLOCK):
            block = slice(first, min(first + BLOCK, start + size))
            better = boxes[start:first][stays[start:first]]
            there = np.asarray(~(overlap(better, boxes[block]) > most).any(0))
            stays[block] = _standing(overlap(boxes[block], boxes[block]) > most, there)
    return order[stays]
