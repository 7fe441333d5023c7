"""The canvas that people are drawn on: soft shapes placed on a head that moves.

Shapes are described in *head units*: u runs from -1 at the left edge of the head to 1 at the right,
v from -1 at the top of the skull to 1 at the chin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Points = NDArray[np.float64]

WIDTH, HEIGHT = 384, 512


@dataclass(frozen=True)
class Patch:
    """A shape's coverage inside its bounding box, so that painting costs what the shape covers."""

    alpha: Floats
    """[height, width] in [0, 1]."""
    top: int
    left: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas that `alpha` lies on."""
        rows, columns = self.alpha.shape
        return slice(self.top, self.top + rows), slice(self.left, self.left + columns)

    def within(self, coverage: Floats) -> Patch:
        """The part inside `coverage`, a [HEIGHT, WIDTH] map in [0, 1]."""
        return Patch(self.alpha * coverage[self.window], self.top, self.left)

    def full(self) -> Floats:
        """The coverage as a [HEIGHT, WIDTH] map."""
        coverage = np.zeros((HEIGHT, WIDTH), np.float32)
        coverage[self.window] = self.alpha
        return coverage


def floats(values: ArrayLike) -> Floats:
    """The values as float32."""
    return np.asarray(values, np.float32)


def curve(u: ArrayLike, v: ArrayLike) -> Points:
    """[n, 2] positions from their coordinates, either of which may be one number."""
    return np.stack(np.broadcast_arrays(np.asarray(u, np.float64), np.asarray(v, np.float64)), 1)


def _raster(lines: Sequence[Points], thickness: float, blur: float) -> Patch:
    """Coverage of [n, 2] pixel positions (x, y): filled, or as open lines if `thickness` is not 0."""
    points = np.concatenate(lines)
    margin = int(3 * blur + thickness + 2)
    limit = np.array([WIDTH, HEIGHT])
    low = np.clip(np.floor(points.min(0)).astype(int) - margin, 0, limit - 1)
    high = np.clip(np.ceil(points.max(0)).astype(int) + margin + 1, low + 1, limit)
    cover = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    fixed = [np.round((line - low) * 16).astype(np.int32) for line in lines]  # 4 fractional bits
    if thickness:
        cv2.polylines(cover, fixed, False, 255, max(1, round(thickness)), cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(cover, fixed, 255, cv2.LINE_AA, 4)
    if blur:
        cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), blur), np.uint8)
    return Patch(floats(cover) * np.float32(1 / 255), int(low[1]), int(low[0]))


class Sketch:
    """A portrait in the making: the pixels, and where the head is.

    `image` is float32 RGB [HEIGHT, WIDTH, 3], about [0, 255]; `skin` is the head's coverage, [HEIGHT, WIDTH]
    in [0, 1]. Widths and blurs are in pixels at scale 1. `depth` is how far a shape moves when the head
    turns or nods: 0 the outline, 1 the eyes, over 1 the nose, below 0 what is behind.
    """

    def __init__(
        self,
        image: Floats,
        *,
        centre: tuple[float, float],
        head: tuple[float, float],
        scale: float,
        roll: float,
        lean: tuple[float, float],
    ) -> None:
        """Puts a head on an image.

        Args:
            image: the background, changed in place.
            centre: of the head, x and y in pixels.
            head: half width and half height of the head in pixels at scale 1.
            scale: of the head.
            roll: radians, clockwise.
            lean: how far a turn and a nod move what is at depth 1, in head units.
        """
        self.image = image
        self.skin: Floats = np.zeros((HEIGHT, WIDTH), np.float32)
        self._centre = np.array(centre)
        self._size = np.array(head) * scale
        self._scale = scale
        self._lean = np.array(lean)
        cos, sin = math.cos(roll), math.sin(roll)
        self._axes = np.array([[cos, -sin], [sin, cos]])

    def _pixels(self, points: ArrayLike, depth: float) -> Points:
        offsets = (np.asarray(points, np.float64) + depth * self._lean) * self._size
        return np.asarray(self._centre + offsets @ self._axes.T)

    def units(self, window: tuple[slice, slice]) -> tuple[Floats, Floats]:
        """u and v of every pixel of a window of the canvas: two [rows, columns] maps."""
        y, x = np.mgrid[window].astype(np.float32)
        offsets = np.stack([x, y], -1) - floats(self._centre)
        units = floats(offsets @ floats(self._axes) / floats(self._size))
        return units[..., 0], units[..., 1]

    def shape(self, points: ArrayLike, *, depth: float = 0.0, blur: float = 1.0) -> Patch:
        """A filled shape of [n, 2] positions."""
        return _raster([self._pixels(points, depth)], 0, blur * self._scale)

    def lines(
        self, lines: Sequence[ArrayLike], width: float, *, depth: float = 0.0, blur: float = 0.8
    ) -> Patch:
        """Open lines of [n, 2] positions each."""
        pixels = [self._pixels(line, depth) for line in lines]
        return _raster(pixels, width * self._scale, blur * self._scale)

    def ellipse(
        self,
        centre: tuple[float, float],
        radii: tuple[float, float],
        *,
        depth: float = 1.0,
        blur: float = 1.0,
        tilt: float = 0.0,
    ) -> Patch:
        """An ellipse rotated by `tilt` radians."""
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
        cos, sin = math.cos(tilt), math.sin(tilt)
        rim = curve(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos)
        return self.shape(rim, depth=depth, blur=blur)

    def paint(self, patch: Patch, colour: ArrayLike, opacity: float = 1.0) -> None:
        """Blends towards a colour: [3], or [height, width, 3] for a texture."""
        area = self.image[patch.window]
        area += (np.asarray(colour, np.float32) - area) * (patch.alpha * np.float32(opacity))[..., None]

    def shade(self, patch: Patch, factor: float) -> None:
        """Darkens (`factor` < 1) or lights up (> 1) what is already there."""
        area = self.image[patch.window]
        area *= (1 + np.float32(factor - 1) * patch.alpha)[..., None]

    def shade_skin(self, patch: Patch, factor: float) -> None:
        """`shade` on the head alone."""
        self.shade(patch.within(self.skin), factor)
