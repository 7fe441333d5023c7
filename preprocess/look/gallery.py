"""Which crops are shown, and each as a small picture with its face drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faces.labels import CONTEST, LabelSet
from faces.pages.thumbnails import thumbnail
from preprocess.look.framing import FACE, LARGE, TRUE
from preprocess.look.survey import Survey, face_corners, landmarks

THUMBNAIL, QUALITY = 144, 78
"""Side of a small picture in pixels, and its WebP quality."""
MOST = 24
"""Pictures in a gallery."""


@dataclass(frozen=True)
class Tile:
    """One crop as it is shown."""

    row: int
    image: str
    """The small picture as a data: URI."""
    corners: str
    """The face box as the points of an SVG polygon, 0 to 100 across the crop; empty without a face."""
    points: list[tuple[float, float]]
    """Landmarks, 0 to 100 across the crop."""
    detected: bool
    tag: str
    """What found the face, and its score."""
    value: str
    """Why this crop is shown here; empty where it was drawn at random."""
    image_id: str
    labels: str

    @property
    def folder(self) -> str:
        """The innermost folder of `image_id`, with the slash; empty where there is none."""
        parts = self.image_id.split("/")
        return f"{parts[-2]}/" if len(parts) > 1 else ""

    @property
    def file(self) -> str:
        """The file name of `image_id`."""
        return self.image_id.split("/")[-1]


@dataclass(frozen=True)
class Gallery:
    """Crops that have something in common."""

    key: str
    """The section's anchor."""
    title: str
    about: str
    """What is shown and what to look for."""
    tiles: list[Tile]
    total: int
    """How many crops there are of which these are some."""
    empty: str = "None."
    """What stands in place of crops."""


def random_sheets(survey: Survey, seed: int) -> list[Gallery]:
    """For every detector step, crops in which it found the face, drawn at random."""
    rng = np.random.default_rng(seed)
    crops = survey.crops
    steps = crops["detector"].where(crops["detector"] != "", "detector not recorded")[crops["detected"]]
    sheets = []
    for number, (step, count) in enumerate(_by_frequency(steps)):
        rows = steps.index[steps == step].to_numpy()
        drawn = rng.permutation(rows)[:MOST].tolist()
        title = f"Found by {step}" if step else "Found"
        about = f"{len(drawn)} of {count:,}, drawn at random"
        sheets.append(Gallery(f"sheet-{number}", title, about, _tiles(survey, drawn), count))
    return sheets


def galleries(survey: Survey, seed: int) -> list[Gallery]:
    """The crops that are most likely wrong, worst first."""
    crops = survey.crops
    lost = np.flatnonzero(~crops["detected"])
    drawn = sorted(np.random.default_rng(seed).permutation(lost)[:MOST].tolist())
    several = crops["faces"].where(crops["faces"] > 1)
    empty = "None." if crops["faces"].notna().any() else "Not recorded in this cache."
    about = "No step found a face, so these are cut at the centre; drawn at random. Is the face inside?"
    framed = survey.framing.crops
    little, large = framed[TRUE].where(framed[TRUE] < 1), framed[FACE].where(framed[FACE] > LARGE)
    turned = framed["turned"].where(framed["turned"] > 0)
    righted = [_extremes(survey, "turned", turned, "turned by {:.0f}°")] if turned.notna().any() else []
    return [
        Gallery("fallbacks", "No face found", about, _tiles(survey, drawn), len(lost)),
        *righted,
        _extremes(survey, "least-true", little, "{:.3f}"),
        _extremes(survey, "tightest", large, "{:.2f}", largest=True),
        _extremes(survey, "several", several, "{:.0f} faces", largest=True, empty=empty),
        _extremes(survey, "tiny", crops["face_side"], "{:.0f} px"),
        _extremes(survey, "blurred", crops["sharpness"], "{:.1f}"),
        _extremes(survey, "darkest", crops["brightness"], "{:.0f}"),
        _extremes(survey, "brightest", crops["brightness"], "{:.0f}", largest=True),
        _extremes(survey, "lowest-scores", crops["score"], "{:.3f}"),
    ]


