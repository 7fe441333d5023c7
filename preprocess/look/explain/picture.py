"""A picture of what stage 1 makes of one photo: the faces found, the squares, the crops, and why."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from faces.framing.face import Face
from faces.photos.files import BadPhoto
from faces.plots import save_figure
from preprocess.crop.render import Rendered, Renderer
from preprocess.look.explain.words import Search, in_words, search_photo
from preprocess.settings import PreprocessSettings
from preprocess.sources.photo import Pixels, read_photo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TAKEN, LEFT = "tab:green", "tab:orange"
"""Colours of faces that become crops, and of others."""
HIGH, LINE = 4.6, 0.15
"""Heights of the photo and of a line of words, in inches."""
NARROW, WIDE = 0.6, 2.2
"""Least and largest share of the photo's width in its height for which there is room."""
LETTERS = 15
"""Letters of the words that go into an inch."""


def draw_photo(photo: Path, out: Path, settings: PreprocessSettings) -> list[str]:
    """Draw what stage 1 makes of a photo.

    Args:
        photo: the photo.
        out: the picture to write.
        settings: of stage 1; its folders are not read.

    Returns:
        The same in words, which stand under the picture.

    Raises:
        ValueError: the photo, or a model, cannot be used.
    """
    try:
        pixels = read_photo(photo).pixels
    except BadPhoto as bad:
        raise ValueError(f"photo={photo}: {bad.reason}") from bad
    search = search_photo(pixels, settings)
    faces: tuple[Face | None, ...] = search.taken or (None,)
    plain = Renderer(replace(settings, background="keep"))
    squares = [plain(pixels, face) for face in faces]
    several = len(faces) > 1
    crops = {f"crop {n}" if several else "crop": crop for n, crop in enumerate(squares, 1)}
    if settings.background != "keep":
        painted = Renderer(settings)
        for number, face in enumerate(faces, 1):
            name = f"background {settings.background}" + (f" {number}" if several else "")
            crops[name] = painted(pixels, face)
    words = in_words(pixels, search, squares, settings)
    _draw(out, pixels, search, squares, crops, words)
    return words


def _draw(
    out: Path,
    pixels: Pixels,
    search: Search,
    squares: list[Rendered],
    crops: Mapping[str, Rendered],
    words: list[str],
) -> None:
    from matplotlib.figure import Figure

    height, width = pixels.shape[:2]
    rows = math.ceil(math.sqrt(len(crops) / 2))
    columns = math.ceil(len(crops) / rows)
    sides = [HIGH * min(max(width / height, NARROW), WIDE), HIGH / rows * columns]
    across = max(sum(sides), max(map(len, words)) / LETTERS)
    down = LINE * (len(words) + 1)
    figure = Figure(figsize=(across, HIGH + 0.4 + down), layout="constrained")
    [above], [below] = figure.subfigures(2, 1, height_ratios=[HIGH + 0.4, down], squeeze=False)
    left, right = above.subfigures(1, 2, width_ratios=sides, squeeze=False)[0]
    axes = left.subplots()
    axes.imshow(pixels)
    axes.set_title(f"photo, {width} x {height}, and the square to cut", fontsize=10)
    _draw_faces(axes, search, squares, max(height, width))
    places = np.ravel(right.subplots(rows, columns, squeeze=False))
    for place, (title, rendered) in zip(places, crops.items(), strict=False):
        crop = np.asarray(Image.open(io.BytesIO(rendered.data)))
        place.imshow(np.full_like(crop[..., :3], 255))
        place.imshow(crop)
        size = "" if len(crops) > 4 else f", {crop.shape[1]} x {crop.shape[0]}"
        place.set_title(f"{title}{size}, {rendered.true_pixels:.0%} photo", fontsize=10 if rows < 3 else 6)
    for place in (axes, *places):
        place.set_axis_off()
    below.text(0.01, 1, "\n".join(words), va="top", family="monospace", fontsize=8)
    save_figure(figure, out, dpi=110)


def _draw_faces(axes: Axes, search: Search, squares: list[Rendered], longest: int) -> None:
    """Boxes, landmarks and numbers of the faces, the taken ones on top, and the squares."""
    limits = axes.get_xlim(), axes.get_ylim()
    for number, face in reversed([*enumerate(search.faces, 1)]):
        taken = face in search.taken
        colour = TAKEN if taken else LEFT
        left, top, right, bottom = face.box
        edges = [left, right, right, left, left], [top, top, bottom, bottom, top]
        axes.plot(*edges, color=colour, linewidth=2.5 if taken else 1.2)
        if face.landmarks:
            x, y = np.reshape(face.landmarks, (5, 2)).T
            axes.scatter(x, y, s=6, color=colour)
        axes.annotate(
            str(number),
            (min(max(left, 0), limits[0][1]), min(max(top, 0), limits[1][0])),
            color="white",
            fontsize=9 if (right - left) > longest / 20 else 6,
            va="top",
            bbox={"boxstyle": "square,pad=0.15", "color": colour},
        )
    for square in squares:
        corners = square_corners(square)
        axes.plot(*np.vstack([corners, corners[:1]]).T, color="black", linewidth=1.2, linestyle="--")
    if len(squares) > 1:  # all of them would leave little room for the photo
        axes.set(xlim=limits[0], ylim=limits[1])


def square_corners(rendered: Rendered) -> Any:
    """[4, 2] x, y of the square that was cut, in pixels of the photo: turned about its centre."""
    left, top, right, bottom = rendered.crop_box
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    turn = np.deg2rad(rendered.crop_angle)
    centre = corners.mean(0)
    # y points down, so this matrix turns clockwise as seen.
    rotation = np.array([(np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))])
    return (corners - centre) @ rotation.T + centre
