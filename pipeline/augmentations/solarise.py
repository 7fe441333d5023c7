"""Solarising: bright grey levels inverted, as one of the three of Touvron et al., DeiT III, 2022."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import Draws, Examples, Frame, Node, Numbers, Parameters, PixelAugmentation
from pipeline.ranges import up_to

THRESHOLD = 128
"""Grey levels from here on are inverted, as torchvision's RandomSolarize and DeiT III do."""
TABLE = np.where(np.arange(256) < THRESHOLD, np.arange(256), 255 - np.arange(256)).astype(np.uint8)
"""The new grey level of each."""


@dataclass(frozen=True, kw_only=True)
class SolariseSettings:
    """How often photos are solarised."""

    solarise: float = up_to(1.0)
    """Probability of inverting the grey levels from 128 on, of each channel by itself."""


class Solarise(PixelAugmentation[SolariseSettings]):
    """Inverts the bright grey levels of some photos."""

    name = "solarise"
    place = 35
    settings = SolariseSettings
    examples: ClassVar[Examples] = {"solarise": {"solarise": 0.5}}
    conditional = True

    def acts(self, settings: SolariseSettings, frame: Frame) -> bool:
        return settings.solarise > 0

    def draw(self, settings: SolariseSettings, numbers: Numbers) -> Parameters:
        """`solarised`, int32 [n]: 1 where the photo is, else 0."""
        u = numbers.of(self.name, 1)[:, 0]
        return {"solarised": (u < settings.solarise).astype(np.int32)}

    def parameters(self, settings: SolariseSettings, draws: Draws, frame: Frame) -> Parameters:
        return {"solarised": draws["solarised"]}

    def on_cpu(
        self, pixels: Node, parameters: Mapping[str, Node], settings: SolariseSettings, frame: Frame
    ) -> Node:
        from nvidia.dali import fn, types

        from pipeline.operators.some import for_some

        def solarised(some: Node) -> Node:
            return fn.lookup_table(some, keys=list(range(256)), values=TABLE.tolist(), dtype=types.UINT8)

        return for_some(parameters["solarised"], solarised, pixels)

    def reference(
        self, image: NDArray[Any], draws: Draws, settings: SolariseSettings, frame: Frame
    ) -> NDArray[Any]:
        return np.where(image < THRESHOLD, image, 255 - image) if draws["solarised"][0] else image


AUGMENTATION = Solarise()