def labels_of(crop: pd.Series, labels: LabelSet) -> str:
    """The labels of a crop in words, as far as they are known."""
    parts = []
    for factor in labels.factors:
        if factor.codes([crop[factor.name]])[0] >= 0:
            # Mask wear, gender and age speak for themselves; yes does not.
            name = "" if factor in CONTEST.factors else f"{factor.name} "
            parts.append(name + factor.say(crop[factor.name]))
    return " · ".join(parts)


def tile(survey: Survey, row: int, value: str = "") -> Tile:
    """A crop with its face drawn on."""
    crop = survey.crops.iloc[row]
    corners, points = face_corners(crop, 100), landmarks(crop, 100)
    further = f"further face {crop['face']:.0f} of its photo" if crop["face"] > 0 else ""
    score = "" if np.isnan(crop["score"]) else f" {crop['score']:.3f}"
    return Tile(
        row=row,
        image=thumbnail(survey.cache.image(row), THUMBNAIL, QUALITY),
        corners="" if corners is None else " ".join(f"{x:.1f},{y:.1f}" for x, y in corners),
        points=[] if points is None else [(round(float(x), 1), round(float(y), 1)) for x, y in points],
        detected=bool(crop["detected"]),
        tag=(crop["detector"] or crop["status"]) + score,
        value=value,
        image_id=crop["image_id"],
        labels=labels_of(crop, survey.cache.label_set) or further,
    )


_TITLES = {
    "turned": (
        "Turned upright",
        "Faces that lie on their side or head in the photo, clockwise by so many degrees. Is each upright "
        "here?",
    ),
    "least-true": (
        "Least of the photo",
        "Share of the crop that shows the photo; the rest lies beyond its edge and is filled.",
    ),
    "tightest": (
        "Tightest",
        f"Longer side of the face in sides of the crop, where it is above {LARGE:g}: the photo ends before "
        "the margin does.",
    ),
    "several": ("Several faces", "The outlined face was chosen. Is it the person whom the photo is about?"),
    "tiny": (
        "Smallest faces",
        "Shorter side of the face box in pixels of the photo; crops of these are blown up.",
    ),
    "blurred": (
        "Least sharp",
        "Lowest variance of the Laplacian over the face, in pixels of the crop. Comparable within this "
        "cache only.",
    ),
    "darkest": ("Darkest", "Mean luma over the face, 0 to 255."),
    "brightest": ("Brightest", "Mean luma over the face, 0 to 255."),
    "lowest-scores": (
        "Lowest scores",
        "Where the detector was least certain. Is it a face, and is it framed well?",
    ),
}


def _extremes(
    survey: Survey, key: str, values: pd.Series, form: str, *, largest: bool = False, empty: str = "None."
) -> Gallery:
    """The crops of the smallest or largest values, of equals the photo that comes first in the source."""
    title, about = _TITLES[key]
    known = pd.DataFrame({"value": values, "position": survey.crops["position"]}).dropna()
    chosen = known.sort_values(["value", "position"], ascending=[not largest, True]).head(MOST)
    values_shown = [form.format(value) for value in chosen["value"]]
    tiles = _tiles(survey, chosen.index.tolist(), values_shown)
    return Gallery(key, title, about, tiles, len(known), empty)


def _tiles(survey: Survey, rows: Sequence[int], values: Sequence[str] = ()) -> list[Tile]:
    shown = values or [""] * len(rows)
    return [tile(survey, row, value) for row, value in zip(rows, shown, strict=True)]


def _by_frequency(values: pd.Series) -> list[tuple[str, int]]:
    counts = values.value_counts()
    return sorted(((str(name), int(count)) for name, count in counts.items()), key=lambda n: (-n[1], n[0]))
