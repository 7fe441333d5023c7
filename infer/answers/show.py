"""`python -m infer.answers.show`: photos as they came in, their faces and the answers, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faces.cache import Cache
from faces.command import run_command
from faces.labels import CLASS_NAMES, FloatArray, split_classes
from infer.ensemble.tree import FACTORS


@dataclass(frozen=True, kw_only=True)
class ShowSettings:
    """Draw photos with what was found in them and what was answered, one a row."""

    predictions: Path
    """Folder of predictions, as `make infer` writes it."""
    cache: Path
    """The cache that was predicted."""
    data: Path
    """The photos that the cache was made from, as given to `make preprocess`."""
    photos: tuple[str, ...] = ()
    """ImageIDs to draw; one of middling certainty of each mask state when left out."""
    out: Path = Path("answers.png")
    """Picture to write."""


def show(settings: ShowSettings) -> None:
    """Draw the picture.

    Raises:
        ValueError: no predictions there or damaged ones, a photo that they or the cache do not hold, or one
            that is gone.
    """
    path = settings.predictions / "probabilities.parquet"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; predict first with `make infer`")
    table = _read(path)
    cache = Cache.open(settings.cache)
    rows = pd.Series(np.arange(len(cache)), index=cache.index["image_id"])
    photos = settings.photos or typical(table.loc[table.index.isin(rows.index)])
    for name in photos:
        if name not in table.index or name not in rows.index:
            raise ValueError(f"photos={name!r}: not a photo of {settings.cache} that {path} answers")
    # The table is in the order of the source; the cache's rows are in an order of their own.
    draw_answers(
        cache, [int(rows[name]) for name in photos], table.loc[list(photos)], settings.data, settings.out
    )
    print(f"picture: {settings.out}")


def _read(path: Path) -> pd.DataFrame:
    """The predictions by ImageID."""
    try:
        return pd.read_parquet(path, columns=["ImageID", "ans", *CLASS_NAMES]).set_index("ImageID")
    except (OSError, ValueError, KeyError) as error:  # pyarrow's own errors are of these
        raise ValueError(
            f"{path}: not readable as predictions ({error}); delete {path.parent} and predict again"
        ) from error


def typical(table: pd.DataFrame) -> list[str]:
    """ImageIDs of the photos answered with middling certainty, one for each mask state that was answered."""
    classes = table["ans"].to_numpy(np.int64)
    certainty = table[[*CLASS_NAMES]].to_numpy()[np.arange(len(table)), classes]
    order = np.argsort(certainty, kind="stable")
    masks = split_classes(classes)["mask"][order]
    of_mask = [order[masks == mask] for mask in np.unique(masks)]
    return [str(table.index[places[len(places) // 2]]) for places in of_mask]


def factor_shares(probabilities: FloatArray) -> dict[str, dict[str, float]]:
    """Probability of each category of each factor.

    Args:
        probabilities: [18] of the classes.
    """
    codes = split_classes(np.arange(len(CLASS_NAMES)))
    return {
        factor: {name: float(probabilities[codes[factor] == code].sum()) for code, name in enumerate(names)}
        for factor, names in FACTORS.items()
    }


def draw_answers(cache: Cache, rows: Sequence[int], answers: pd.DataFrame, data: Path, out: Path) -> None:
    """Write the picture: photo with the face's box, stored crop, and bars of the factors' probabilities.

    Args:
        cache: that was predicted.
        rows: of the cache.
        answers: of the same photos, with a column for each class.
        data: folder of the cache's photos.
        out: PNG file.

    Raises:
        ValueError: a photo is not where the cache found it.
    """
    from matplotlib.figure import Figure
    from PIL import Image, ImageOps

    figure = Figure(figsize=(9.6, 2.9 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 3, width_ratios=(0.8, 1, 1.5), squeeze=False)
    for (photo, crop, bars), row, (_, answer) in zip(grid, rows, answers.iterrows(), strict=True):
        fields = cache.index.iloc[row]
        path = data / fields["source"]
        if not path.is_file():
            raise ValueError(
                f"{path}: no such photo; give the folder that the cache was made from with --data"
            )
        photo.imshow(np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")))
        if fields["status"] == "detected":
            left, top, right, bottom = fields["face_box"]
            photo.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="tab:orange")
        crop.imshow(cache.image(row))
        draw_factors(bars, factor_shares(answer[[*CLASS_NAMES]].to_numpy(np.float64)))
        photo.set_axis_off()
        crop.set_axis_off()
    for axes, title in zip(grid[0], ("photo in", "face crop", "answer out"), strict=True):
        axes.set_title(title)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=90)


def draw_factors(axes: Any, shares: dict[str, dict[str, float]]) -> None:
    """A bar for each category, the likeliest of each factor in bold."""
    place = 0.0
    for categories in shares.values():
        likeliest = max(categories, key=lambda name: categories[name])
        for name, share in categories.items():
            best = name == likeliest
            axes.barh(place, share, color="tab:blue" if best else "lightsteelblue", height=0.8)
            axes.text(-0.03, place, name, ha="right", va="center", weight="bold" if best else "normal")
            axes.text(share + 0.02, place, f"{share:.0%}", va="center", weight="bold" if best else "normal")
            place += 1
        place += 0.6
    axes.set_xlim(-0.5, 1.2)
    axes.invert_yaxis()
    axes.set_axis_off()


def main() -> None:
    """The command line."""
    run_command(ShowSettings, show)


if __name__ == "__main__":
    main()
