"""What can be the probabilities of a network."""

from __future__ import annotations

import numpy as np

from faces.labels import FloatArray

_WITHIN = 0.02
"""By how much they may miss 0 to 1, and their sum 1: half precision rounds at 0.004."""


def check_probabilities(values: FloatArray, rows: int, where: str) -> None:
    """Refuse what cannot be the probabilities of so many photos.

    Args:
        values: [rows, classes].
        rows: how many photos there are.
        where: file and head, named in errors.

    Raises:
        ValueError: another number of rows, a value that is not finite or not in 0 to 1, or rows that do not
            sum to 1.
    """
    if len(values) != rows:
        raise ValueError(f"{where}: {len(values)} rows for {rows} photos; train the fold again")
    broken = ~np.isfinite(values).all(1)
    if broken.any():
        raise ValueError(
            f"{where}: {broken.sum()} of {rows} rows are not finite, the first is row "
            f"{int(broken.argmax())}; train the fold again, in precision fp32 if it was another"
        )
    outside = ((values < -_WITHIN) | (values > 1 + _WITHIN)).any(1)
    if outside.any():
        raise ValueError(
            f"{where}: row {int(outside.argmax())} has values outside of 0 to 1: no probabilities; train the "
            "fold again"
        )
    off = np.abs(values.sum(1) - 1) > _WITHIN
    if off.any():
        first = int(off.argmax())
        raise ValueError(
            f"{where}: row {first} sums to {float(values[first].sum()):.3f}, not to 1: no probabilities; "
            "train the fold again"
        )
