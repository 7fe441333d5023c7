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

from preprocess.detect.mtcnn.averages import average, average_parts
from preprocess.sources.photo import Pixels

Integers = NDArray[np.int64]


def windows(low: Integers, high: Integers, count: int) -> tuple[Integers, Integers]:
    """First and past-last pixel of each of the `count` windows of an adaptive average pooling.

    Window i of the pixels a to b (b not among them) runs from a + floor(i (b - a) / count) to
    a + ceil((i + 1) (b - a) / count): 5 pixels in 2 windows are 0 to 3 and 2 to 5.

    Args:
        low: [n].
        high: [n].

    Returns:
        Two of [n, count].
    """
    steps = np.arange(count)
    length, low = (high - low)[:, None], low[:, None]
    return low + steps * length // count, low + ((steps + 1) * length + count - 1) // count


class Memory:
    """Memory that is used again and again: the system clears each page of fresh memory, which takes longer
    than to sum up the photos. It never shrinks."""

    def __init__(self) -> None:
        self._kept = np.empty(0, np.int32)

    def arrays(self, *shapes: tuple[int, ...]) -> list[NDArray[np.int32]]:
        """Arrays of any content, in place of those before."""
        ends = list(accumulate(math.prod(shape) for shape in shapes))
        if ends[-1] > len(self._kept):
            self._kept = np.empty(ends[-1], np.int32)
        return [part.reshape(s) for part, s in zip(np.split(self._kept, ends)[:-1], shapes, strict=True)]


class Areas:
    """Photos of equal size: area averages of any part at any size, on the CPU.

    Args:
        photos: uint8 RGB [height, width, 3], all of one size.
        sizes: height and width of every level of the pyramid.
        memory: where the levels are; of its own if not given.

    Attributes:
        levels: the pyramid, float32 [photos, 3, height, width] from 0 to 2, channels innermost.
    """

    def __init__(
        self, photos: Sequence[Pixels], sizes: Sequence[tuple[int, int]], memory: Memory | None = None
    ) -> None:
        self._photos = np.stack(photos)
        self.count, self.height, self.width = self._photos.shape[:3]
        # One table, written again for each photo, stays near the processor. Its sums wrap around at 32 bits,
        # and their differences are right all the same.
        shapes = [(self.height + 1, self.width + 1), *((self.count, *size) for size in sizes)]
        table, *rooms = (memory or Memory()).arrays(*((*shape, 3) for shape in shapes))
        levels = [room.view(np.float32) for room in rooms]
        zero, ends = np.zeros(1, np.int64), np.array([[self.height], [self.width]])
        grids = [
            [edge[0] for end, count in zip(ends, size, strict=True) for edge in windows(zero, end, count)]
            for size in sizes
        ]
        for number, photo in enumerate(self._photos):
            cv2.integral(photo, table)
            for level, grid in zip(levels, grids, strict=True):
                average(table, *grid, level[number])
        self.levels = [torch.from_numpy(level).permute(0, 3, 1, 2) for level in levels]

    def crops(self, photo: Integers, corners: Integers, side: int) -> Tensor:
        """Parts of photos, each averaged to a square.

        Args:
            photo: [n], which photo.
            corners: [n, 4] left, top, right, bottom in whole pixels within the photo, not empty.
            side: of the squares.

        Returns:
            float32 [n, 3, side, side] from 0 to 2, channels innermost.
        """
        out = np.empty((len(photo), side, side, 3), np.float32)
        average_parts(self._photos, photo, corners, out)
        return torch.from_numpy(out).permute(0, 3, 1, 2)


class TableAreas:
    """The same on any device of torch: a GPU has no loops to compile, but memory enough for all tables.

    Args:
        photos, sizes: as of `Areas`.
        device: of torch.
    """

    def __init__(self, photos: Sequence[Pixels], sizes: Sequence[tuple[int, int]], device: str) -> None:
        pixels = torch.from_numpy(np.stack(photos)).to(device)
        self.count, self.height, self.width = pixels.shape[:3]
        self._tables = torch.zeros(
            self.count, self.height + 1, self.width + 1, 3, dtype=torch.int32, device=device
        )
        self._tables[:, 1:, 1:] = pixels.cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32)
        every = np.arange(self.count)
        whole = np.tile((0, 0, self.width, self.height), (self.count, 1))
        self.levels = [self._averages(every, whole, *size) for size in sizes]

    def crops(self, photo: Integers, corners: Integers, side: int) -> Tensor:
        """The same as `Areas.crops`, on the device."""
        return self._averages(photo, corners, side, side)

    def _averages(self, photo: Integers, corners: Integers, height: int, width: int) -> Tensor:
        left, top, right, bottom = corners.T
        edges = (*windows(top, bottom, height), *windows(left, right, width))
        above, below, start, end = (torch.from_numpy(edge).to(self._tables.device) for edge in edges)
        which = torch.from_numpy(photo).to(self._tables.device)[:, None] * (self.height + 1)
        low, high = ((which + edge)[:, :, None] * (self.width + 1) for edge in (above, below))
        start, end = start[:, None], end[:, None]
        area = (below - above)[:, :, None] * (end - start)
        pixels = self._tables.view(-1, 3)
        corner = [pixels[place] for place in (high + end, low + end, high + start, low + start)]
        sums = corner[0] - corner[1] - corner[2] + corner[3]
        return (sums * (1 / (128 * area).float())[..., None]).permute(0, 3, 1, 2)


def look_at(
    photos: Sequence[Pixels], sizes: Sequence[tuple[int, int]], device: str, memory: Memory
) -> Areas | TableAreas:
    """The areas of photos that suit a device; `memory` serves a CPU only."""
    return Areas(photos, sizes, memory) if device == "cpu" else TableAreas(photos, sizes, device)
