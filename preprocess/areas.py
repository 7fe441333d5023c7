"""Area averages of photos at any size, exact and cheap: MTCNN looks at hundreds of parts of each photo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from preprocess.photo import Pixels

Corners = tuple[Tensor, ...]
"""Places of the lower right, upper right, lower left and upper left corners of windows."""
CHANNELS = 4
"""Red, green, blue and one that nobody reads, which makes a pixel of the table 16 bytes long."""


def _windows(low: Tensor, high: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """First and past-last pixel of each of the `count` windows of an adaptive average pooling.

    Window i of the pixels a to b (b not among them) runs from a + floor(i (b - a) / count) to
    a + ceil((i + 1) (b - a) / count): 5 pixels in 2 windows are 0 to 3 and 2 to 5.

    Args:
        low: int64 [n].
        high: int64 [n].

    Returns:
        Two of int64 [n, count].
    """
    steps = torch.arange(count, device=low.device)
    length, low = (high - low)[:, None], low[:, None]
    return low + steps * length // count, low + ((steps + 1) * length + count - 1) // count


class Memory:
    """Memory that is used again and again: the system clears each page of fresh memory, which takes longer
    than to sum up the photos. As much is kept as was ever asked for."""

    def __init__(self) -> None:
        self._kept = np.empty(0, np.int32)

    def arrays(self, *shapes: tuple[int, ...]) -> list[NDArray[np.int32]]:
        """Arrays of any content, in place of those before."""
        ends = list(accumulate(math.prod(shape) for shape in shapes))
        if ends[-1] > len(self._kept):
            self._kept = np.empty(ends[-1], np.int32)
        return [part.reshape(s) for part, s in zip(np.split(self._kept, ends)[:-1], shapes, strict=True)]


class Areas:
    """Summed-area tables of photos of equal size: area averages of any part at any size.

    Sums wrap around at 32 bits, and their differences are right all the same.

    Args:
        photos: uint8 RGB [height, width, 3], all of one size.
        sizes: height and width of every level of the pyramid.
        device: of torch.
        memory: where tables and levels are on a CPU; of its own if not given.
    """

    def __init__(
        self,
        photos: Sequence[Pixels],
        sizes: Sequence[tuple[int, int]],
        device: str,
        memory: Memory | None = None,
    ) -> None:
        self.height, self.width = photos[0].shape[:2]
        self.count = len(photos)
        self.device = device
        shapes = ((len(photos), *size, CHANNELS) for size in [(self.height + 1, self.width + 1), *sizes])
        tables, *rooms = (memory or Memory()).arrays(*shapes)
        self._tables = self._tensor(tables).view(-1, CHANNELS)
        windows = [self._level_windows(*size) for size in sizes]
        levels = [self._tensor(room).view(torch.float32) for room in rooms]
        for number, photo in enumerate(photos):
            table = self._tables.view(len(photos), -1, CHANNELS)[number]
            cv2.integral(cv2.cvtColor(photo, cv2.COLOR_RGB2RGBA), tables[number])
            if device != "cpu":
                table.copy_(torch.from_numpy(tables[number]).view(-1, CHANNELS))
            # At once, while the table is near the processor.
            for level, (corners, shares) in zip(levels, windows, strict=True):
                torch.mul(_sums(table, corners), shares, out=level[number])
        self.levels = [level.permute(0, 3, 1, 2) for level in levels]
        """The pyramid, float32 [photos, 4, height, width] from 0 to 2, channels innermost."""

    def _tensor(self, array: NDArray[np.int32]) -> Tensor:
        """An array itself on a CPU, as much memory on another device."""
        tensor = torch.from_numpy(array)
        return tensor if self.device == "cpu" else torch.empty_like(tensor, device=self.device)

    def _level_windows(self, height: int, width: int) -> tuple[Corners, Tensor]:
        zero = torch.zeros(1, dtype=torch.int64, device=self.device)
        corners, shares = self._windows(
            zero, *_windows(zero, zero + self.height, height), *_windows(zero, zero + self.width, width)
        )
        return tuple(places[0] for places in corners), shares[0].expand(-1, -1, CHANNELS).contiguous()

    def crops(self, photo: Tensor, corners: Tensor, side: int) -> Tensor:
        """Parts of photos, each averaged to a square.

        Args:
            photo: int64 [n], which photo.
            corners: int64 [n, 4] left, top, right, bottom in whole pixels within the photo, not empty.
            side: of the squares.

        Returns:
            float32 [n, 4, side, side] from 0 to 2, channels innermost.
        """
        left, right = _windows(corners[:, 0], corners[:, 2], side)
        above, below = _windows(corners[:, 1], corners[:, 3], side)
        places, shares = self._windows(photo, above, below, left, right)
        return (_sums(self._tables, places) * shares).permute(0, 3, 1, 2)

    def _windows(
        self, photo: Tensor, above: Tensor, below: Tensor, left: Tensor, right: Tensor
    ) -> tuple[Corners, Tensor]:
        """Where in the tables the corners of windows lie, and 1 / (128 area) of each.

        Args:
            photo: int64 [n].
            above, below: int64 [n, h], edges of the windows' rows.
            left, right: int64 [n, w], edges of their columns.

        Returns:
            Four of int64 [n, h, w]; float32 [n, h, w, 1].
        """
        base = photo[:, None] * (self.height + 1)
        low, high = ((base + edge)[:, :, None] * (self.width + 1) for edge in (above, below))
        left, right = left[:, None], right[:, None]
        area = (below - above)[:, :, None] * (right - left)
        return (high + right, low + right, high + left, low + left), (1 / (128 * area).float())[..., None]


def _sums(table: Tensor, corners: Corners) -> Tensor:
    """Sums over windows: int32 [..., 4], from the table's pixels int32 [k, 4]."""
    plus, right, left, minus = corners
    sums = _read(table, plus)
    sums -= _read(table, right)
    sums -= _read(table, left)
    sums += _read(table, minus)
    return sums


def _read(table: Tensor, places: Tensor) -> Tensor:
    if table.is_cuda:
        found = table.index_select(0, places.flatten())
    else:
        # numpy moves a pixel as one value of 16 bytes, several times faster than torch its four.
        pixels = table.numpy().view(np.complex128)[:, 0]
        found = torch.from_numpy(np.take(pixels, places.numpy(), mode="clip").view(np.int32))
    return found.view(*places.shape, CHANNELS)
