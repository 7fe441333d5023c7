"""MTCNN for many photos of one size at once: facenet-pytorch's detections at a fraction of its time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from preprocess.sources.photo import Pixels

if TYPE_CHECKING:
    from preprocess.detect.mtcnn.areas import Areas, TableAreas
    from preprocess.detect.mtcnn.networks import Refiner

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
FACTOR = 0.709
"""Side of a level of the pyramid in sides of the one before it."""
CELL = 12
"""Side, in pixels, of the face that the first network looks for."""
REFINED_SCORE, FINAL_SCORE = 0.7, 0.7
SAME_LEVEL_OVERLAP, OVERLAP = 0.5, 0.7
PIXELS_TOGETHER = {"cpu": 2**22, "cuda": 2**25}
"""Pixels of photos that are searched together; fewer where they do not fit into a GPU's memory."""


@dataclass(frozen=True)
class Found:
    """The faces of one photo, the largest first. Coordinates are pixels, x to the right and y down from the
    photo's upper left corner, and may lie beyond the photo."""

    boxes: Floats
    """[n, 4] left, top, right, bottom."""
    scores: Floats
    """[n] probabilities."""
    landmarks: Floats
    """[n, 5, 2] x, y of left eye, right eye (as seen), nose, left and right corner of the mouth."""


@dataclass(frozen=True)
class _Candidates:
    boxes: Floats
    scores: Floats
    photo: Integers
    rest: Floats
    """A network's outputs beyond the score, a row for each."""

    def __getitem__(self, which: Integers | NDArray[np.bool_]) -> _Candidates:
        return _Candidates(self.boxes[which], self.scores[which], self.photo[which], self.rest[which])


