"""Whether a quantity grows from turn to turn."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from bench.soak.probe import Sample

WARM: Final = 0.2
"""Share of the turns, at the beginning, that are not counted: libraries load, caches fill."""
LEAST_TURNS: Final = 6
"""Counted turns below which nothing is said."""
LEAST_SHARE: Final = 0.02
LEAST: Final = {"resident_mb": 8.0, "own_mb": 8.0}
"""Growth that is none, by quantity: of the megabytes so many, of what is counted less than one."""
LEAST_COUNT: Final = 1.0
RULE: Final = (
    "growing: the 99 % interval of the slope (Theil-Sen, over each turn's median after the first fifth of "
    "the turns) lies above 0, and it makes more than 2 % of the start, 8 MB or 1 piece in the time measured"
)
NOT_OURS: Final = ("shared_mb", "gpu_mb")
"""Quantities of all programs of the machine: told, and not judged."""
Verdict = Literal["flat", "growing", "too few turns", "not judged"]


@dataclass(frozen=True)
class Trend:
    """A quantity over the turns after the warm-up."""

    start: float
    """Median of the first counted turn."""
    end: float
    """Median of the last."""
    an_hour: float
    """Slope."""
    low: float
    """Lower end of the 99 % interval of the slope."""
    high: float
    verdict: Verdict

    def table(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def turn_medians(samples: Sequence[Sample], quantity: str) -> tuple[list[float], list[float]]:
    """The hours and the median of each turn that was looked at, but the last, which did not end."""
    last = max((sample.turn for sample in samples), default=0)
    hours, values = [], []
    for turn in range(last):
        those = [sample for sample in samples if sample.turn == turn]
        if those:
            hours.append(statistics.median(sample.seconds for sample in those) / 3600)
            values.append(statistics.median(getattr(sample, quantity) for sample in those))
    return hours, values


def trend(samples: Sequence[Sample], quantity: str) -> Trend:
    """What became of a quantity, by `RULE`.

    Args:
        samples: of one job.
        quantity: a field of them.
    """
    from scipy.stats import theilslopes  # takes a second to import, for which --help should not wait

    hours, values = turn_medians(samples, quantity)
    first = max(1, round(WARM * len(values)))
    hours, values = hours[first:], values[first:]
    if len(values) < LEAST_TURNS:
        nan = float("nan")
        start, end = (values[0], values[-1]) if values else (nan, nan)
        return Trend(start, end, nan, nan, nan, "too few turns")
    slope, _, low, high = theilslopes(values, hours, 0.99)
    growth = slope * (hours[-1] - hours[0])
    least = max(LEAST.get(quantity, LEAST_COUNT), LEAST_SHARE * values[0])
    grows = low > 0 and growth > least
    verdict: Verdict = "not judged" if quantity in NOT_OURS else "growing" if grows else "flat"
    return Trend(values[0], values[-1], float(slope), float(low), float(high), verdict)
