"""`python -m infer.answers.show`: photos as they came in, their faces and the answers, as a picture."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED
from faces.command import run_command
from faces.labels import Task
from faces.photos.names import source_path
from faces.plots import save_figure
from faces.projection import split_classes
from faces.terminal.output import print_notes
from infer.answers.photo_sheet import draw_factors, factor_shares
from infer.answers.submission_checks import changed_notes, check_predicted
from infer.answers.written import TABLE, read_written

_LINE = 0.23
"""Inches of a bar in a picture's row, at least."""


@dataclass(frozen=True, kw_only=True)
class ShowSettings:
    """Draw photos with what was found in them and what was answered, one a row.

    Example: make show PREDICTIONS=predictions/quick CACHE=caches/new DATA=path/to/photos
    """

    predictions: Path
    """Folder of predictions, as `make infer` writes it."""
    cache: Path
    """The cache that was predicted."""
    data: Path
    """The photos that the cache was made from, as given to `make preprocess`."""
    photos: tuple[str, ...] = ()
    """ImageIDs to draw, or names of photos, which stand for all faces answered in them; one of middling
    certainty of each value of the first factor when left out."""
    out: Path = Path("answers.png")
    """Picture to write."""


def show(settings: ShowSettings) -> None:
    """Draw the picture.

    Raises:
        ValueError: no predictions there or damaged ones, another cache than theirs, a photo that they or the
            cache do not hold, or one that is gone.
    """
    written = read_written(settings.predictions)
    table, task = written.table.set_index("ImageID"), written.task
    cache = Cache.open(settings.cache)
    check_predicted(settings.predictions, written.table, written.entries, cache)
    print_notes(changed_notes(settings.predictions))
    rows = pd.Series(np.arange(len(cache)), index=cache.index["image_id"])
    answered = table.index[table.index.isin(rows.index)]
    asked = {name: faces_of(name, answered) for name in settings.photos}
    for name, found in asked.items():
        if not found:
            there = settings.predictions / TABLE
            raise ValueError(f"photos={name!r}: not a photo of {settings.cache} that {there} answers")
    photos = [*itertools.chain(*asked.values())] or typical(table.loc[answered], task)
    # The table is in the order of the source; the cache's rows are in an order of their own.
    chosen = [int(rows[name]) for name in photos]
    draw_answers(cache, chosen, table.loc[photos], task, settings.data, settings.out)
    print(f"picture: {settings.out}")


def faces_of(name: str, answered: Collection[str]) -> list[str]:
    """The ImageIDs that a name stands for: itself, or those of all faces of the photo of that name."""
    if name in answered:
        return [name]
    numbers = itertools.takewhile(lambda number: f"{name}#{number}" in answered, itertools.count(1))
    return [f"{name}#{number}" for number in numbers]


def typical(table: pd.DataFrame, task: Task) -> list[str]:
    """ImageIDs of the photos answered with middling certainty, one for each value of the first factor, such
    as the mask, that was answered."""
    classes = table["ans"].to_numpy(np.int64)
    certainty = table[task.columns].to_numpy()[np.arange(len(table)), classes]
    order = np.argsort(certainty, kind="stable")
    values = split_classes(classes, task)[task.factors[0]][order]
    of_value = [order[values == value] for value in np.unique(values)]
    return [str(table.index[places[len(places) // 2]]) for places in of_value]


def draw_answers(
    cache: Cache, rows: Sequence[int], answers: pd.DataFrame, task: Task, data: Path, out: Path
) -> None:
    """Write the picture: photo with the face's box, and thin those of others in it, stored crop, and bars of
    the factors' probabilities.

    Args:
        cache: that was predicted.
        rows: of the cache.
        answers: of the same photos, with a column for each class.
        task: what was answered.
        data: folder of the cache's photos, or the table that names them.
        out: PNG file.

    Raises:
        ValueError: a photo is not where the cache found it.
    """
    from matplotlib.figure import Figure
    from PIL import Image, ImageOps

    folder = data.parent if data.is_file() else data  # a table's photos lie beside it
    height = max(2.9, _LINE * sum(len(part.classes) + 1.4 for part in task.parts))
    figure = Figure(figsize=(9.6, height * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, width_ratios=(0.8, 1, 1.5), squeeze=False)
    for (photo, crop, bars), row, (_, answer) in zip(grid, rows, answers.iterrows(), strict=True):
        fields = cache.index.iloc[row]
        path = folder / source_path(fields["source"])
        if not path.is_file():
            raise ValueError(f"{path}: no such photo; give what the cache was made from with --data")
        photo.imshow(np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")))
        _draw_boxes(photo, cache, row)
        crop.imshow(cache.image(row))
        draw_factors(bars, factor_shares(answer[task.columns].to_numpy(np.float64), task))
        photo.set_axis_off()
        crop.set_axis_off()
    for axes, title in zip(grid[0], ("photo in", "face crop", "answer out"), strict=True):
        axes.set_title(title)
    save_figure(figure, out, dpi=90)


def _draw_boxes(axes: Any, cache: Cache, row: int) -> None:
    """Frame the face of a row in its photo, and thinly the photo's other faces."""
    fields = cache.index.iloc[row]
    of_photo = cache.index["position"] == fields["position"]
    edges = axes.axis()  # a box may reach beyond the photo
    for other, box in cache.index["face_box"][of_photo & (cache.index["status"] == DETECTED)].items():
        left, top, right, bottom = box
        width = 2.0 if other == row else 0.8
        places = [left, right, right, left, left], [top, top, bottom, bottom, top]
        axes.plot(*places, color="tab:orange", linewidth=width)
    axes.axis(edges)


def main() -> None:
    """The command line."""
    run_command(ShowSettings, show)


if __name__ == "__main__":
    main()