def _square(boxes: Floats) -> Floats:
    """Boxes grown to squares about their centres."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    side = np.maximum(width, height)
    left, top = boxes[:, 0] + width / 2 - side / 2, boxes[:, 1] + height / 2 - side / 2
    return np.stack([left, top, left + side, top + side], 1)


def _sides(boxes: Floats) -> Floats:
    """[n, 4] width, height, width, height in pixels, those of both edges included."""
    return np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def _corners(boxes: Floats, height: int, width: int) -> Integers:
    """The pixels of the photo that boxes cover, [n, 4]. Boxes count pixels from 1, corners from 0 and up to
    the pixel after the last: in a photo of 9 x 9, (-3.5, 2.9, 5, 12) covers 0 to 5 and 1 to 9."""
    left, top, right, bottom = np.trunc(boxes).astype(np.int64).T
    low = np.maximum(left, 1) - 1, np.maximum(top, 1) - 1
    return np.stack([*low, np.minimum(right, width), np.minimum(bottom, height)], 1)


class Cascade:
    """MTCNN with facenet-pytorch's weights, thresholds (0.6, 0.7, 0.7) and pyramid (0.709).

    On a CPU it runs on one thread: other counts sum in another order, and results would depend on the
    machine's cores. On a GPU it does not use TF32, which would move boxes by tenths of a pixel, and photos
    that do not fit into its memory together are searched in halves, as are all later ones.

    Args:
        device: `cpu` or `cuda`.
    """

    def __init__(self, *, device: str = "cpu") -> None:
        import torch

        from preprocess.detect.mtcnn import areas, kernels, networks

        self._torch = torch
        self._best = kernels.best_of_each
        self._areas = areas
        self._memory = areas.Memory()
        self._networks = networks
        self._device = device
        self._pixels = PIXELS_TOGETHER[device]
        with self._exact():
            self._proposer = networks.Proposer(device)
            self._refiner = networks.Refiner("rnet", device)
            self._output = networks.Refiner("onet", device)

    def __call__(self, photos: Sequence[Pixels], *, min_face: int) -> list[Found]:
        """The faces in each of some photos of equal height and width.

        They are those of facenet-pytorch's `MTCNN(keep_all=True, min_face_size=min_face).detect`, one photo
        at a time, up to float rounding; where that raises, for a candidate beyond the photo, here the
        candidate is left out. A photo without a face, or smaller than `min_face`, has none.

        Args:
            photos: at least one.
            min_face: side, in pixels, of the smallest face searched for; at least 1.

        Raises:
            ValueError: a GPU has no memory for one photo alone.
        """
        height, width = photos[0].shape[:2]
        scales = _scales(min(height, width), min_face)
        found: list[Found] = []
        with self._exact():
            while len(found) < len(photos):
                together = max(1, self._pixels // max(height * width, 1))
                some = photos[len(found) : len(found) + together]
                searched = self._search_fitting(some, scales)
                if searched is None:
                    self._pixels = len(some) * height * width // 2
                    self._torch.cuda.empty_cache()
                else:
                    found += searched
        return found

    def face_scores(self, pictures: Sequence[Pixels]) -> Floats:
        """How much each picture as a whole looks like an upright face to the last network, [n], 0 to 1.

        Args:
            pictures: at least one, squares of equal side, of a pixel or more.
        """
        side = len(pictures[0])
        with self._exact():
            areas = self._areas.look_at(pictures, [(1, 1)], self._device, self._memory)
            corners = np.tile(np.array([0, 0, side, side]), (len(pictures), 1))
            return self._output(areas, np.arange(len(pictures)), corners)[:, 0]

    def _search_fitting(self, photos: Sequence[Pixels], scales: Sequence[float]) -> list[Found] | None:
        """The faces of photos, or None where a GPU has no memory for so many together. The caller tries fewer
        when this has returned: the error holds all that was computed before it."""
        height, width = photos[0].shape[:2]
        sizes = [(int(height * scale + 1), int(width * scale + 1)) for scale in scales]
        try:
            return self._search(self._areas.look_at(photos, sizes, self._device, self._memory), scales)
        except RuntimeError as error:
            if not self._is_exhaustion(error):
                raise
            if len(photos) == 1:
                raise ValueError(
                    f"device={self._device}: the GPU has no memory left for a photo of {width} x {height}; "
                    "end what else uses it, or use --device cpu"
                ) from error
        return None

    def _is_exhaustion(self, error: RuntimeError) -> bool:
        """Whether a GPU's memory is used up; its libraries have words of their own for that."""
        words = ("out of memory", "ALLOC_FAILED")
        return isinstance(error, self._torch.OutOfMemoryError) or any(word in str(error) for word in words)

    def _search(self, areas: Areas | TableAreas, scales: Sequence[float]) -> list[Found]:
        found = self._refined(areas, self._propose(areas, scales), self._refiner, REFINED_SCORE)
        found = self._best_of_photos(found)
        moved = found.boxes + found.rest * _sides(found.boxes)
        found = _Candidates(_square(moved), found.scores, found.photo, found.rest)
        found = self._refined(areas, found, self._output, FINAL_SCORE)
        sides = _sides(found.boxes)
        points = np.stack([found.rest[:, 4:9], found.rest[:, 9:]], 2) * sides[:, None, :2]
        points += found.boxes[:, None, :2] - 1
        boxes = found.boxes + found.rest[:, :4] * sides
        found = _Candidates(boxes, found.scores, found.photo, points.reshape(-1, 10))
        found = self._best_of_photos(found, inside=True)
        return [_sorted(found[found.photo == photo]) for photo in range(areas.count)]

    def _propose(self, areas: Areas | TableAreas, scales: Sequence[float]) -> _Candidates:
        """What the first network takes for faces, squared."""
        nothing = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
        parts = [(*nothing, nothing[0], nothing[2])]
        for number, (level, scale) in enumerate(zip(areas.levels, scales, strict=True)):
            places, scores, corrections = self._networks.propose(level, self._proposer)
            corner = 2 * places[:, :0:-1].astype(np.float32)
            edges = [np.floor((corner + edge) / np.float32(scale)) for edge in (1, CELL)]
            group = number * areas.count + places[:, 0]
            parts.append((np.concatenate(edges, 1), scores, places[:, 0], corrections, group))
        *columns, groups = (np.concatenate(column) for column in zip(*parts, strict=True))
        found = _Candidates(*columns)
        found = found[self._best(found.boxes, found.scores, SAME_LEVEL_OVERLAP, groups)]
        found = self._best_of_photos(found)
        sides = np.tile(found.boxes[:, 2:] - found.boxes[:, :2], 2)
        return _Candidates(_square(found.boxes + found.rest * sides), found.scores, found.photo, found.rest)

    def _best_of_photos(self, found: _Candidates, *, inside: bool = False) -> _Candidates:
        return found[self._best(found.boxes, found.scores, OVERLAP, found.photo, inside=inside)]

    def _refined(
        self, areas: Areas | TableAreas, found: _Candidates, network: Refiner, least: float
    ) -> _Candidates:
        """Those that a later network takes for faces too, with its score and corrections."""
        corners = _corners(found.boxes, areas.height, areas.width)
        within = np.flatnonzero((corners[:, :2] < corners[:, 2:]).all(1))
        found = found[within]
        outputs = network(areas, found.photo, corners[within])
        found = _Candidates(found.boxes, outputs[:, 0], found.photo, outputs[:, 1:])
        return found[found.scores > least]

    @contextmanager
    def _exact(self) -> Iterator[None]:
        torch = self._torch
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            # What is not named here is set to defaults of torch's own: cuDNN would be off.
            full = torch.backends.cudnn.flags(enabled=True, allow_tf32=False, fp32_precision="ieee")
            with torch.inference_mode(), full:
                yield
        finally:
            torch.set_num_threads(threads)


def _scales(shortest: int, min_face: int) -> list[float]:
    """Sides of the pyramid's levels in sides of the photo, from the one in which the smallest face has 12
    pixels to the last whose shortest side has 12: for 100 pixels and faces from 60, 0.2 and 0.1418."""
    scales = []
    scale, side = CELL / min_face, shortest * (CELL / min_face)
    while side >= CELL:
        scales.append(scale)
        scale, side = scale * FACTOR, side * FACTOR
    return scales


def _sorted(found: _Candidates) -> Found:
    boxes = found.boxes
    order = np.argsort((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), kind="stable")[::-1]
    return Found(boxes[order], found.scores[order], found.rest[order].reshape(-1, 5, 2))
