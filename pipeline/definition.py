"""What an augmentation is: the parts that each file of pipeline/augmentations/ defines.

Its settings become fields of the policy, its draws columns of the epoch's random numbers, its operators a
step of the graph, and its reference and examples are what the tests of all augmentations run. To add one,
copy pipeline/augmentations/solarise.py. DALI is imported inside the methods that make operators, since
recipes read settings without it; so is OpenCV, which only references need.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from faces.labels import IntArray
from pipeline.order import generator

Device = Literal["cpu", "gpu"]
FloatArray = NDArray[np.float32]
BinArray = NDArray[np.int32]
Parameters = dict[str, FloatArray | BinArray]
"""Arrays by name, the sample first."""
Node = Any
"""A DALI DataNode; DALI's own annotations do not describe it fully."""
Own = TypeVar("Own")
"""The dataclass of an augmentation's own settings; a policy is one too."""
Examples = Mapping[str, Mapping[str, Any]]
"""Settings by field, by a name for each example."""

SHARED_STREAM = {"stream": 1, "columns": 15}
"""Random numbers of geometry (columns 0 to 5), colour (6 to 9) and erasing (10 to 14)."""
LOOK_STREAM = {"stream": 2, "columns": 3}
"""Random numbers of turning grey (column 0) and of the blur (1 and 2)."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The graph around the augmentations: from which images to which."""

    source_size: int
    """Side of the square stored crops, pixels."""
    image_size: int
    """Side of the square output, pixels; at least 16."""
    mean: tuple[float, float, float]
    """Mean of R, G and B in 0 to 1 units, as timm gives it."""
    std: tuple[float, float, float]
    """Standard deviation of R, G and B in 0 to 1 units, as timm gives it."""
    device: Device
    """Where decoding and pixels happen."""
    channels: int = 3
    """Channels of the crops: 3 (RGB), or 4 (RGBA), a person cut out, to be pasted onto a background."""
    centre: float = 1.0
    """Share of the stored crop's side that the centre crop keeps, in [0.25, 1]: 0.875 at 224 is torchvision's
    Resize(256) and CenterCrop(224). Random crops are taken from that part."""


@dataclass(frozen=True)
class Draws:
    """What was drawn for each of n places of an epoch."""

    arrays: Mapping[str, FloatArray | BinArray]
    """[n, ...] by the names that the augmentations give them."""

    def __getitem__(self, name: str) -> NDArray[Any]:
        """[n, ...] what was drawn under this name."""
        return self.arrays[name]

    def __len__(self) -> int:
        """The number of places, n."""
        return len(next(iter(self.arrays.values())))

    def at(self, positions: IntArray) -> Draws:
        """The draws of these places only."""
        return Draws({name: values[positions] for name, values in self.arrays.items()})


