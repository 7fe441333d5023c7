"""What stage 1 makes of one photo, in words: which steps found what, which face is taken and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from faces.framing.face import AS_IS, Face, centrality, reduce_photo
from faces.framing.square import face_square
from preprocess.crop.render import Rendered
from preprocess.detect.search import Finder
from preprocess.settings import PreprocessSettings, Step
from preprocess.sources.photo import Pixels

LISTED = 12
"""Faces that are named one by one."""


@dataclass(frozen=True)
class Search:
    """What was found in a photo."""

    faces: tuple[Face, ...]
    """In pixels of the photo, the one it is about first."""
    taken: tuple[Face, ...]
    """Those that become crops; none where the middle is cut."""
    steps: tuple[str, ...]
    """What each step found, in words."""


def search_photo(pixels: Pixels, settings: PreprocessSettings) -> Search:
    """Search a photo as stage 1 does, step by step, and keep every face."""
    height, width = pixels.shape[:2]
    if settings.faces == "as_is":
        whole = Face((0.0, 0.0, float(width), float(height)), (), 1.0, detector=AS_IS)
        return Search((whole,), (whole,), ())
    searched = reduce_photo(pixels, settings.detect_size)
    found: tuple[Face, ...] = ()
    steps = []
    for number, step in enumerate(settings.steps, 1):
        before = found
        [found] = Finder(replace(settings, faces="all", steps=settings.steps[:number]))([searched])
        steps.append(f"{step}: {_outcome(step, before, found, searched, settings)}")
    scale = width / searched.shape[1], height / searched.shape[0]
    faces = tuple(face.scaled(*scale) for face in found)
    whole_ones = tuple(face for face in faces[:1] if not face.is_half(height, width))
    return Search(faces, faces if settings.faces == "all" else whole_ones, tuple(steps))


def _outcome(
    step: Step,
    before: tuple[Face, ...],
    found: tuple[Face, ...],
    photo: Pixels,
    settings: PreprocessSettings,
) -> str:
    if step == "yunet" and not settings.yunet:
        return "no model given"
    if found != before:
        turned = f", turned by {found[0].turned} degrees" if found[0].turned else ""
        return f"{len(found)} {'face' if len(found) == 1 else 'faces'} ({found[0].detector}){turned}"
    if step == "turned":
        return "no better turn" if found else "none"
    needed = not before or before[0].is_half(photo.shape[0], photo.shape[1])
    return "none" if needed else "not needed"


def in_words(
    pixels: Pixels, search: Search, crops: Sequence[Rendered], settings: PreprocessSettings
) -> list[str]:
    """Lines on the steps, the faces and the crops.

    Args:
        pixels: the photo.
        search: what was found in it.
        crops: of the faces taken, or of the middle.
        settings: of stage 1.
    """
    if settings.faces == "as_is":
        return ["taken as it is, without a search: the square in the middle", _crop(crops[0], None, settings)]
    lines = ["steps: " + "; ".join(search.steps)]
    several = len(search.taken) > 1
    for number, face in enumerate(search.faces[:LISTED]):
        taken = face in search.taken
        own = f"; {_crop(crops[number], face, settings)}" if several and taken else ""
        lines.append(_face(number + 1, face, pixels, taken=taken) + own)
    if len(search.faces) > LISTED:
        lines.append(f"and {len(search.faces) - LISTED} more, whose products are smaller")
    if not search.taken:
        lines.append(
            "none taken, for the centre of what is left of a face lies beyond the edge: the middle is cut"
            if search.faces
            else "no face found: the middle is cut"
        )
    return lines if several else [*lines, _crop(crops[0], (search.taken or (None,))[0], settings)]


def _face(number: int, face: Face, pixels: Pixels, *, taken: bool) -> str:
    height, width = pixels.shape[:2]
    left, top, right, bottom = face.box
    central = float(centrality(np.array([face.box]), height, width)[0])
    size = f"{right - left:.0f} x {bottom - top:.0f} pixels"
    words = f"{number}{' taken' if taken else ''}: {face.detector}, {size}"
    turned = f"; turned by {face.turned} degrees" if face.turned else ""
    if face.is_half(height, width):
        return f"{words}, centre beyond the edge, certainty {face.score:.3f}, comes last{turned}"
    product = (right - left) * (bottom - top) * central * face.score
    told = f"nearness to the middle {central:.2f}, certainty {face.score:.3f}: product {product:,.0f}"
    return f"{words}, {told}{turned}"


def _crop(crop: Rendered, face: Face | None, settings: PreprocessSettings) -> str:
    left, top, right, _ = crop.crop_box
    side = right - left
    words = f"crop {side:g} x {side:g} from left {left:g}, top {top:g}, {crop.true_pixels:.0%} of it photo"
    if crop.crop_angle:
        words += f", turned back by {crop.crop_angle:g} degrees"
    if face is None or settings.align:
        return words
    free = face_square(face.box, settings.margin, face.turned)
    if crop.crop_box == free.box:
        return words
    if side < free.side:
        return f"{words}; shrunk from {free.side:g} to lie inside the photo"
    return f"{words}; shifted into the photo"
