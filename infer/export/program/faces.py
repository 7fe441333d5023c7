"""The faces of a photo, cut out as those of training were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faces.framing.face import Pixels
from faces.framing.square import centre_square, face_square, whole_square
from infer.export.program.crops import cut
from infer.export.program.detector import Detector

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def cut_faces(
    photo: Pixels, crop: Mapping[str, Any], detector: Detector | None, every: bool = False
) -> list[tuple[Pixels, Box | None]]:
    """The crops of a photo that the networks look at, [size, size, 3], and the faces' boxes: of the face that
    it is about, of `every` face, or of a photo without one its middle and no box.

    Args:
        photo: [height, width, 3], upright.
        crop: settings of the crops of training: `size`; `margin` and `clamp` where faces are searched.
        detector: that searches them; None for photos as they are.
        every: cut out each of several faces.
    """
    height, width = photo.shape[:2]
    size = crop["size"]
    if detector is None:
        square, whole = whole_square(height, width), (0.0, 0.0, float(width), float(height))
        return [(cut(photo, square, size), whole)]
    faces = detector(photo, every)
    if not faces:
        return [(cut(photo, centre_square(height, width), size), None)]
    bounds = (height, width) if crop.get("clamp") else None
    squares = [face_square(face.box, crop["margin"], face.turned, bounds) for face in faces]
    return [(cut(photo, square, size), face.box) for square, face in zip(squares, faces, strict=True)]
