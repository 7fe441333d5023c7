"""Variants of a training step, and the rows of those that were timed in turn."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from train.recipe.recipe import Precision


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way of computing a training step."""

    precision: Precision
    """Not "auto"."""
    channels_last: bool = True
    """Whether weights and images are laid out NHWC, as training has them, rather than contiguous NCHW."""
    compiled: bool = False
    """Whether the network is compiled with torch.compile."""
    loops: bool = False
    """Whether layers have our loops and memory is kept from step to step, as in training on a CPU."""
    frozen_layers: int = 0
    """First groups of the backbone's layers that are not trained."""

    @property
    def name(self) -> str:
        """Name in table and picture. A compiled network's leaves its precision out, our loops' that they are
        for channels_last."""
        if self.loops:
            frozen = f", {self.frozen_layers} frozen" if self.frozen_layers else ""
            return f"{self.precision}, our loops{frozen}"
        layout = ", channels_last" if self.channels_last else ""
        return f"{'compiled' if self.compiled else self.precision}{layout}"


BASELINE = Variant(precision="fp32", channels_last=False)
"""The one all others are compared with."""


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """What the turns of one variant of one backbone came to; no figures where it failed."""

    backbone: str
    """Name of the timm model."""
    name: str
    """The variant's."""
    precision: Precision
    """The variant's."""
    images_per_s: float | None = None
    """Training images a second, median of the turns."""
    min: float | None = None
    """Slowest turn, images/s."""
    max: float | None = None
    """Fastest turn, images/s."""
    ratio: float | None = None
    """Speed over that of the baseline's turn of the same lap, median of the laps."""
    ratio_min: float | None = None
    """Smallest such ratio."""
    ratio_max: float | None = None
    """Largest such ratio."""
    cpu_ms: float | None = None
    """CPU time of all threads an image, ms, least of the turns: steadier than images/s beside other work."""
    compile_s: float | None = None
    """Seconds of a compiled network's first step, without anything compiled before on disk."""
    failure: str = ""
    """Why there are no figures."""

    @property
    def label(self) -> str:
        """The name, with the precision where the name leaves it out."""
        return self.name if self.name.startswith(self.precision) else f"{self.name} ({self.precision})"


@dataclass(kw_only=True)
class Timing:
    """What was seen of one variant."""

    first: float = 0.0
    """Seconds of the very first step."""
    seconds: list[float] = field(default_factory=list)
    """Seconds of each counted turn."""
    cpu: list[float] = field(default_factory=list)
    """Of CPU time, of each counted turn."""
    failure: str = ""
    """Why the variant has no further turns."""


def make_rows(backbone: str, timings: Mapping[Variant, Timing], images: int) -> list[StepRow]:
    """The rows of a race in which the baseline took part; without its figures there are no ratios.

    Args:
        backbone: name of the timm model.
        timings: of each variant.
        images: of a turn.
    """
    rows = []
    base = timings[BASELINE]
    for variant, timing in timings.items():
        figures: dict[str, Any] = {"failure": timing.failure}
        if not timing.failure:
            speeds = [images / seconds for seconds in timing.seconds]
            figures |= _spread(speeds, ("images_per_s", "min", "max"), 1)
            if timing.cpu:
                figures["cpu_ms"] = round(1e3 * min(timing.cpu) / images, 2)
            if variant.compiled:
                figures["compile_s"] = round(timing.first, 1)
        if not timing.failure and not base.failure:
            ratios = [own / seconds for own, seconds in zip(base.seconds, timing.seconds, strict=True)]
            figures |= _spread(ratios, ("ratio", "ratio_min", "ratio_max"), 3)
        rows.append(StepRow(backbone=backbone, name=variant.name, precision=variant.precision, **figures))
    return rows


def _spread(values: list[float], names: tuple[str, str, str], digits: int) -> dict[str, float]:
    found = (statistics.median(values), min(values), max(values))
    return {name: round(value, digits) for name, value in zip(names, found, strict=True)}


def best_row(rows: list[StepRow]) -> StepRow | None:
    """The row of the greatest ratio; None where no row has one."""
    return max((row for row in rows if row.ratio is not None), key=lambda row: row.ratio or 0, default=None)
