#!/usr/bin/env python3
"""Predict what is to be told of the face in every photo, with a model that FaceFold exported.

This file and the model are all that is needed, beside three packages:

    pip install onnxruntime numpy opencv-python-headless
    python predict.py model.onnx photo.jpg folder/ --out answers.csv

The face is found by the detector that lies in the model (MTCNN, Zhang and others 2016, with the weights of
facenet-pytorch, MIT licence), cut out as the photos of training were, and shown to the network; with --faces
all every face of a photo. A model that was trained on photos as they are searches none. Boxes are left, top,
right, bottom in pixels of the upright photo, and may reach beyond it.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import json
import math
import mmap
import os
import stat
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, NamedTuple

# OpenCV reads its limit once, when it is imported: pixels of a photo, by its header.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "89000000")

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

FORMAT = 1
"""Version of the metadata of models that this program reads."""
RULES = {"rules": 2, "detection_rules": 1}
"""Versions of FaceFold's own rules for crops and detection that this program follows."""
EDGES = ("left", "top", "right", "bottom")
"""Columns of the face's box."""
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"),
    *(".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx", ".jxl", ".ppm", ".pgm", ".psd"),
    *(".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf"),
)
"""Names of pictures, readable or not; a file of another name is one if its first bytes say so."""
STARTS = {
    "JPEG": (0, b"\xff\xd8\xff"),
    "PNG": (0, b"\x89PNG\r\n"),
    "GIF": (0, b"GIF8"),
    "BMP": (6, bytes(4)),  # after BM and the size, which text may begin with, too
    "TIFF": (0, b"II*\0"),
    "TIFF of the other byte order": (0, b"MM\0*"),
    "WebP": (8, b"WEBP"),
    "AVIF": (4, b"ftypavi"),
    "JPEG 2000": (4, b"jP  \r\n"),
    "JPEG 2000 without its box": (0, b"\xff\x4f\xff\x51"),
    "HEIC": (4, b"ftyphe"),
    "HEIF": (4, b"ftypmif1"),
    "JPEG XL": (4, b"JXL \r\n"),
    "JPEG XL without its box": (0, b"\xff\x0a"),
    "raw photo (CR3)": (4, b"ftypcrx "),
    "raw photo (RAF)": (0, b"FUJIFILMCCD-RAW"),
    "Photoshop picture": (0, b"8BPS"),
}
"""Kinds of pictures: where a piece of their bytes lies, and the piece."""
NO_PICTURE = "not a picture that OpenCV reads"
UNREAD = ("HE", "JPEG XL", "raw", "Photoshop")
"""Beginnings of the names of those that OpenCV does not read."""
STAND_INS = {
    b"version https://git-lfs": "a Git LFS pointer, not the photo itself: git lfs pull",
    b"<!doctype html": "an HTML page, such as a server's error, not the photo itself: fetch it again",
    b"<html": "an HTML page, such as a server's error, not the photo itself: fetch it again",
}
"""What lies in place of a photo, by its first bytes in small letters."""
HEAD = 64
"""Bytes that tell the kind of a file."""
TOOLS = (
    *("@eadir", "#recycle", "@recycle", "__macosx", "$recycle.bin", "recycler", "lost+found", "__pycache__"),
    *("system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
)
"""Folders and files of systems and tools, which hold copies of photos or none; those named .* are, too."""
DNG_VERSION, SENSOR, PICTURE_KIND, INNER = 50706, 33421, 254, 330
"""Tags by which a TIFF tells that it is a raw photo."""
FACTOR, CELL = 0.709, 12
"""Step of the pyramid, and side in pixels of the face that the first network looks for."""
SCORES = {"pnet": 0.6, "rnet": 0.7, "onet": 0.7}
"""Least chance of a face with which each network keeps a box."""
SIDES = {"rnet": 24, "onet": 48}
"""Side in pixels of the pictures that the later networks look at."""
RISE = 0.05
"""How far a crop's centre lies above the box's, in sides of the box: the box leaves out the hair."""
CENTRE_SIDE, CENTRE_HEIGHT = 0.9, 0.45
"""The crop where no face is found: its side in shorter sides of the photo, its centre in heights of it."""
LOW, CLEAR, SURE, ROLL, SMALL = 0.8, 0.95, 0.99, 45, 320
"""Score from which a face is upright without another look, degrees by which the landmarks of an upright face
may be turned, and longest side in pixels of the copy in which other turns are looked at."""

SEAL, MARK, DIGITS = "facefold_seal", "facefold-sha256:", 64
"""Key of a model's metadata, and what stands there before the digest of the file."""
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell of a table begins with that a spreadsheet takes for a formula."""
MOST_BYTES = 200_000_000
"""Bytes of a photo."""
MOST_SCANS, MOST_TEXTS = 100, 100
"""Times that a JPEG goes over its pixels, and packed texts of a PNG, by which small files take hours."""
MOST_SIDE = 10_000
"""Pixels of a side, in a model's metadata."""
AGAIN = "export it again with `make export`"

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Pixels = NDArray[np.uint8]
"""RGB [height, width, 3]."""
Box = tuple[float, float, float, float]


class Face(NamedTuple):
    """A face of a photo, in its pixels."""

    box: Box
    points: tuple[float, ...] = ()
    """x, y of left eye, right eye (as seen), nose, left and right corner of the mouth."""
    score: float = 1.0
    turned: int = 0
    """Degrees, clockwise, by which it lies turned in the photo: 0, 90, 180 or 270."""


class BadPhoto(Exception):
    """A file that is no photo or a damaged one; the message says why."""


def read_photo(path: Path) -> Pixels:
    """A photo, upright by its EXIF orientation, without its transparency, 16 bits as their upper 8.

    Of an animation it is the first picture.

    Raises:
        BadPhoto: unreadable, empty, no picture that is read, or cut short.
    """
    try:
        # Reading a named pipe would wait for ever.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadPhoto("not a file")
        if status.st_size > MOST_BYTES:
            raise BadPhoto(f"too large: {status.st_size} bytes, the limit is {MOST_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        what = "broken link" if path.is_symlink() else "unreadable"
        raise BadPhoto(f"{what}: {error.strerror}") from error
    if not data:
        raise BadPhoto("empty file")
    if not ends(data):
        raise BadPhoto("damaged: the file ends before the picture does")
    if has_too_many_parts(data):
        raise BadPhoto("too many parts: more than any photo has")
    tags = tiff_tags(data)
    if is_raw(tags) or data[8:10] == b"CR":
        raise BadPhoto("a raw photo of a camera, which is not read; convert it to JPEG")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if pixels is not None and not data.startswith(b"\xff\xd8"):
            pixels = on_white(data, pixels)
    except cv2.error as error:
        what = "too large" if "CV_IO_MAX_IMAGE" in error.err else "damaged"
        raise BadPhoto(f"{what}: {error.err}") from error
    if pixels is None:
        raise BadPhoto(why_not(data[:HEAD]))
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)


def kind_of(head: bytes) -> str:
    """What kind of picture a file is by its first bytes; "" of any other file."""
    for kind, (at, piece) in STARTS.items():
        if head[at : at + len(piece)] == piece and (kind != "BMP" or head[:2] == b"BM"):
            return kind
    return "PPM" if head[:1] == b"P" and head[1:3] in (b"5\n", b"6\n", b"5 ", b"6 ") else ""


def why_not(head: bytes) -> str:
    """Why OpenCV does not read a file, by its first bytes."""
    for start, what in STAND_INS.items():
        if head.lstrip().lower().startswith(start):
            return what
    kind = kind_of(head)
    if kind.startswith(UNREAD):
        return f"{NO_PICTURE} ({kind}): convert it to JPEG"
    return f"damaged, or of a kind of {kind} that OpenCV does not read" if kind else NO_PICTURE


def tiff_tags(data: bytes) -> dict[int, int]:
    """Tags and values, or where these lie, of a TIFF's first picture, {} of any other file."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4], "")
    if not order:
        return {}
    place = int.from_bytes(data[4:8], "little" if order == "<" else "big")
    count = int(np.frombuffer(data[place : place + 2].ljust(2, b"\0"), f"{order}u2")[0])
    entries = data[place + 2 : place + 2 + 12 * count]
    fields = np.dtype(f"{order}u2, {order}u2, {order}u4, {order}u4")
    table = np.frombuffer(entries[: len(entries) // 12 * 12], fields)
    return dict(zip(table["f0"].tolist(), table["f3"].tolist(), strict=True))


def is_raw(tags: dict[int, int]) -> bool:
    """Whether a TIFF holds what the sensor saw: its first picture may be a small preview."""
    return DNG_VERSION in tags or SENSOR in tags or (tags.get(PICTURE_KIND) == 1 and INNER in tags)


def on_white(data: bytes, shown: Any) -> Any:
    """A picture with what is transparent of it laid on white, but as it is where alpha is 0 all over.

    Args:
        data: of the file.
        shown: BGR as OpenCV shows it: the colours of a TIFF times its alpha, others as if there were none.

    Raises:
        BadPhoto: a TIFF whose alpha is 0 all over; its colours are lost.
    """
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
        return shown
    alpha = pixels[..., 3:].astype(np.int64)
    if data[:2] in (b"II", b"MM"):
        if not alpha.any():
            raise BadPhoto(
                "transparent all over, and OpenCV drops its colours; save it without alpha channel"
            )
        return np.minimum(pixels[..., :3] + 255 - alpha, 255).astype(np.uint8)
    if not alpha.any() or not np.array_equal(pixels[..., :3], shown):  # as of a picture turned by its EXIF
        return shown
    return ((shown * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def ends(data: bytes) -> bool:
    """Whether the picture of a JPEG or a PNG is all there: OpenCV shows half a photo of one cut short."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" in data
    if not data.startswith(b"\xff\xd8\xff"):
        return True
    return b"\xff\xd9" in data[jpeg_pixels(data) :]


def has_too_many_parts(data: bytes) -> bool:
    """Whether a JPEG or a PNG has more scans or texts than any photo."""
    if data.startswith(b"\x89PNG"):
        return data.count(b"zTXt") + data.count(b"iTXt") > MOST_TEXTS
    if not data.startswith(b"\xff\xd8\xff") or data.count(b"\xff\xda") <= MOST_SCANS:
        return False
    start = jpeg_pixels(data)
    return data.count(b"\xff\xda", start, max(data.find(b"\xff\xd9", start), 0)) > MOST_SCANS


def jpeg_pixels(data: bytes) -> int:
    """Where the header of a JPEG ends."""
    place = 2
    while data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda":
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return place


class Detector:
    """MTCNN on one photo at a time.

    Args:
        path: of the model that they lie in, for errors.
        networks: `pnet`, `rnet` and `onet` as ONNX files.
        crop: settings of the crops of training: `min_face`, side of the smallest face searched for, in pixels
            of the photo as it is searched; `detect_size`, longest side in pixels of that; `steps`, whether
            photos that may lie on a side or on their head are `turned`.
        threads: 0 for as many as there are cores.
    """

    def __init__(self, path: Path, networks: dict[str, bytes], crop: dict[str, Any], threads: int) -> None:
        self._networks = {name: opened(path, network, threads) for name, network in networks.items()}
        self._min_face, self._longest = crop["min_face"], crop["detect_size"]
        self._turns = "turned" in crop["steps"]

    def __call__(self, photo: Pixels, every: bool = False) -> list[Face]:
        """The face that a photo is about, or `every` one, that one first; none where none is found."""
        height, width = photo.shape[:2]
        searched = shrink(photo, self._longest)
        faces = self._upright(searched, every)
        if self._turns and min(searched.shape[:2]) >= self._min_face:
            faces = self._turned(searched, faces, every)
        scale = (width / searched.shape[1], height / searched.shape[0])
        return [
            face._replace(box=tenths(pairs(face.box) * scale), points=tenths(pairs(face.points) * scale))
            for face in faces
        ]

    def _upright(self, photo: Pixels, every: bool) -> list[Face]:
        height, width = photo.shape[:2]
        return weigh_faces(*self.search(photo), height, width, every)

    def _turned(self, photo: Pixels, faces: list[Face], every: bool) -> list[Face]:
        """The faces of the photo turned by quarters, where they are more certain than those found in it."""
        turn = self._likely_turn(photo, faces)
        if not turn:
            return faces
        height, width = photo.shape[:2]
        shown = np.ascontiguousarray(np.rot90(photo, turn // 90))
        found = self._upright(shown, every)
        back = [turned_back(face, turn, height, width) for face in found]
        if not back or not faces:
            return back or faces
        if is_half(back[0], height, width) or is_half(faces[0], height, width):
            return faces if is_half(back[0], height, width) else back
        return back if back[0].score > faces[0].score else faces

    def _likely_turn(self, photo: Pixels, faces: list[Face]) -> int:
        """The turn in which a photo looks more like one of a face than as it is, 0 where none does or there
        is no need to look: there is where no face was found, or one that lies on a side or is not sure."""
        none = not faces or is_half(faces[0], *photo.shape[:2])
        score = 0.0 if none else faces[0].score
        if none or score < LOW or abs(roll(faces[0])) > ROLL:
            seen = self._look(photo)
        elif score < SURE:
            seen = self._judge(photo, faces[0].box, (90, 180, 270) if score < CLEAR else (180,))
        else:
            return 0
        likeliest = max(seen, key=lambda turn: seen[turn])
        return likeliest if seen[likeliest] > score else 0

    def _look(self, photo: Pixels) -> dict[int, float]:
        """The best score of a face in a small copy of the photo in each turn.

        It is mirrored: a mask upside down may pass for a face, but hardly in the mirror and in the photo.
        """
        small = shrink(photo, SMALL)
        height, width = small.shape[:2]
        copy = np.zeros((max(height, width), max(height, width), 3), np.uint8)
        copy[:height, :width] = small
        shown = {turn: np.rot90(copy, turn // 90)[:, ::-1] for turn in (90, 180, 270)}
        return {
            turn: float(self.search(np.ascontiguousarray(view))[1].max(initial=0))
            for turn, view in shown.items()
        }

    def _judge(self, photo: Pixels, box: Box, turns: tuple[int, ...]) -> dict[int, float]:
        """How much the square about a box looks like a face in each turn, as it is and mirrored, to the last
        network."""
        left, top, right, bottom = box
        reach = 1.2 * max(right - left, bottom - top) / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        rows, columns = (slice(max(round(c - reach), 0), max(round(c + reach), 1)) for c in (y, x))
        side = SIDES["onet"]
        seen = cv2.resize(photo[rows, columns], (side, side), interpolation=cv2.INTER_AREA)
        upright = [np.rot90(seen, turn // 90) for turn in turns]
        views = np.stack([*upright, *(view[:, ::-1] for view in upright)]).transpose(0, 3, 1, 2)
        *_, chances = self._networks["onet"].run(None, {"x": ((views - 127.5) / 128).astype(np.float32)})
        return dict(zip(turns, chances[:, 1].reshape(2, -1).min(0).tolist(), strict=True))

    def search(self, photo: Pixels) -> tuple[Floats, Floats, Floats]:
        """All faces: boxes [n, 4], scores [n] and landmarks [n, 5, 2]."""
        table = np.asarray(cv2.integral(photo, sdepth=cv2.CV_64F), np.float64)
        boxes, scores, shifts = self._propose(table)
        keep = best_boxes(boxes, scores, 0.7)
        boxes, scores, shifts = boxes[keep], scores[keep], shifts[keep]
        boxes = square(boxes + shifts * np.tile(boxes[:, 2:] - boxes[:, :2], 2))
        boxes, scores, shifts, _ = self._refine("rnet", table, boxes)
        keep = best_boxes(boxes, scores, 0.7)
        boxes = square(boxes[keep] + shifts[keep] * sides(boxes[keep]))
        boxes, scores, shifts, points = self._refine("onet", table, boxes)
        extent = sides(boxes)
        points = points.reshape(-1, 2, 5).transpose(0, 2, 1) * extent[:, None, :2] + boxes[:, None, :2] - 1
        boxes = boxes + shifts * extent
        keep = best_boxes(boxes, scores, 0.7, inside=True)
        largest = np.argsort(np.prod(boxes[keep, 2:] - boxes[keep, :2], axis=1), kind="stable")[::-1]
        keep = keep[largest]
        return boxes[keep], scores[keep], points[keep]

    def _propose(self, table: NDArray[np.float64]) -> tuple[Floats, Floats, Floats]:
        """Boxes that the first network takes for faces at any scale, with its scores and its corrections."""
        height, width = table.shape[0] - 1, table.shape[1] - 1
        scale = CELL / self._min_face
        parts = [(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))]
        whole = np.array([[0, 0, width, height]])
        while min(height, width) * scale >= CELL:
            level = averages(table, whole, int(height * scale + 1), int(width * scale + 1))
            shifts, chances = self._networks["pnet"].run(None, {"x": level})
            rows, columns = np.nonzero(chances[0, 1] >= SCORES["pnet"])
            corner = 2 * np.stack([columns, rows], 1).astype(np.float32)
            edges = [np.floor((corner + edge) / np.float32(scale)) for edge in (1, CELL)]
            boxes, scores = np.concatenate(edges, 1), chances[0, 1, rows, columns]
            keep = best_boxes(boxes, scores, 0.5)
            parts.append((boxes[keep], scores[keep], shifts[0][:, rows, columns].T[keep]))
            scale *= FACTOR
        boxes, scores, shifts = (np.concatenate(column) for column in zip(*parts, strict=True))
        return boxes, scores, shifts

    def _refine(
        self, name: str, table: NDArray[np.float64], boxes: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Boxes that a later network takes for faces too, with its scores, its corrections and, of the last,
        the places of the landmarks in the box, five x and five y."""
        # Boxes count pixels from 1.
        left, top, right, bottom = np.trunc(boxes).astype(np.int64).T
        low = np.maximum(left, 1) - 1, np.maximum(top, 1) - 1
        high = np.minimum(right, table.shape[1] - 1), np.minimum(bottom, table.shape[0] - 1)
        corners = np.stack([*low, *high], 1)
        within = (corners[:, :2] < corners[:, 2:]).all(1)
        if not within.any():
            return boxes[:0], np.zeros(0, np.float32), boxes[:0], np.zeros((0, 10), np.float32)
        crops = averages(table, corners[within], SIDES[name], SIDES[name])
        shifts, *points, chances = self._networks[name].run(None, {"x": crops})
        sure = chances[:, 1] > SCORES[name]
        return boxes[within][sure], chances[sure, 1], shifts[sure], (points[0] if points else shifts)[sure]


def shrink(photo: Pixels, longest: int) -> Pixels:
    """A photo whose longest side has so many pixels; a smaller one as it is."""
    height, width = photo.shape[:2]
    ratio = longest / max(height, width)
    if ratio >= 1:
        return photo
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def averages(table: NDArray[np.float64], corners: Integers, height: int, width: int) -> Floats:
    """Parts of a photo at another size, each pixel the mean of what it covers, from about -1 to 1.

    Args:
        table: [height + 1, width + 1, 3] sums of all pixels above and to the left.
        corners: [n, 4] left, top, right, bottom in whole pixels.
        height: of the result.
        width: of the result.

    Returns:
        [n, 3, height, width].
    """
    above, below = windows(corners[:, 1], corners[:, 3], height)
    start, end = windows(corners[:, 0], corners[:, 2], width)
    above, below, start, end = above[:, :, None], below[:, :, None], start[:, None], end[:, None]
    sums = table[below, end] - table[above, end] - table[below, start] + table[above, start]
    means = sums / ((below - above) * (end - start))[..., None]
    return np.ascontiguousarray(((means - 127.5) / 128).transpose(0, 3, 1, 2), np.float32)


def windows(low: Integers, high: Integers, count: int) -> tuple[Integers, Integers]:
    """First and past-last pixel [n, count] of each window: 0 to 5 in two windows are 0 to 3 and 2 to 5."""
    steps, length, low = np.arange(count), (high - low)[:, None], low[:, None]
    return low + steps * length // count, low + ((steps + 1) * length + count - 1) // count


def square(boxes: Floats) -> Floats:
    """Boxes grown to squares about their centres."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = extent.max(1, keepdims=True)
    corner = boxes[:, :2] + extent / 2 - side / 2
    return np.concatenate([corner, corner + side], 1)


def sides(boxes: Floats) -> Floats:
    """[n, 4] width, height, width, height, the pixels of both edges included."""
    return np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def best_boxes(boxes: Floats, scores: Floats, limit: float, *, inside: bool = False) -> Integers:
    """Numbers of the boxes that stay, best first; each drops those that overlap it by more than `limit`.

    Args:
        boxes: [n, 4].
        scores: [n].
        limit: intersection over union, or, if `inside`, over the smaller box with its last pixels.
        inside: also, of equal scores the later box comes first.
    """
    order = np.argsort(scores, kind="stable")[::-1] if inside else np.argsort(-scores, kind="stable")
    edge, stay = float(inside), []
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + edge, axis=1)
    while len(order):
        best, order = order[0], order[1:]
        stay.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        common = np.prod(np.maximum(high - low + edge, 0), axis=1)
        whole = np.minimum(areas[best], areas[order]) if inside else areas[best] + areas[order] - common
        overlap = np.divide(common, whole, out=np.zeros_like(common), where=whole != 0)
        order = order[overlap.astype(np.float64) <= limit]
    return np.array(stay, np.int64)


def weigh_faces(
    boxes: Floats, scores: Floats, points: Floats, height: int, width: int, every: bool
) -> list[Face]:
    """The face that a photo is about, of the largest area times centrality times score; or `every` one that
    shows in it, that one first.

    Centrality is 1 - d^2, where d is the distance of the centres in halves of the photo's diagonal. A photo
    is about no face with its centre outside it.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres <= (width, height))).all(1)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    distance = np.square(centres - (width / 2, height / 2)).sum(1) / ((width**2 + height**2) / 4)
    weight = np.where(inside, area * (1 - distance) * scores, 0)
    order = np.argsort(-weight, kind="stable")
    if every:
        seen = np.all((boxes[:, 2:] > 0) & (boxes[:, :2] < (width, height)), axis=1) & (area > 0)
        order = order[seen[order]]
    else:
        order = order[weight[order] > 0][:1]
    return [Face(tenths(boxes[one]), tenths(points[one]), round(float(scores[one]), 4)) for one in order]


def is_half(face: Face, height: int, width: int) -> bool:
    """Whether a face's centre lies beyond the edge of its photo."""
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return not (0 <= x <= width and 0 <= y <= height)


def turned_back(face: Face, turn: int, height: int, width: int) -> Face:
    """A face that was found in a photo after quarter turns against the clock, in the photo itself.

    Args:
        face: in pixels of the turned photo.
        turn: degrees by which faces lie turned in the photo.
        height: of the photo.
        width: of the photo.
    """
    points = pairs((*face.box, *face.points))
    for _ in range(turn // 90):
        points = np.stack([-points[:, 1], points[:, 0]], 1)
    points = points + {90: (width, 0), 180: (width, height), 270: (0, height)}[turn]
    box = np.concatenate([points[:2].min(0), points[:2].max(0)])
    return Face(tenths(box), tenths(points[2:]), face.score, turn)


def roll(face: Face) -> float:
    """Degrees, clockwise, by which the landmarks of a face are turned, from -180 to 180."""
    points = pairs(face.points)
    across, up = points[:2].mean(0) - points[3:].mean(0)
    return math.degrees(math.atan2(across, -up))


def pairs(values: Sequence[float]) -> NDArray[np.float64]:
    """x and y [n, 2] of numbers that follow each other."""
    return np.array(values, np.float64).reshape(-1, 2)


def tenths(values: Any) -> Any:
    """Numbers rounded to a tenth of a pixel, one after the other."""
    return tuple(round(float(value), 1) for value in np.ravel(values))


def upright(photo: Pixels, face: Face) -> tuple[Pixels, Box]:
    """A photo turned by quarters so that the face is upright, and its box there."""
    box = face.box
    for _ in range(face.turned // 90):
        (left, top, right, bottom), width = box, photo.shape[1]
        photo, box = np.rot90(photo), (top, width - right, bottom, width - left)
    return photo, box


def face_square(box: Box, margin: float, photo: tuple[int, int] | None = None) -> tuple[int, int, int]:
    """Left, top and side of an upright face's crop: its box with `margin` of its longer side all round.

    Args:
        box: of the face.
        margin: in longer sides of the box.
        photo: height and width of the photo that the crop is shifted into, and shrunk to where it is larger;
            None for a crop that may reach beyond.
    """
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    side = max(1, whole(longer * (1 + 2 * margin)))
    rise = RISE * longer
    if photo and side > min(photo):
        side = min(photo)
        rise = min(rise, max(side - longer, 0) / 2)
    x, y = whole((left + right - side) / 2), whole((top + bottom - side) / 2 - rise)
    if photo:
        x, y = min(max(x, 0), photo[1] - side), min(max(y, 0), photo[0] - side)
    return x, y, side


def whole(value: float) -> int:
    """The nearest whole number, of two the larger."""
    return math.floor(round(value, 3) + 0.5)


def centre_square(height: int, width: int) -> tuple[int, int, int]:
    """Left, top and side of the crop of a photo without a face."""
    side = max(1, round(CENTRE_SIDE * min(height, width)))
    top = round(CENTRE_HEIGHT * height - side / 2)
    return round((width - side) / 2), min(max(top, 0), height - side), side


def whole_square(height: int, width: int) -> tuple[int, int, int]:
    """Left, top and side of the crop of a photo that is a face crop already: as much of it as a square holds,
    about its middle."""
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def cut(photo: Pixels, left: int, top: int, side: int, size: int) -> Pixels:
    """A square of the photo, whose border pixels are repeated beyond it, at `size` pixels."""
    rows = np.arange(top, top + side).clip(0, photo.shape[0] - 1)
    columns = np.arange(left, left + side).clip(0, photo.shape[1] - 1)
    return resize(photo[rows][:, columns], size, whole_steps=True)


def resize(pixels: Pixels, size: int, *, whole_steps: bool = False) -> Pixels:
    """A square picture at another size by PIL's bilinear filter, which sees all pixels when it shrinks.

    Args:
        pixels: [source, source, 3].
        size: pixels.
        whole_steps: round after the first direction too, as PIL does, but not FaceFold's loader.
    """
    source = len(pixels)
    if source == size:
        return pixels
    reach = max(source / size, 1)
    centres = (np.arange(size) + 0.5) * source / size
    weights = np.maximum(1 - np.abs(np.arange(source) + 0.5 - centres[:, None]) / reach, 0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    across = np.einsum("js,isc->ijc", weights, pixels.astype(np.float32), optimize=True)
    if whole_steps:
        across = np.floor(across + 0.5)
    down = np.einsum("is,sjc->ijc", weights, across, optimize=True)
    return np.asarray(np.floor(down + 0.5), np.uint8)


def look(crop: Pixels, size: int, centre: float) -> Floats:
    """A crop as a network sees it: its middle, `centre` of its side, at `size` pixels, [3, size, size]."""
    side = round(size / centre)
    first = round((side - size) / 2)
    seen = resize(crop, side)[first : first + size, first : first + size]
    return seen.transpose(2, 0, 1).astype(np.float32)


def open_session(model: bytes | str, threads: int) -> Any:
    """A model in ONNX Runtime, on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_seal(path: Path) -> None:
    """Compare a model with the sha256 in it, which is that of the file with zeros in its place.

    Models of before have none.

    Raises:
        ValueError: not as it was exported.
    """
    if not path.stat().st_size:  # which cannot be mapped, and ONNX Runtime refuses
        return
    # Mapped, a model is not copied to be looked at.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = data.rfind(MARK.encode())
        if at < 0:
            return
        start = at + len(MARK)
        found = data[start : start + DIGITS]
        with memoryview(data) as whole:
            digest = hashlib.sha256(whole[:start])
            digest.update(b"0" * DIGITS)
            digest.update(whole[start + DIGITS :])
    if digest.hexdigest().encode() != found:
        raise ValueError(f"{path}: edited or damaged, its content does not fit the sha256 in it; {AGAIN}")


def opened(path: Path, model: bytes | str, threads: int) -> Any:
    """`open_session` of a model, or of a network in one.

    Raises:
        ValueError: ONNX Runtime does not open it; it has an exception type for every kind of damage.
    """
    try:
        return open_session(model, threads)
    except Exception as error:
        what = f"not a model that ONNX Runtime opens ({first_line(error)})"
        raise ValueError(f"{path}: {what}; {AGAIN}") from error


def first_line(error: Exception) -> str:
    """The beginning of an error's message."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def described(path: Path, session: Any) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What a model says of itself, and the networks of its detector.

    Raises:
        ValueError: it says nothing, something else than such models do, or what its network contradicts.
    """
    try:
        properties = session.get_modelmeta().custom_metadata_map
        told = json.loads(properties.get("facefold", "{}"))
        networks = {
            name: base64.b64decode(network, validate=True)
            for name, network in json.loads(properties.get("facefold_detector", "{}")).items()
        }
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: its metadata are not readable ({error}); {AGAIN}") from error
    if not isinstance(told, dict) or told.get("format") != FORMAT or "facefold_detector" not in properties:
        raise ValueError(f"{path}: FaceFold exported no such model, with its detector, in format {FORMAT}")
    if SEAL in properties and not properties[SEAL].startswith(MARK):
        raise ValueError(f"{path}: edited or damaged, the sha256 in it is not marked as such; {AGAIN}")
    wrong = wrong_inputs(told.get("inputs"), session) or wrong_crop(told.get("crop"), networks)
    wrong = wrong or wrong_outputs(told.get("outputs"), session)
    if wrong:
        raise ValueError(f"{path}: its metadata are not those of an export: {wrong}; {AGAIN}")
    return told, networks


def wrong_inputs(inputs: Any, session: Any) -> str:
    """What is wrong with the description of a network's inputs, or ""."""
    if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
        return "inputs: not a list of tables"
    taken = {each.name: each.shape for each in session.get_inputs()}
    if sorted(str(each.get("name")) for each in inputs) != sorted(taken):
        return f"inputs: their names are not those of its network ({', '.join(taken)})"
    for each in inputs:
        size, centre = each.get("size"), each.get("centre")
        if not is_side(size) or taken[each["name"]][1:] != [3, size, size]:
            return f"inputs: size {size!r} is not that of its network"
        if type(centre) not in (int, float) or not 0.1 <= centre <= 1:
            return f"inputs: centre {centre!r} is no share from 0.1 to 1"
    return ""


def wrong_crop(crop: Any, networks: dict[str, bytes]) -> str:
    """What is wrong with the settings of crops, or ""."""
    if not isinstance(crop, dict) or not is_side(crop.get("size")):
        return f"crop: no table with a size from 1 to {MOST_SIDE}"
    if crop.get("faces") == "as_is":
        return ""
    for name in ("min_face", "detect_size"):
        if not is_side(crop.get(name)):
            return f"crop.{name}: {crop.get(name)!r} is no whole number from 1 to {MOST_SIDE}"
    margin: Any = crop.get("margin")
    if type(margin) not in (int, float) or not 0 <= margin <= 10:
        return f"crop.margin: {margin!r} is no number from 0 to 10"
    if not isinstance(crop.get("steps"), list):
        return "crop.steps: not a list"
    if sorted(networks) != sorted(SCORES):
        return f"its detector has not the networks {', '.join(SCORES)}"
    return ""


def wrong_outputs(outputs: Any, session: Any) -> str:
    """What is wrong with the description of a network's outputs, or ""; one of before gets its factors."""
    if not isinstance(outputs, list) or not outputs or not all(isinstance(each, dict) for each in outputs):
        return "outputs: not a list of tables"
    given = {each.name: each.shape for each in session.get_outputs()}
    for output in outputs:
        name, choice = output.get("name"), output.get("choice")
        choices = [each for each, shape in given.items() if len(shape) == 1]
        if name not in [*given] or ("choice" in output and choice not in choices):
            return f"outputs: {name!r} with choice {choice!r} is none of its network's"
        # Models of before named no factors of a single head.
        factors = output.setdefault("factors", {str(output.get("task")): output.get("classes")})
        if not isinstance(factors, dict) or not all(map(is_names, factors.values())):
            return f"outputs: the factors of {name!r} are no lists of names"
        if given[name][1:] != [math.prod(map(len, factors.values()))]:
            return f"outputs: {name!r} has not as many classes as its network gives"
    return ""


def is_side(value: Any) -> bool:
    """Whether a value of the metadata is a number of pixels."""
    return type(value) is int and 1 <= value <= MOST_SIDE


def is_names(value: Any) -> bool:
    """Whether a value of the metadata is a list of names."""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


class Predictor:
    """The exported model with its detector and the settings that its metadata carry.

    Args:
        path: the model.
        threads: 0 for as many as there are cores.

    Attributes:
        columns: names of a row's values.
        detector: None for a model of photos as they are.

    Raises:
        ValueError: not such a model.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self._path = path
        check_seal(path)
        self._session = opened(path, str(path), threads)
        description, networks = described(path, self._session)
        self._inputs, self._outputs = description["inputs"], description["outputs"]
        self._crop = crop = description["crop"]
        searches = crop.get("faces") != "as_is"
        self.detector = Detector(path, networks, crop, threads) if searches else None
        self.columns: list[str] = []
        for output in self._outputs:
            self.columns += [
                name for factor in output["factors"] for name in (factor, f"{factor} probability")
            ]

    def see(self, path: Path, every: bool = False) -> list[tuple[Pixels, Box | None]]:
        """The crops of a photo that the networks look at, [size, size, 3], and the faces' boxes: of the face
        that it is about, of `every` face, or of a photo without one its middle and no box.

        Raises:
            BadPhoto: see `read_photo`.
        """
        photo = read_photo(path)
        height, width = photo.shape[:2]
        size = self._crop["size"]
        if self.detector is None:
            return [(cut(photo, *whole_square(height, width), size), (0.0, 0.0, float(width), float(height)))]
        faces = self.detector(photo, every)
        if not faces:
            return [(cut(photo, *centre_square(height, width), size), None)]
        seen: list[tuple[Pixels, Box | None]] = []
        for face in faces:
            shown, box = upright(photo, face)
            bounds = (shown.shape[0], shown.shape[1]) if self._crop.get("clamp") else None
            place = face_square(box, self._crop["margin"], bounds)
            seen.append((cut(shown, *place, size), face.box))
        return seen

    def __call__(self, crops: Sequence[Pixels]) -> list[list[str]]:
        """The model's answers to crops: a row for each, by `columns`.

        Raises:
            ValueError: the network does not run on them.
        """
        feeds = {
            each["name"]: np.stack([look(crop, each["size"], each["centre"]) for crop in crops])
            for each in self._inputs
        }
        names = [output.name for output in self._session.get_outputs()]
        try:
            values = dict(zip(names, self._session.run(None, feeds), strict=True))
        except Exception as error:  # as of `opened`
            raise ValueError(
                f"{self._path}: its network does not run ({first_line(error)}); {AGAIN}"
            ) from error
        return [self._row(values, number) for number in range(len(crops))]

    def _row(self, values: dict[str, NDArray[Any]], number: int) -> list[str]:
        row: list[str] = []
        for output in self._outputs:
            factors = list(output["factors"].values())
            cube = values[output["name"]][number].reshape([len(names) for names in factors])
            choice = values[output["choice"]][number] if "choice" in output else cube.argmax()
            for axis, place in enumerate(np.unravel_index(choice, cube.shape)):
                row += [factors[axis][place], f"{cube.take(place, axis).sum():.4f}"]
        return row


def photos_of(names: Sequence[Path]) -> tuple[list[Path], list[str], int]:
    """The files named, and the pictures in the folders named, by name or by content, sorted.

    Returns:
        Photos; lines that say what is left out of the folders; how many folders could not be listed.
    """
    photos: list[Path] = []
    others: dict[str, list[str]] = {"hidden folders or a tool's": [], "no photos": []}
    closed: list[OSError] = []
    for name in names:
        if not name.is_dir():
            photos.append(name)
            continue
        seen: set[str] = set()
        found: list[Path] = []
        for place, folders, files in os.walk(name, followlinks=True, onerror=closed.append):
            if os.path.realpath(place) in seen:  # a link in a circle
                folders.clear()
                continue
            seen.add(os.path.realpath(place))
            others["hidden folders or a tool's"] += [str(Path(place, f)) for f in folders if of_tool(f)]
            folders[:] = [folder for folder in folders if not of_tool(folder)]
            for file in files:
                if is_photo(path := Path(place, file)):
                    found.append(path)
                else:
                    others["no photos"].append(str(path))
        photos += sorted(found)
    lines = [f"skipped {error.filename}: cannot be listed: {error.strerror}" for error in closed]
    for what, paths in others.items():
        if paths:
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            lines.append(f"left out, since {what}: {len(paths)} ({', '.join(sorted(paths)[:3])}{more})")
    return photos, lines, len(closed)


def of_tool(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's or tool's own."""
    return name.startswith(".") or name.lower() in TOOLS


def is_photo(path: Path) -> bool:
    """Whether a file in a folder is called like a picture, or is one by its first bytes."""
    if of_tool(path.name):
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return bool(kind_of(file.read(HEAD)))
    except OSError:
        return False


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(
            "columns: path; left, top, right, bottom of the face, empty where none was found; what the\n"
            "model tells, such as mask, gender and age, each with its probability; status: detected, or\n"
            "fallback, a photo without a face, which is answered by a centre crop.\n"
            "With --faces all a photo has a row for each face, first the one that it is about.\n"
            "In a folder photos are what is called like one or is one by its first bytes; other files,\n"
            "hidden folders and those of tools (@eaDir, __MACOSX) are left out with a line.\n"
            "exit code: 0 all photos answered; 1 some were skipped, each named with the reason; 2 wrong use."
        ),
    )
    parser.add_argument("model", type=Path, help="the exported model.onnx")
    parser.add_argument("photos", type=Path, nargs="+", help="photos, or folders of them (with sub-folders)")
    parser.add_argument("--out", type=Path, help="CSV file to write; without it the answers are printed")
    parser.add_argument(
        "--faces",
        choices=("best", "all"),
        default="best",
        help="answer the face that a photo is about: large, central and certain (default); or every face",
    )
    parser.add_argument("--batch", type=int, default=16, help="photos that go through the network together")
    parser.add_argument("--threads", type=int, default=0, help="0 (default) for as many as there are cores")
    chosen = parser.parse_args(arguments)
    if chosen.batch < 1 or chosen.threads < 0:
        parser.error(f"--batch {chosen.batch} --threads {chosen.threads}: at least 1 and 0")
    if not chosen.model.is_file():
        print(f"error: {chosen.model}: no such model; give a model.onnx of `make export`", file=sys.stderr)
        sys.exit(2)
    files, lines, chosen.closed = photos_of(chosen.photos)
    for line in lines:
        print(line, file=sys.stderr)
    if not files:
        parser.error(f"no photos in {', '.join(map(str, chosen.photos))}")
    chosen.photos = files
    return chosen


def answer_photos(
    predictor: Predictor, paths: Sequence[Path], every: bool = False
) -> tuple[list[list[str]], int, int]:
    """Rows of the CSV of some photos, how many of them had no face, and how many were skipped."""
    crops, boxes, seen, skipped = [], [], [], 0
    for path in paths:
        try:
            found = predictor.see(path, every)
        except BadPhoto as bad:
            print(f"skipped {path}: {bad}", file=sys.stderr)
            skipped += 1
            continue
        for crop, box in found:
            crops.append(crop)
            boxes.append(box)
            seen.append(path_cell(path))
    answers: list[list[str]] = []
    for first in range(0, len(crops), len(paths)):  # a group has many faces
        answers += predictor(crops[first : first + len(paths)])
    rows = [
        [path, *_edges(box), *answer, "detected" if box else "fallback"]
        for path, answer, box in zip(seen, answers, boxes, strict=True)
    ]
    return rows, boxes.count(None), skipped


def path_cell(path: Path) -> str:
    """A path as a cell: text, though names need not be UTF-8; what would be a formula gets `./` in front."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return f"./{text}" if text.startswith(FORMULAS) else text


def _edges(box: Box | None) -> list[str]:
    return [f"{edge:.1f}" for edge in box] if box else [""] * len(EDGES)


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict and write; the exit code."""
    chosen = parse(arguments)
    try:
        return answer_all(chosen)
    except BrokenPipeError:  # whoever read the table has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        print(f"error: {error.filename or chosen.out or 'the table'}: {error.strerror}", file=sys.stderr)
    except Exception as error:  # ONNX Runtime has an exception type for every kind of damage
        print(f"error: {error}", file=sys.stderr)
    return 2


def answer_all(chosen: argparse.Namespace) -> int:
    """Answer what the command line asks for; the exit code."""
    paths: list[Path] = chosen.photos
    predictor = Predictor(chosen.model, chosen.threads)
    if predictor.detector is None and chosen.faces == "all":
        raise ValueError(
            f"--faces all: {chosen.model} was trained on photos as they are, and searches no faces; "
            "leave --faces out"
        )
    out = chosen.out.open("w", newline="", encoding="utf-8") if chosen.out else nullcontext(sys.stdout)
    with suppress(AttributeError):  # older OpenCV
        cv2.utils.logging.setLogLevel(0)  # what it says of damaged files is said below, with their names
    start, faces, faceless, skipped = time.perf_counter(), 0, 0, 0
    with out as file:
        table = csv.writer(file)
        table.writerow(["path", *EDGES, *predictor.columns, "status"])
        for first in range(0, len(paths), chosen.batch):
            some = paths[first : first + chosen.batch]
            rows, without, lost = answer_photos(predictor, some, chosen.faces == "all")
            table.writerows(rows)
            faces += len(rows) - without
            faceless, skipped = faceless + without, skipped + lost
            if sys.stderr.isatty():
                print(f"{first + len(some)} of {len(paths)} photos", end="\r", file=sys.stderr)
    rate = len(paths) / max(time.perf_counter() - start, 1e-9)
    print(
        f"{len(paths) - skipped} photos answered ({f'{faces} faces; ' if chosen.faces == 'all' else ''}"
        f"{faceless} of them without a face, by their middle), "
        f"{skipped + chosen.closed} skipped, {rate:.1f} photos/s",
        file=sys.stderr,
    )
    return 1 if skipped + chosen.closed else 0


if __name__ == "__main__":
    sys.exit(main())
