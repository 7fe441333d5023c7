"""How crops frame the face, and what a network could learn of that in place of a label."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.cache.writer import DETECTED
from faces.framing.face import AS_IS, GIVEN
from faces.framing.square import Square
from faces.labels import LabelSet
from faces.pages.charts import Strips, strips
from preprocess.crop.square import true_share
from preprocess.look.rates import (
    LEAST,
    TELLING,
    Contrast,
    Rate,
    area_under_curve,
    gap,
    said,
    telling,
    value_rates,
)

TRUE, FACE, TIGHT = "true_pixels", "face_in_crop", "tight"
LITTLE, LARGE = 0.5, 0.8
"""True pixels under which most of a crop is no photo, and face sides above which a crop has lost most of its
margin: 0.67 is usual."""
FULL = 2 / 3
"""A face longer than this part of its photo's longer side fills the photo. Of 60 photos that were cropped to
the face with 0 to 0.2 of the box left around it, 93 to 100 % are filled; of 2,083 uncropped portraits 0.5 %.
That a box reaches the border tells less: 58 % of those without anything around the box, and 0 to 10 % of
the others, have one within 2 % of two borders."""
MOSTLY = 0.5
"""Share of filled photos from which they are taken for face crops."""
TWO_SOURCES = 0.2
"""Difference of two values' shares of filled photos from which they come from different sources."""
MARGINS = (0.2, 0.15, 0.1, 0.05)
"""Margins that may be proposed."""


@dataclass(frozen=True)
class Framing:
    """What is measured of every crop, and the labels by which it is compared."""

    crops: pd.DataFrame
    """One row a crop, NaN where it is not known:

    - true_pixels: share of the crop that shows the photo, 0 to 1
    - face_in_crop: longer side of the face box in sides of the crop; above 1 where it is larger than the crop
    - tight: 1 where a face that was searched fills its photo, else 0
    - needed: longer side of the face box in shorter sides of the photo
    - turned: degrees clockwise by which the face lies turned in its photo"""
    photos: pd.DataFrame
    """Their labels, a column for each factor."""
    labels: LabelSet
    settings: Mapping[str, Any]
    """Those of the cache."""

    def rates(self, these: pd.Series) -> dict[str, list[Rate]]:
        """How many crops of each value are among these, of those that are neither NaN nor None."""
        known = these.notna()
        return value_rates(these[known].astype(bool), self.photos[known], self.labels)

    def beyond(self, measure: str) -> pd.Series:
        """Whether a crop has too little of the photo, or too large a face; None where it is not known."""
        values = self.crops[measure]
        these = values < LITTLE if measure == TRUE else values > LARGE
        return these.astype(object).where(values.notna(), None)

    def contrast(self, measure: str) -> Contrast | None:
        """The two values that a measure tells apart best, or None where it tells none apart."""
        return telling(self.crops[measure], self.photos, self.labels)


def framing_of(
    index: pd.DataFrame, photos: pd.DataFrame, labels: LabelSet, settings: Mapping[str, Any]
) -> Framing:
    """Measure how the crops of a cache frame the face.

    Args:
        index: of the cache; columns that older caches lack may be missing.
        photos: the labels of its rows.
        labels: the factors.
        settings: of the cache.
    """
    face, crop = (_boxes(_column(index, name)) for name in ("face_box", "crop_box"))
    photo = np.stack([_column(index, name).to_numpy(float) for name in ("height", "width")], 1)
    side, longer = crop[:, 2] - crop[:, 0], (face[:, 2:] - face[:, :2]).max(axis=1)
    named = _column(index, "detector")
    longer[(_column(index, "status") != DETECTED) | (named == AS_IS)] = np.nan
    tight = np.where(np.isnan(longer) | (named == GIVEN), np.nan, longer > FULL * photo.max(axis=1))
    usual = 1 + 2 * settings.get("margin", math.nan)
    # Sides are whole pixels: what they round by says how large the photo is, which is no framing.
    whole = np.abs(longer * usual - side) <= 0.5 + 1e-6
    columns = {TRUE: true_pixels(index), FACE: np.where(whole, 1 / usual, longer / side), TIGHT: tight}
    columns |= {"needed": longer / photo.min(axis=1), "turned": _column(index, "turned").to_numpy(float)}
    crops = pd.DataFrame(columns, index=index.index)
    return Framing(crops, photos, labels, settings)


def true_pixels(index: pd.DataFrame) -> NDArray[np.float64]:
    """[n] share of each crop that shows the photo, as recorded, or of older caches as its square says."""
    if TRUE in index:
        return index[TRUE].to_numpy(float)
    return told_pixels(index)


def told_pixels(index: pd.DataFrame) -> NDArray[np.float64]:
    """[n] share of each crop that shows the photo, as its square says; NaN where that is not recorded."""
    angle = _column(index, "crop_angle").to_numpy(float)
    sizes = [_column(index, name).to_numpy(float) for name in ("height", "width")]
    rows = np.column_stack([_boxes(_column(index, "crop_box")), np.nan_to_num(angle), *sizes])
    shares = np.full(len(rows), np.nan)
    # A damaged table may have squares without a side; of them nothing is told.
    for row in np.flatnonzero(np.isfinite(rows).all(axis=1) & (rows[:, 2] > rows[:, 0])):
        left, top, right, _, turn, height, width = rows[row].tolist()
        shares[row] = true_share(Square(left, top, right - left, turn), height, width)
    return shares


def _column(index: pd.DataFrame, name: str) -> pd.Series:
    return index[name] if name in index else pd.Series(np.nan, index.index)


