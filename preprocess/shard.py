"""One shard's work: its photos to samples. Pure but for reading the photos; the same in any process."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from faces.writer import DETECTED, FALLBACK, REJECTED, Sample
from preprocess.crop import centre_square, cut, encode, face_square
from preprocess.detect import Detector, Face, reduce_photo
from preprocess.matte import Matting
from preprocess.photo import BadPhoto, Photo, Pixels, read_photo
from preprocess.scan import source_path
from preprocess.settings import Settings

Row = Mapping[str, Any]
"""One photo of `preprocess.scan.Listing.photos`."""
LABELS = ("position", "image_id", "source", "person", "mask", "gender", "age")
HELD_BYTES = 200_000_000
"""Decoded photos of a worker that wait for others of their size; above it all are searched at once."""


class Tools:
    """What a worker keeps from shard to shard; each is loaded when first needed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def _detector(self) -> Detector:
        return Detector(min_face=self.settings.min_face, device=self.settings.device)

    @cached_property
    def _matting(self) -> Matting:
        return Matting(self.settings.matting_model, self.settings.background)

    def find_faces(self, photos: Sequence[Pixels]) -> list[Face | None]:
        """As `Detector`; photos too small to hold a face need no detector."""
        if min(photos[0].shape[:2]) < self.settings.min_face:
            return [None] * len(photos)
        return self._detector(photos)

    def crop(self, pixels: Pixels, face: Face | None) -> tuple[bytes, list[float]]:
        """The encoded crop, and its box: left, top, right, bottom in pixels of the photo."""
        settings = self.settings
        square = face_square(face.box, settings.margin) if face else centre_square(*pixels.shape[:2])
        crop = cut(pixels, square, settings.size)
        if settings.background != "keep":
            crop = self._matting(crop)
        left, top, side = square
        box = [float(left), float(top), float(left + side), float(top + side)]
        return encode(crop, settings.codec, settings.quality), box


@dataclass(frozen=True)
class _Waiting:
    row: Row
    photo: Photo
    searched: Pixels
    """The photo, reduced to where faces are searched."""


def make_samples(rows: Sequence[Row], tools: Tools, advance: Callable[[int], None]) -> list[Sample]:
    """Read, search, crop and encode the photos of one shard.

    Photos of equal size are searched together, in the order of `rows`, so that the same shard gives the
    same bytes in every run.

    Args:
        rows: the photos.
        tools: this worker's.
        advance: called with the number of photos done, after every few; may raise to stop the work.

    Returns:
        A sample for each row, in order, rejects among them.
    """
    samples: dict[int, Sample] = {}
    groups: dict[tuple[int, ...], list[_Waiting]] = {}

    def finish(group: list[_Waiting]) -> None:
        for waiting, face in zip(group, tools.find_faces([w.searched for w in group]), strict=True):
            samples[waiting.row["position"]] = _sample(waiting, face, tools)
        advance(len(group))
        group.clear()

    for row in rows:
        try:
            waiting = _open(row, tools.settings)
        except BadPhoto as bad:
            samples[row["position"]] = _reject(row, bad)
            advance(1)
            continue
        group = groups.setdefault(waiting.searched.shape, [])
        group.append(waiting)
        held = sum(w.photo.pixels.nbytes for g in groups.values() for w in g)
        if len(group) == tools.settings.batch:
            finish(group)
        elif held > HELD_BYTES:
            for full in filter(None, groups.values()):
                finish(full)
    for rest in filter(None, groups.values()):
        finish(rest)
    return [samples[row["position"]] for row in rows]


def _open(row: Row, settings: Settings) -> _Waiting:
    if row["problem"]:
        raise BadPhoto(row["problem"])
    photo = read_photo(settings.data / source_path(row["source"]))
    return _Waiting(row, photo, reduce_photo(photo.pixels, settings.detect_size))


def _sample(waiting: _Waiting, face: Face | None, tools: Tools) -> Sample:
    height, width = waiting.photo.pixels.shape[:2]
    if face:
        searched_height, searched_width = waiting.searched.shape[:2]
        face = face.scaled(width / searched_width, height / searched_height)
    data, box = tools.crop(waiting.photo.pixels, face)
    fields = {
        **_labels(waiting.row, waiting.photo.sha256),
        "height": height,
        "width": width,
        "face_box": list(face.box) if face else None,
        "crop_box": box,
        "landmarks": list(face.landmarks) if face else None,
        "score": face.score if face else math.nan,
        "detector": "mtcnn" if face else "centre",
        "status": DETECTED if face else FALLBACK,
    }
    return Sample(fields=fields, data=data)


def _reject(row: Row, bad: BadPhoto) -> Sample:
    return Sample(fields={**_labels(row, bad.sha256), "status": REJECTED, "reason": bad.reason}, data=None)


def _labels(row: Row, sha256: str) -> dict[str, Any]:
    labels = {name: row[name] for name in LABELS}
    return {"key": f"{row['position']:08d}", **labels, "source_sha256": sha256}
