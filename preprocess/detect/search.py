"""The search for a face, step after step until one finds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

import cv2
import numpy as np

from faces.framing.face import TURNS, Face, turn_back, weigh_faces
from faces.framing.sideways import is_upright
from preprocess.detect.mtcnn.cascade import Cascade
from preprocess.detect.sideways import turns_to_search
from preprocess.detect.yunet import YuNet
from preprocess.settings import PreprocessSettings, Step
from preprocess.sources.photo import Pixels

Found = tuple[Face, ...]
Device = Literal["cpu", "cuda"]
BATCH: Final[dict[Device, int]] = {"cpu": 16, "cuda": 128}
"""Most photos of one size that are searched together, where the settings leave it open."""
SMALLEST = 20
"""Smallest face searched for in another view, in pixels of that view: facenet-pytorch's default."""
SHRUNK = 180
"""Longest side of the shrunk view, in pixels."""


def stretch_contrast(photo: Pixels) -> Pixels:
    """The photo with its lightness equalised in 8 x 8 tiles (CLAHE, clip limit 2): lifts a face out of
    shade, and sets a white mask off from skin that the light has bleached."""
    lab = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2LAB))
    lab[..., 0] = cv2.createCLAHE(2.0, (8, 8)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


def mirror(photo: Pixels) -> Pixels:
    """The photo, left and right exchanged."""
    return np.ascontiguousarray(photo[:, ::-1])


def unmirror(face: Face, width: int) -> Face:
    """A face of the mirrored photo in the photo, which is `width` pixels wide.

    The eye found on the left lies on the right: box (10, 0, 30, 20) in a photo of width 100 becomes
    (70, 0, 90, 20), and points are exchanged in pairs.
    """
    left, top, right, bottom = face.box
    points = np.reshape(face.landmarks, (5, 2))[[1, 0, 2, 4, 3]] * (-1, 1) + (width, 0)
    box = (round(width - right, 1), top, round(width - left, 1), bottom)
    return replace(face, box=box, landmarks=tuple(round(float(v), 1) for v in points.ravel()))


def shrink(photo: Pixels) -> Pixels:
    """The photo with a longest side of `SHRUNK` pixels, or as it is where that is smaller."""
    height, width = photo.shape[:2]
    ratio = min(1, SHRUNK / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True)
class View:
    """The photo shown in another way, for one more search."""

    name: str
    """Name of the step in the index."""
    show: Callable[[Pixels], Pixels]
    """The view of a photo."""
    back: Callable[[Face, Pixels, Pixels], Face]
    """Moves a face of the view into the photo; takes the face, the photo and the view."""
    min_face: int | None
    """Smallest face, in pixels of the view; None for that of the first step."""


def _as_is(face: Face, photo: Pixels, view: Pixels) -> Face:
    return face


def _unmirrored(face: Face, photo: Pixels, view: Pixels) -> Face:
    return unmirror(face, photo.shape[1])


def _enlarged(face: Face, photo: Pixels, view: Pixels) -> Face:
    return face.scaled(photo.shape[1] / view.shape[1], photo.shape[0] / view.shape[0])


VIEWS = (
    View("mtcnn-contrast", stretch_contrast, _as_is, None),
    View("mtcnn-mirrored", mirror, _unmirrored, SMALLEST),
    View("mtcnn-shrunk", shrink, _enlarged, SMALLEST),
)
"""Of 87 photos of masked faces that MTCNN missed at 60 pixels, contrast found 55, then mirrored 13 and
shrunk 3 more; other scales, margins around the photo and brightening found what these find, and few more."""


def _missing(photos: Sequence[Pixels], faces: Sequence[Found]) -> list[int]:
    """Photos in which no face, or no more than half a face at the edge, was found."""
    height, width = photos[0].shape[:2]
    return [number for number, found in enumerate(faces) if not found or found[0].is_half(height, width)]


def _is_better(turned: Found, before: Found, height: int, width: int) -> bool:
    """Whether what was found in a turned photo is more of a face than what was found before it."""
    if not turned or not before:
        return bool(turned)
    if turned[0].is_half(height, width) or before[0].is_half(height, width):
        return not turned[0].is_half(height, width)
    return turned[0].score > before[0].score


class Finder:
    """Searches the faces of each photo by the steps of the settings.

    Args:
        settings: steps, sizes, device, YuNet's model, and whether every face is wanted. `auto`, which
            `preprocess.detect.device` decides for many photos, is here the CPU.

    Raises:
        ValueError: `cuda` without a GPU that can be used, or a model that is none.
    """

    def __init__(self, settings: PreprocessSettings) -> None:
        self._settings = settings
        self._device: Device = "cuda" if settings.device == "cuda" else "cpu"
        self.batch: int = settings.batch or BATCH[self._device]
        """Most photos that should be searched together."""
        self._every = settings.faces == "all"
        self._steps: dict[Step, Callable[[Sequence[Pixels]], list[Found]]] = {
            "mtcnn": lambda photos: self._mtcnn(photos, "mtcnn", self._settings.min_face),
            "again": self._again,
            "yunet": lambda photos: [self._yunet(photo) for photo in photos],
        }

    def __call__(self, photos: Sequence[Pixels]) -> list[Found]:
        """The faces of each of some photos of equal height and width, the one it is about first.

        At most that one, unless every face is wanted; none where no step finds one. Half faces alone (see
        `weigh_faces`) end no search.
        """
        return self.rest(photos, self.first(photos))

    def first(self, photos: Sequence[Pixels]) -> list[Found]:
        """What the first step alone finds, as `__call__`."""
        return self._search(photos, [()] * len(photos), self._settings.steps[:1])

    def is_settled(self, faces: Found, photo: Pixels) -> bool:
        """Whether the steps after the first leave what it found in a photo as it is."""
        height, width = photo.shape[:2]
        if not faces or faces[0].is_half(height, width):
            return len(self._settings.steps) < 2
        return "turned" not in self._settings.steps[1:] or is_upright(faces[0])

    def rest(self, photos: Sequence[Pixels], faces: Sequence[Found]) -> list[Found]:
        """What is found in the end where the first step found `faces`, as `__call__`."""
        return self._search(photos, [*faces], self._settings.steps[1:])

    def _search(self, photos: Sequence[Pixels], faces: list[Found], steps: Sequence[Step]) -> list[Found]:
        for step in steps:
            if step == "turned":
                self._turn(photos, faces)
                continue
            missing = _missing(photos, faces)
            if not missing or (step == "yunet" and not self._settings.yunet):
                continue
            found = self._steps[step]([photos[number] for number in missing])
            for number, some in zip(missing, found, strict=True):
                faces[number] = some or faces[number]
        return faces

    @cached_property
    def _cascade(self) -> Cascade:
        if self._device == "cpu":
            return Cascade()
        import torch

        if not torch.cuda.is_available():
            raise ValueError("device=cuda: torch sees no GPU; use --device cpu or auto")
        try:
            return Cascade(device="cuda")
        except RuntimeError as error:  # the driver is too old, or no memory is left
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"device=cuda: torch cannot use the GPU ({reason}); use --device cpu or auto"
            ) from error

    @cached_property
    def _loaded_yunet(self) -> YuNet:
        assert self._settings.yunet is not None
        return YuNet(self._settings.yunet)

    def _mtcnn(self, photos: Sequence[Pixels], name: str, min_face: int) -> list[Found]:
        height, width = photos[0].shape[:2]
        if min(height, width) < min_face:  # needs no detector, and so no torch
            return [()] * len(photos)
        faces = [
            weigh_faces(found.boxes, found.scores, found.landmarks, height, width, every=self._every)
            for found in self._cascade(photos, min_face=min_face)
        ]
        return [tuple(replace(face, detector=name) for face in found) for found in faces]

    def _again(self, photos: Sequence[Pixels]) -> list[Found]:
        faces: list[Found] = [()] * len(photos)
        for view in VIEWS:
            missing = _missing(photos, faces)
            if not missing:
                break
            shown = [view.show(photos[number]) for number in missing]
            found = self._mtcnn(shown, view.name, view.min_face or self._settings.min_face)
            for number, image, some in zip(missing, shown, found, strict=True):
                back = tuple(view.back(face, photos[number], image) for face in some)
                faces[number] = back or faces[number]
        return faces

    def _yunet(self, photo: Pixels) -> Found:
        if min(photo.shape[:2]) < SMALLEST:
            return ()
        return tuple(replace(face, detector="yunet") for face in self._loaded_yunet(photo, every=self._every))

    def _turn(self, photos: Sequence[Pixels], faces: list[Found]) -> None:
        """Put the faces of photos that lie on a side or on their head in place of what was found there."""
        height, width = photos[0].shape[:2]
        if min(height, width) < self._settings.min_face:
            return
        wanted = turns_to_search(photos, faces, self._cascade, self._settings.min_face)
        for turn in TURNS[1:]:
            mine = [number for number, other in wanted.items() if other == turn]
            if not mine:
                continue
            shown = [turn_back(photos[number], turn) for number in mine]
            found = self._mtcnn(shown, "mtcnn-turned", self._settings.min_face)
            for number, some in zip(mine, found, strict=True):
                back = tuple(face.turned_back(turn, height, width) for face in some)
                if _is_better(back, faces[number], height, width):
                    faces[number] = back
