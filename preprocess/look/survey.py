"""What one pass over the crops of a cache measures, and where a photo's points lie in its crop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED
from faces.labels import LabelSet, Number
from faces.terminal.progress import photo_progress
from preprocess.look.framing import Framing, framing_of
from preprocess.sources.photo import Pixels

Floats = NDArray[np.float64]
SMALLEST_REGION = 8
"""A face region of fewer pixels a side shows no light or focus; the whole crop is measured instead."""
HASHED_SIDE = 128
"""Crops of twice this many pixels a side and more are shrunk before they are hashed, which takes half the
time; `preprocess.look.duplicates.NEAR` was measured at this size."""
_TEXT = ("image_id", "source", "source_sha256", "person", "detector", "status")
_NUMBERS = ("score", "faces", "height", "width", "crop_angle", "face")
_LISTS = ("face_box", "landmarks", "crop_box")
_PLACES = ("face_box", "crop_box", "crop_angle")
Crop = Mapping[Any, Any] | pd.Series
"""A row of `Survey.crops`."""


@dataclass(frozen=True)
class Survey:
    """A cache and what was measured on it. Rows count as the cache's."""

    cache: Cache
    crops: pd.DataFrame
    """One row a crop: the columns of the cache's index, those it lacks filled with NaN, "" or None, and

    - detected: bool, whether a face was found
    - face_side: shorter side of the face box in pixels of the photo, NaN without a face
    - face_share: the area of the face box inside the photo as a part of the photo's, NaN without a face
    - brightness: mean luma (ITU-R BT.601) of the face, 0 to 255
    - sharpness: variance of the Laplacian of the face's luma, in pixels of the crop; low where it is blurred

    Without a face, brightness and sharpness are those of the whole crop."""
    hashes: NDArray[np.uint64]
    """[n] perceptual hashes of the crops (see `preprocess.look.duplicates`)."""

    @property
    def photos(self) -> int:
        """Number of photos, rejected ones among them."""
        return int((~(self.crops["face"] > 0)).sum()) + len(self.cache.rejects)

    @cached_property
    def framing(self) -> Framing:
        """How the crops frame the face."""
        settings = self.cache.description["settings"]
        return framing_of(self.crops, self.crops, self.cache.label_set, settings)


def survey_crops(cache: Cache) -> Survey:
    """Decode every crop once and measure it."""
    crops = _completed(cache.index, cache.label_set)
    measured = np.empty((len(crops), 2))
    hashes = np.empty(len(crops), np.uint64)
    with photo_progress() as progress:
        bar = progress.add_task("look", total=len(crops))
        for row, crop in enumerate(crops[list(_PLACES)].to_dict("records")):
            measured[row], hashes[row] = _measure(cache.image(row), crop)
            progress.advance(bar)
    crops["brightness"], crops["sharpness"] = measured.T
    return Survey(cache, crops, hashes)


def points_in_crop(points: ArrayLike, crop_box: ArrayLike, crop_angle: float, size: int) -> Floats:
    """Where points of a photo lie in its crop.

    The crop is a square of the photo, turned about its own centre and scaled to `size` pixels. So its centre
    stays the crop's, and the corner (100, 50) of the square (100, 50, 200, 150) at 0 degrees is (0, 0).

    Args:
        points: [n, 2] x, y in pixels of the photo.
        crop_box: left, top, right, bottom of the square before it is turned, in pixels of the photo.
        crop_angle: degrees by which the square is turned, clockwise as seen.
        size: side of the crop, in pixels.

    Returns:
        [n, 2] x, y in pixels of the crop; outside [0, size] for points that it does not show.
    """
    left, top, right, bottom = np.asarray(crop_box, np.float64)
    offsets = np.asarray(points, np.float64) - ((left + right) / 2, (top + bottom) / 2)
    angle = np.radians(crop_angle)
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(offsets @ axes * (size / (right - left)) + size / 2)


def face_corners(crop: Crop, size: int) -> Floats | None:
    """[4, 2] corners of the face box in pixels of the crop; None where no face or no crop box is known."""
    if crop["face_box"] is None or crop["crop_box"] is None:
        return None
    left, top, right, bottom = crop["face_box"]
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return points_in_crop(corners, crop["crop_box"], crop["crop_angle"], size)


def landmarks(crop: Crop, size: int) -> Floats | None:
    """[5, 2] eyes, nose and corners of the mouth in pixels of the crop; None where they are not known."""
    if crop["landmarks"] is None or crop["crop_box"] is None:
        return None
    points = np.asarray(crop["landmarks"], np.float64).reshape(-1, 2)
    return points_in_crop(points, crop["crop_box"], crop["crop_angle"], size)


def _completed(index: pd.DataFrame, labels: LabelSet) -> pd.DataFrame:
    """The index with every column that the page speaks of; caches of other versions lack some."""
    crops = index.copy()
    for factor in labels.factors:
        if factor.name not in crops:
            crops[factor.name] = factor.missing
        elif isinstance(factor, Number):
            crops[factor.name] = pd.to_numeric(crops[factor.name]).astype(float)
    for name in _TEXT:
        crops[name] = crops[name].fillna("").astype(str) if name in crops else ""
    for name in _NUMBERS:
        crops[name] = pd.to_numeric(crops[name]).astype(float) if name in crops else np.nan
    for name in _LISTS:
        values = crops[name] if name in crops else [None] * len(crops)
        crops[name] = pd.Series([_list(value) for value in values], crops.index, dtype=object)
    crops["crop_angle"] = crops["crop_angle"].fillna(0.0)
    crops["detected"] = crops["status"] == DETECTED
    boxes = np.array([box or [np.nan] * 4 for box in crops["face_box"]], np.float64).reshape(-1, 4)
    crops["face_side"] = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    photo = crops[["width", "height"]].to_numpy()
    seen = np.clip(boxes[:, 2:], 0, photo) - np.clip(boxes[:, :2], 0, photo)
    crops["face_share"] = (seen / photo).prod(axis=1)
    return crops


def _list(value: object) -> list[float] | None:
    """A list of numbers of the index; Parquet gives it as an array, and a missing one as None or NaN."""
    return [float(v) for v in value] if isinstance(value, list | tuple | np.ndarray) else None


def _measure(image: Pixels, crop: Crop) -> tuple[tuple[float, float], np.uint64]:
    import imagehash

    luma = Image.fromarray(image).convert("L")
    grey = np.asarray(luma)
    face = grey[_window(crop, len(grey))]
    bits = imagehash.phash(luma.reduce(max(1, len(grey) // HASHED_SIDE))).hash
    hashed = np.packbits(bits.ravel()).view(">u8")[0]
    return (float(face.mean()), float(cv2.Laplacian(face, cv2.CV_32F).var())), np.uint64(hashed)


def _window(crop: Crop, size: int) -> tuple[slice, slice]:
    """Rows and columns of the crop that the face takes."""
    corners = face_corners(crop, size)
    if corners is None:
        return slice(0, size), slice(0, size)
    left, top = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)), 0, size).astype(int)
    if min(right - left, bottom - top) < SMALLEST_REGION:
        return slice(0, size), slice(0, size)
    return slice(top, bottom), slice(left, right)
