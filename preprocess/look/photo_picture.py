"""A picture of what stage 1 makes of one photo: the face of each step, the square and the crop."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from preprocess.crop.render import Rendered, Renderer
from preprocess.detect.face import Face, reduce_photo
from preprocess.detect.search import Finder
from preprocess.settings import PreprocessSettings, Step
from preprocess.sources.photo import BadPhoto, Pixels, read_photo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("tab:green", "tab:orange", "tab:blue", "tab:purple", "tab:red", "tab:brown")
"""Colours of the faces that the steps find, in the order in which they search."""


def draw_photo(photo: Path, out: Path, settings: PreprocessSettings) -> None:
    """Draw what stage 1 makes of a photo.

    Args:
        photo: the photo.
        out: the picture to write.
        settings: of stage 1; its folders are not read.

    Raises:
        ValueError: the photo, or a model, cannot be used.
    """
    try:
        pixels = read_photo(photo).pixels
    except BadPhoto as bad:
        raise ValueError(f"photo={photo}: {bad.reason}") from bad
    found = {step: _find(pixels, replace(settings, steps=(step,))) for step in settings.steps}
    face = next((face for face in found.values() if face), None)
    plain = Renderer(replace(settings, background="keep"))(pixels, face)
    crops = {"crop": plain}
    if settings.background != "keep":
        crops[f"background {settings.background}"] = Renderer(settings)(pixels, face)
    _draw(out, pixels, found, plain, crops)


def _find(pixels: Pixels, settings: PreprocessSettings) -> Face | None:
    searched = reduce_photo(pixels, settings.detect_size)
    [face] = Finder(settings)([searched])
    return face and face.scaled(pixels.shape[1] / searched.shape[1], pixels.shape[0] / searched.shape[0])


def _draw(
    out: Path, pixels: Pixels, found: dict[Step, Face | None], plain: Rendered, crops: dict[str, Rendered]
) -> None:
    from matplotlib.figure import Figure

    height, width = pixels.shape[:2]
    ratios = [width / height, width / height, *(1 for _ in crops)]
    figure = Figure(figsize=(4.2 * sum(ratios), 4.6), layout="constrained")
    axes = figure.subplots(1, len(ratios), width_ratios=ratios)
    axes[0].imshow(pixels)
    axes[0].set_title(f"photo, {width} x {height}")
    axes[1].imshow(pixels // 2 + 128)
    axes[1].set_title("faces found, and the square to cut")
    for face, colour in zip(found.values(), cycle(COLOURS), strict=False):
        if face:
            _draw_face(axes[1], face, colour, f"{face.detector} {face.score:.3f}")
    corners = square_corners(plain)
    axes[1].plot(*np.vstack([corners, corners[:1]]).T, color="black", linewidth=1.5, linestyle="--")
    for place, (title, rendered) in zip(axes[2:], crops.items(), strict=True):
        crop = np.asarray(Image.open(io.BytesIO(rendered.data)))
        place.imshow(np.full_like(crop[..., :3], 255))
        place.imshow(crop)
        place.set_title(f"{title}, {crop.shape[1]} x {crop.shape[0]}")
    for place in axes:
        place.set_axis_off()
    figure.savefig(out, dpi=110)


def _draw_face(axes: Axes, face: Face, colour: str, label: str) -> None:
    left, top, right, bottom = face.box
    x, y = np.reshape(face.landmarks, (5, 2)).T
    axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=colour, label=label)
    axes.scatter(x, y, s=14, color=colour)
    axes.legend(loc="lower center", fontsize=8)


def square_corners(rendered: Rendered) -> Any:
    """[4, 2] x, y of the square that was cut, in pixels of the photo: turned about its centre."""
    left, top, right, bottom = rendered.crop_box
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    turn = np.deg2rad(rendered.crop_angle)
    centre = corners.mean(0)
    # y points down, so this matrix turns clockwise as seen.
    rotation = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    return (corners - centre) @ rotation.T + centre
