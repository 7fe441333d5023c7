"""Whether the share of a crop that shows the photo, the rest being filled, gives a label away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from faces.intervals import Estimate
from faces.labels import FloatArray, LabelSet
from preprocess.look.rates import LEAST, TELLING, area_under_curve


@dataclass(frozen=True)
class Padding:
    """The crops of one class beside all others of the factor."""

    factor: str
    value: str
    crops: int
    true: float
    """Mean share of the crop that shows the photo, 0 to 1."""
    padded: float
    """Share of crops of which any part is filled, 0 to 1."""
    area: Estimate | None
    """Chance that a crop of the class shows less of its photo than one of another class: the area under the
    ROC curve, 0.5 by chance; None of fewer than `LEAST` crops on either side."""

    @property
    def tells(self) -> bool:
        """Whether the class can be told by what is filled: surely above chance, and by `TELLING` or more."""
        return self.area is not None and self.area.value >= TELLING and self.area.low > 0.5


def padding_of(true: FloatArray, photos: pd.DataFrame, labels: LabelSet) -> list[Padding]:
    """Each class of each factor, in the factors' order.

    Args:
        true: [n] true pixels, 0 to 1, NaN where not known.
        photos: [n] labels.
        labels: the factors.
    """
    found = []
    known = ~np.isnan(true)
    for factor in labels.factors:
        codes = factor.codes(photos[factor.name])
        for code, value in enumerate(factor.classes):
            mine, others = true[known & (codes == code)], true[known & (codes >= 0) & (codes != code)]
            if not len(mine):
                continue
            enough = min(len(mine), len(others)) >= LEAST
            area = area_under_curve(-mine, -others, len(factor.classes)) if enough else None
            padded = float((mine < 1).mean())
            found.append(Padding(factor.name, value, len(mine), float(mine.mean()), padded, area))
    return found
