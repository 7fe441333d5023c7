"""Finds the one face that a photo is about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.photo import Pixels

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Face:
    """A detected face. Coordinates are pixels, x to the right and y down from the photo's upper left corner,
    rounded to a tenth: what is below is rounding noise of the networks."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom; may reach beyond the photo."""
    landmarks: tuple[float, ...]
    """x, y of left eye, right eye (as seen), nose, left and right corner of the mouth."""
    score: float
    """The detector's probability, 0 to 1."""

    def scaled(self, x: float, y: float) -> Face:
        """The face in a photo that is `x` times as wide and `y` times as high."""
        box = np.array(self.box).reshape(2, 2) * (x, y)
        landmarks = np.array(self.landmarks).reshape(5, 2) * (x, y)
        return Face(_tenths(box), _tenths(landmarks), self.score)


def _tenths(values: Floats) -> Any:
    return tuple(round(float(value), 1) for value in values.ravel())


def choose_face(boxes: Floats, scores: Floats, landmarks: Floats, height: int, width: int) -> Face | None:
    """The face that the photo is about: large, central and certain.

    The largest product of area, centrality and score wins, and of equals the first. Centrality is
    1 - d^2, with d the distance of the box's centre from the photo's, in halves of the photo's diagonal: 1 in
    the middle, 0 in a corner. So a passer-by at the edge must be a few times larger to win: in a photo of
    300 x 400, a box of 100 x 100 in the middle weighs 10,000, one at (50, 50) of the same size
    10,000 x (1 - (100^2 + 150^2) / 250^2) = 4,800.

    Args:
        boxes: [n, 4] left, top, right, bottom in pixels.
        scores: [n] probabilities.
        landmarks: [n, 5, 2] x, y in pixels.
        height: of the photo, in pixels.
        width: of the photo, in pixels.

    Returns:
        None where no box has its centre in the photo.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres <= (width, height))).all(1)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    distance = np.square(centres - (width / 2, height / 2)).sum(1) / ((width**2 + height**2) / 4)
    weight = np.where(inside, area * (1 - distance) * scores, 0)
    if not (weight > 0).any():
        return None
    best = int(weight.argmax())
    return Face(_tenths(boxes[best]), _tenths(landmarks[best]), round(float(scores[best]), 4))


def reduce_photo(pixels: Pixels, longest: int) -> Pixels:
    """The photo shrunk so that its longest side is `longest` pixels; a smaller photo as it is."""
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    ratio = longest / max(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


class Detector:
    """MTCNN with the weights that facenet-pytorch brings.

    Args:
        min_face: smallest face searched for, in pixels.
        device: `auto` takes a GPU where there is one.

    Raises:
        ValueError: `cuda` without a GPU.
    """

    def __init__(self, *, min_face: int, device: Literal["auto", "cpu", "cuda"]) -> None:
        import torch
        from facenet_pytorch import MTCNN

        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device=cuda: torch sees no GPU; use --device cpu or auto")
        place = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self._min_face = min_face
        self._torch = torch
        self._mtcnn: Any = MTCNN(min_face_size=min_face, keep_all=True, device=torch.device(place))

    def __call__(self, photos: Sequence[Pixels]) -> list[Face | None]:
        """The face of each of some photos of equal height and width."""
        height, width = photos[0].shape[:2]
        if min(height, width) < self._min_face:
            return [None] * len(photos)
        try:
            with self._one_thread():
                found = self._mtcnn.detect(np.stack(photos), landmarks=True)
        except (RuntimeError, IndexError) as error:
            # facenet-pytorch raises either when a candidate of one photo lies wholly outside of it; the other
            # photos of the batch have their faces all the same. Lack of memory comes this way too.
            if len(photos) > 1:
                return [face for photo in photos for face in self([photo])]
            if isinstance(error, self._torch.OutOfMemoryError):
                raise
            return [None]
        return [
            None
            if boxes is None
            else choose_face(_floats(boxes), _floats(scores), _floats(points), height, width)
            for boxes, scores, points in zip(*found, strict=True)
        ]

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """Other thread counts sum in another order, and a cache would depend on the machine's cores."""
        threads = self._torch.get_num_threads()
        self._torch.set_num_threads(1)
        try:
            yield
        finally:
            self._torch.set_num_threads(threads)


def _floats(array: Any) -> Floats:
    """facenet-pytorch returns arrays of objects where the photos of a batch have different counts."""
    return np.asarray(array, np.float64)