def _boxes(values: pd.Series) -> NDArray[np.float64]:
    """[n, 4] left, top, right, bottom; NaN where there is none."""
    rows = [[math.nan] * 4 if np.ndim(value) == 0 else [*value] for value in values]
    return np.array(rows, np.float64).reshape(-1, 4)


def spreads(framing: Framing, most: int) -> list[Strips]:
    """The distribution of both measures over all crops and by value.

    Args:
        framing: of a cache.
        most: factors that are shown, those whose values differ most.
    """
    return [
        _strips(framing, TRUE, "True pixels", "Share of the crop that shows the photo", 0.0, most),
        _strips(framing, FACE, "Size of the face", "Longer side of the face in sides of the crop", 0.5, most),
    ]


def _strips(framing: Framing, measure: str, title: str, note: str, low: float, most: int) -> Strips:
    values, beyond = framing.crops[measure], framing.beyond(measure)
    rates = framing.rates(beyond)
    widest = sorted(rates, key=lambda factor: gap(rates[factor]), reverse=True)[:most]
    groups = [("all", values)]
    for factor in (framing.labels.factor(name) for name in rates if name in widest):
        codes = factor.codes(framing.photos[factor.name])
        groups += [
            (f"{factor.name} {value}", values[codes == code])
            for code, value in enumerate(factor.classes)
            if (codes == code).any()
        ]
    limit, word = (LITTLE, "under") if measure == TRUE else (LARGE, "above")
    told = [
        (name, part, f"{int(beyond[part.index].sum()):,} of {part.notna().sum():,} {word} {limit:g}")
        for name, part in groups
    ]
    return strips(title, note, told, low, limit)


def described(framing: Framing) -> list[str]:
    """How crops frame the face, a line for each measure that is known."""
    lines = []
    true, face = (framing.crops[name].dropna() for name in (TRUE, FACE))
    if len(true) and true.min() >= 0.995:
        lines.append("true pixels: all 1.00")
    elif len(true):
        lines.append(
            f"true pixels: median {true.median():.2f}, least {true.min():.2f}; "
            f"under {LITTLE:.2f}: {_counted(framing, TRUE)}"
        )
    if len(face):
        lines.append(
            f"longer side of the face: median {face.median():.2f} of the crop's, most {face.max():.2f}; "
            f"above {LARGE:.2f}: {_counted(framing, FACE)}"
        )
    if righted := int((framing.crops["turned"] > 0).sum()):
        lines.append(f"faces that lie on their side or head in the photo, upright in the crop: {righted:,}")
    return lines


def proposal(framing: Framing) -> str:
    """What is said where most photos are filled by their face; empty elsewhere."""
    tight = framing.crops[TIGHT].dropna()
    if not len(tight) or tight.mean() <= MOSTLY:
        return ""
    return (
        f"{int(tight.sum()):,} of {len(tight):,} found faces fill their photo: these look like face crops "
        "already, which --faces as_is takes as they are"
    )


def warnings(framing: Framing) -> Iterator[str]:
    """What a network could learn of the framing in place of a label, each with its cure; no full stop."""
    for factor, rates in framing.rates(framing.crops[TIGHT]).items():
        common = sorted((rate for rate in rates if rate.photos >= LEAST), key=lambda rate: rate.share)
        if gap(common) > TWO_SOURCES:
            least, most = common[0], common[-1]
            yield (
                f"{most.found} of {most.photos} found faces of {factor} {most.value} fill their photo, as in "
                f"face crops, but {least.found} of {least.photos} of {factor} {least.value}: a network can "
                f"tell these sources apart instead. Cure: photos of both from the same sources"
            )
    for measure, what in ((TRUE, "The share of true pixels"), (FACE, "The face's share of the crop's side")):
        found = framing.contrast(measure)
        if found:
            yield (
                f"{what} alone tells {found.factor} {found.more} from {found.less}: area under the ROC curve "
                f"{found.area} (0.5 is chance), so a network may learn the framing instead of the "
                f"{found.factor}. Cure: {_clamped(framing) if measure == TRUE else _smaller(framing, found)}"
            )


def _clamped(framing: Framing) -> str:
    """How crops lie inside the photo."""
    if framing.settings.get("align"):
        return "crops that lie inside the photo: preprocess into a new cache without --align"
    return "crops that lie inside the photo: preprocess into a new cache, without --no-clamp"


def _smaller(framing: Framing, contrast: Contrast) -> str:
    """The largest margin that is cut short too seldom to tell the two values apart, if there is one."""
    factor, settings = framing.labels.factor(contrast.factor), framing.settings
    codes = factor.codes(framing.photos[factor.name])
    each = [framing.crops["needed"][codes == factor.classes.index(v)] for v in (contrast.more, contrast.less)]
    for margin in MARGINS:
        area = area_under_curve(*(group.dropna().clip(lower=1 / (1 + 2 * margin)) for group in each)).value
        if settings.get("clamp") and margin < settings["margin"] and area < TELLING:
            return (
                "a margin that fits into more of the photos: preprocess into a new cache with "
                f"--margin {margin:g}, with which it is {area:.3f}"
            )
    return "photos of both from the same sources; no smaller margin evens it out"


def _counted(framing: Framing, measure: str) -> str:
    """25 of 162 (wear 0/83 = 0.0%, normal 25/78 = 32.1%): crops beyond a limit, and by the values of the
    factor in which they differ most."""
    beyond = framing.beyond(measure)
    rates = framing.rates(beyond)
    widest = max(rates, key=lambda factor: gap(rates[factor]), default="")
    values = said(widest, rates[widest], framing.labels) if gap(rates.get(widest, ())) > 0 else ""
    return f"{int(beyond.sum()):,} of {int(beyond.notna().sum()):,} crops{values}"
