"""Greedy non-maximum suppression of many groups of boxes at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from preprocess.kernels import suppress

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def best_of_each(
    boxes: Floats, scores: Floats, limit: float, group: Integers | None = None, *, inside: bool = False
) -> Integers:
    """Greedy non-maximum suppression: the best box is kept, those that overlap it are dropped, and so on.

    Args:
        boxes: [n, 4] left, top, right, bottom.
        scores: [n].
        limit: larger overlaps drop the box of the lower score; of equal ones the later, or the earlier if
            `inside`. It is compared in double precision, as torchvision does: 0.3 as float32 is over 0.3.
        group: [n] which group, at least 0, each by itself; one if not given.
        inside: whether overlap is measured by the smaller box, so that a box inside of another gives 1, and
            with sides of whole pixels, 0 to 9 being 10 long; otherwise it is intersection over union.

    Returns:
        [k] positions of the kept ones: groups in rising order, the best of each first.
    """
    # Certain faces often all score exactly 1; facenet-pytorch then keeps the last in the one case, the first
    # in the other.
    order = np.argsort(scores, kind="stable")[::-1] if inside else np.argsort(-scores, kind="stable")
    group = np.zeros(len(boxes), np.int64) if group is None else group
    order = order[np.argsort(group[order], kind="stable")]
    return np.asarray(order[suppress(boxes[order], group[order], float(limit), inside)])
