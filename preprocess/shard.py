"""One shard's work: its photos to samples. Pure but for reading the photos; the same in any process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

from faces.cache.tar import Sample
from faces.cache.writer import DETECTED, FALLBACK, REJECTED
from faces.framing.face import AS_IS, GIVEN, Face, reduce_photo
from faces.photos.files import BadPhoto
from preprocess.crop.render import Renderer
from preprocess.detect.queue import HELD_BYTES, SearchQueue
from preprocess.detect.search import Device, Finder
from preprocess.settings import PreprocessSettings
from preprocess.sources.ahead import read_ahead, some_threads
from preprocess.sources.listing import BOX
from preprocess.sources.photo import Photo, read_photo
from preprocess.sources.scan import source_path

Row = Mapping[str, Any]
"""One row of `preprocess.sources.scan.Listing.photos`."""
Report = Callable[[int, list[Mapping[str, Any]]], None]
"""Called with the number of photos done since the last call, and the fields of the rejects among them; may
raise to stop the work."""
NOT_KEPT = ("bytes", "problem", BOX)
"""What the cache keeps of a row under other names, or not."""
_ADDING = Lock()
"""Of seconds, which several threads spend."""


@dataclass
class Tools:
    """What a worker keeps from shard to shard; each is loaded when first needed."""

    settings: PreprocessSettings
    folder: Path
    """What the listing's sources are relative to."""
    known: Mapping[str, tuple[Face, ...]] = field(default_factory=dict)
    """Faces found before, none where there was none, by the sha256 of the photo's bytes."""
    given: Mapping[str, int] = field(default_factory=dict)
    """How many faces the source gives the places of, by photo."""
    unlabelled: Mapping[str, Any] = field(default_factory=dict)
    """What stands in place of the person and the labels of a photo's further faces."""
    device: Device | None = None
    """Where faces are searched; by default where the settings say, whose auto is then the CPU."""
    threads: int = 1
    """Those of a worker that read photos; several of them, beside a GPU, cut crops too."""
    seconds: dict[str, float] = field(default_factory=dict)
    """CPU seconds so far by kind of work."""

    @cached_property
    def finder(self) -> Finder:
        """Searches faces."""
        return Finder(replace(self.settings, device=self.device or self.settings.device))

    @cached_property
    def renderer(self) -> Renderer:
        """Cuts crops."""
        return Renderer(self.settings)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the CPU time that this thread spends within to `seconds`."""
        start = time.thread_time()
        try:
            yield
        finally:
            with _ADDING:
                self.seconds[what] = self.seconds.get(what, 0.0) + time.thread_time() - start


@dataclass(frozen=True)
class _Waiting:
    row: Row
    photo: Photo
    height: int
    """Of the photo as it is searched."""
    width: int


def make_samples(rows: Sequence[Row], tools: Tools, report: Report) -> list[Sample]:
    """Read, search, crop and encode the photos of one shard.

    Photos of equal size are searched together, in the order of `rows`, so that the same shard gives the
    same bytes in every run.

    Args:
        rows: the photos.
        tools: this worker's.
        report: called after every few photos.

    Returns:
        A sample for each face, or of a photo without one for the photo, in the order of rows, rejects among
        them.
    """
    crops: dict[int, Future[list[Sample]]] = {}
    queue: SearchQueue[_Waiting] = SearchQueue(tools.finder, tools.finder.batch, tools.threads * HELD_BYTES)
    _ = tools.renderer  # loaded by this thread, and not by several at once
    with some_threads(tools.threads) as pool:
        # They stand in line with the photos to read, so that neither runs far ahead of the other.
        crop = pool.submit if tools.threads > 1 else _at_once

        def finish(found: Sequence[tuple[_Waiting, tuple[Face, ...]]]) -> None:
            for waiting, faces in found:
                row, photo, scaled = waiting.row, waiting.photo, _scaled(faces, waiting)
                crops[row["position"]] = crop(_samples, row, photo, scaled, tools)
            report(len(found), [])

        for row, photo in read_ahead(rows, partial(_open, tools=tools), pool, tools.threads):
            if isinstance(photo, BadPhoto):
                crops[row["position"]] = rejected = _at_once(_reject, row, photo)
                report(1, [rejected.result()[0].fields])
            elif (faces := _told(row, photo, tools)) is not None:
                crops[row["position"]] = crop(_samples, row, photo, faces, tools)
                report(1, [])
            else:
                searched = reduce_photo(photo.pixels, tools.settings.detect_size)
                waiting = _Waiting(row, photo, searched.shape[0], searched.shape[1])
                with tools.timed("detect"):
                    found = queue.add(waiting, searched, photo.pixels.nbytes)
                finish(found)
        with tools.timed("detect"):
            found = queue.rest()
        finish(found)
        return [sample for row in rows for sample in crops[row["position"]].result()]


def _at_once(work: Callable[..., list[Sample]], *arguments: Any) -> Future[list[Sample]]:
    """What a thread would do, done by this one."""
    done: Future[list[Sample]] = Future()
    done.set_result(work(*arguments))
    return done


def _open(row: Row, tools: Tools) -> Photo | BadPhoto:
    try:
        with tools.timed("read and decode"):
            return open_photo(row, tools.folder, tools.settings.max_megapixels)
    except BadPhoto as bad:
        return bad


def open_photo(row: Row, folder: Path, max_megapixels: int) -> Photo:
    """The photo of a row.

    Raises:
        BadPhoto: it cannot be used, or its face is given at a place that is not in it.
    """
    if row["problem"]:
        raise BadPhoto(row["problem"])
    photo = read_photo(folder / source_path(row["source"]), max_megapixels=max_megapixels)
    box = row.get(BOX)
    if box is not None:
        height, width = photo.pixels.shape[:2]
        left, top, right, bottom = box
        # A pixel more may come from counting from 1 instead of from 0.
        if not (-1 <= left < right <= width + 1 and -1 <= top < bottom <= height + 1):
            raise BadPhoto(
                f"box outside of the picture: {row['image_id']} is from {left:g}, {top:g} to {right:g}, "
                f"{bottom:g} in {width} x {height}",
                photo.sha256,
            )
    return photo


def _told(row: Row, photo: Photo, tools: Tools) -> tuple[Face, ...] | None:
    """The faces of a photo that needs no search, or None."""
    if row.get(BOX) is not None:
        left, top, right, bottom = row[BOX]
        faces = tools.given[row["source"]]
        return (Face((left, top, right, bottom), (), 1.0, faces=faces, detector=GIVEN),)
    if tools.settings.faces == "as_is":
        height, width = photo.pixels.shape[:2]
        return (Face((0.0, 0.0, float(width), float(height)), (), 1.0, detector=AS_IS),)
    found = tools.known.get(photo.sha256)
    height, width = photo.pixels.shape[:2]
    if found is None or not all(face.fits(height, width) for face in found):
        return None
    if tools.settings.faces == "all":
        return found
    return tuple(face for face in found[:1] if not face.is_half(height, width))


def _scaled(faces: tuple[Face, ...], waiting: _Waiting) -> tuple[Face, ...]:
    """The faces of a photo as it was searched, in pixels of the photo."""
    height, width = waiting.photo.pixels.shape[:2]
    return tuple(face.scaled(width / waiting.width, height / waiting.height) for face in faces)


def _samples(row: Row, photo: Photo, faces: tuple[Face, ...], tools: Tools) -> list[Sample]:
    """A crop for each face, or the middle of a photo without one.

    The labels of a photo are those of the face that it is about: who else is on it is nobody known.
    """
    fields = _labels(row, photo.sha256)
    samples = []
    for number, face in enumerate(faces or (None,)):
        own: dict[str, Any] = {"face": number}
        if len(faces) > 1:
            own["image_id"] = f"{row['image_id']}#{number + 1}"
        if number:
            own |= {"key": f"{fields['key']}-{number}", **tools.unlabelled}
        samples.append(_sample({**fields, **own}, photo, face, tools))
    return samples


def _sample(labels: Mapping[str, Any], photo: Photo, face: Face | None, tools: Tools) -> Sample:
    with tools.timed("crop and encode"):
        rendered = tools.renderer(photo.pixels, face)
    height, width = photo.pixels.shape[:2]
    fields = {
        **labels,
        "height": height,
        "width": width,
        "face_box": list(face.box) if face else None,
        "crop_box": list(rendered.crop_box),
        "crop_angle": rendered.crop_angle,
        "true_pixels": rendered.true_pixels,
        "turned": face.turned if face else 0,
        "landmarks": list(face.landmarks) if face and face.landmarks else None,
        "score": face.score if face else math.nan,
        "faces": face.faces if face else 0,
        "detector": face.detector if face else "centre",
        "status": DETECTED if face else FALLBACK,
    }
    return Sample(fields=fields, data=rendered.data)


def _reject(row: Row, bad: BadPhoto) -> list[Sample]:
    fields = {**_labels(row, bad.sha256), "status": REJECTED, "reason": bad.reason}
    return [Sample(fields=fields, data=None)]


def _labels(row: Row, sha256: str) -> dict[str, Any]:
    labels = {name: value for name, value in row.items() if name not in NOT_KEPT}
    return {
        "key": f"{row['position']:08d}",
        **labels,
        "source_bytes": row["bytes"],
        "source_sha256": sha256,
    }