class Numbers:
    """Uniform random numbers of some places of an epoch: pure functions of (seed, epoch, place).

    Args:
        n: number of places.
        epoch: 0 or more.
        seed: 0 or more.
        start: the first place, an even number.
    """

    def __init__(self, n: int, *, epoch: int, seed: int, start: int = 0) -> None:
        self.n, self._key, self._start = n, (seed, epoch), start
        self._made: dict[tuple[int, int], FloatArray] = {}

    def uniform(self, *, stream: int, columns: int) -> FloatArray:
        """[n, columns] in [0, 1): columns of one stream, whose numbers no other stream changes."""
        if (stream, columns) not in self._made:
            random = generator(*self._key, stream)
            # It makes two float32 of each 64 bits, and skips only whole ones.
            random.bit_generator.advance(self._start * columns // 2)  # type: ignore[attr-defined]
            self._made[stream, columns] = random.random((self.n, columns), dtype=np.float32)
        return self._made[stream, columns]

    def of(self, name: str, columns: int) -> FloatArray:
        """[n, columns] in [0, 1): the stream of the augmentation of this name alone."""
        return self.uniform(stream=zlib.crc32(name.encode()), columns=columns)


def between(low: float, high: float, u: FloatArray) -> FloatArray:
    """Numbers in 0 to 1 stretched to `low` to `high`."""
    return np.asarray(low + (high - low) * u, np.float32)


def rectangle(area: FloatArray, aspect: tuple[float, float], u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Width and height, fractions of a square, of rectangles of exactly this area.

    The aspect is log-uniform in the part of its range where both sides fit: width = sqrt(area * aspect) <= 1
    and height = sqrt(area / aspect) <= 1. At area 0.9 and aspects 0.5 to 2 that part is 0.9 to 1.11.
    """
    low, high = np.maximum(aspect[0], area), np.minimum(aspect[1], 1 / area)
    ratio = np.exp(np.log(low) + (np.log(high) - np.log(low)) * u)
    return np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)


class Augmentation(ABC, Generic[Own]):
    """What all augmentations define; a subclass is either a `PixelAugmentation` or a `ColourAugmentation`."""

    name: ClassVar[str]
    """Also names its stream of random numbers."""
    place: ClassVar[int]
    """Order of the steps in the graph and of the fields in the policy; each has its own."""
    settings: ClassVar[type]
    """A frozen keyword-only dataclass, whose fields the policy gets; its defaults change nothing."""
    examples: ClassVar[Examples]
    """Settings to test it with: between them they turn on all that it can do."""

    @abstractmethod
    def acts(self, settings: Own, frame: Frame) -> bool:
        """Whether it can change any image; if not, it gets no operator and no parameters."""

    @abstractmethod
    def draw(self, settings: Own, numbers: Numbers) -> Parameters:
        """What is drawn for each place, [n, ...] by name; where it is off, values that change nothing."""

    @abstractmethod
    def reference(self, image: NDArray[Any], draws: Draws, settings: Own, frame: Frame) -> NDArray[Any]:
        """What it makes of one image, by numpy and OpenCV: what the tests compare the operators with.

        Args:
            image: uint8 [H, W, channels].
            draws: of one place.
            settings: as for the operators.
            frame: as for the operators.

        Returns:
            Grey levels 0 to 255, [image_size, image_size, channels]: uint8, floats of a `ColourAugmentation`.
        """


class PixelAugmentation(Augmentation[Own]):
    """An augmentation with an operator of its own, from uint8 HWC to uint8 HWC."""

    conditional: ClassVar[bool] = False
    """Whether its operators are for some samples only, by DALI's conditionals."""
    in_one_pass: ClassVar[bool] = False
    """Whether the compiled operator of warp, erasing and colour does it (pipeline/operators/resample.py)."""

    @abstractmethod
    def parameters(self, settings: Own, draws: Draws, frame: Frame) -> Parameters:
        """What its operators take beside the pixels, [n, ...] by name."""

    @abstractmethod
    def on_cpu(self, pixels: Node, parameters: Mapping[str, Node], settings: Own, frame: Frame) -> Node:
        """Make its operators in the current DALI pipeline.

        Args:
            pixels: node of uint8 HWC, on the CPU.
            parameters: nodes of all parameters of the graph, on the CPU.
            settings: of which `acts` is true.
            frame: the graph around it.

        Returns:
            Node of uint8 HWC, on the CPU.
        """

    def on_gpu(self, pixels: Node, parameters: Mapping[str, Node], settings: Own, frame: Frame) -> Node:
        """The same on the GPU, where it is made otherwise; pixels on the CPU stay there, for tests."""
        return self.on_cpu(pixels, parameters, settings, frame)


class ColourAugmentation(Augmentation[Own]):
    """An affine map of every pixel's colour, made after all steps: on the CPU with the normalisation."""

    @abstractmethod
    def matrices(self, draws: Draws) -> NDArray[np.float64]:
        """[n, 3, 4], from (R, G, B, 1) in 0 to 255 to R, G and B in 0 to 255; not clipped."""

    @abstractmethod
    def gpu_parameters(self, draws: Draws) -> Parameters:
        """What `on_gpu` takes beside the pixels, [n, ...] by name."""

    @abstractmethod
    def on_gpu(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Make DALI's operators for it: from uint8 or float HWC to float HWC, in 0 to 255, not clipped."""
