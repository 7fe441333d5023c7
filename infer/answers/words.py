"""Answers in words: what is said of each factor, and how surely."""

from __future__ import annotations

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED, REJECTED
from faces.labels import FloatArray, Part, Task
from faces.photos.names import path_cell
from faces.projection import split_classes

EDGES = ("left", "top", "right", "bottom")
"""Columns of the box of a face."""


def headings(task: Task) -> tuple[str, ...]:
    """What a table calls each part of a task: the factor where it tells the factor's own values, else the
    task, or of a product the part of it, `age[20, 40]`."""
    return tuple(part.factor.name if part.whole else _cut(part, task) for part in task.parts)


def _cut(part: Part, task: Task) -> str:
    if len(task.parts) == 1:
        return task.name
    least = "" if part.least is None else f">={part.least:g}"
    return f"{part.factor.name}{least}[{', '.join(f'{edge:g}' for edge in part.edges)}]"


def part_shares(probabilities: FloatArray, task: Task) -> list[FloatArray]:
    """[n, values] probabilities of the values of each part, from [n, classes] of a task."""
    cube = probabilities.reshape(len(probabilities), *task.sizes)
    axes = range(1, cube.ndim)
    return [cube.sum(tuple(other for other in axes if other != axis)) for axis in axes]


def words_table(cache: Cache, table: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The answers as people read them.

    Args:
        cache: the predicted photos.
        table: from `answer_table`, a row for each photo of the source, or for each of its faces.
        task: what was answered.

    Returns:
        A row for each of `table`, all text: path in the source, the same for all faces of a photo, in a cell
        that is no formula; left, top, right, bottom of the face in pixels of the upright photo, "" where none
        was found; for each of `headings` the value of the answered class and `<heading> probability` of that
        value; and status: detected, fallback or rejected.
    """
    columns = ["position", "source", "status", "face_box"]
    rejected = cache.rejects[["position", "source"]].assign(status=REJECTED, face_box=None)
    parts = [part for part in (cache.columns(*columns), rejected) if len(part)]
    held = pd.concat(parts).sort_values("position", kind="stable")
    boxes = [
        [f"{edge:.1f}" for edge in box] if status == DETECTED else [""] * len(EDGES)
        for box, status in zip(held["face_box"], held["status"], strict=True)
    ]
    words = pd.DataFrame(boxes, columns=[*EDGES])
    words.insert(0, "path", [path_cell(path) for path in held["source"].astype(str)])
    codes = split_classes(table["ans"], task)
    shares = part_shares(table[task.columns].to_numpy(np.float64), task)
    rows = np.arange(len(table))
    for heading, part, share in zip(headings(task), task.parts, shares, strict=True):
        code = codes[part.factor.name]
        words[heading] = np.array(part.classes)[code]
        words[f"{heading} probability"] = [f"{value:.4f}" for value in share[rows, code]]
    return words.assign(status=held["status"].to_numpy(str))
