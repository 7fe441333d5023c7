"""How many photos a run may lose before it stops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from faces.writer import REJECT_COLUMNS, write_atomically


class Budget:
    """Counts rejects, and stops a run that loses too many photos to be trusted.

    Args:
        folder: of the unfinished cache.
        photos: in the whole data set.
        share: of them that may be rejected, 0 to 1.
        lost: fields of the rejects of earlier runs.
    """

    def __init__(self, folder: Path, photos: int, share: float, lost: list[Mapping[str, Any]]) -> None:
        self._folder = folder
        self._photos = photos
        self._share = share
        self._lost = list(lost)

    def spend(self, rejects: list[Mapping[str, Any]]) -> None:
        """Count some more rejects.

        Raises:
            ValueError: more than the share of all photos are lost: with 200 photos and 0.05, at the eleventh.
                rejects.csv then lists those so far, and the message the commonest reasons.
        """
        self._lost += rejects
        if not rejects or len(self._lost) <= self._share * self._photos:
            return
        table = pd.DataFrame(self._lost).reindex(columns=list(REJECT_COLUMNS)).sort_values("position")
        write_atomically(self._folder / "rejects.csv", table.to_csv(index=False).encode())
        raise ValueError(
            f"{self._folder}: stopped, {len(self._lost)} of {self._photos} photos are rejected already, more "
            f"than max_lost={self._share:g} allows: {'; '.join(top_reasons(table.reason))}. "
            f"{self._folder / 'rejects.csv'} lists them; repair them, or allow more with --max-lost, and the "
            "same command goes on from here"
        )


def top_reasons(reasons: pd.Series) -> list[str]:
    """The three commonest reasons of rejects, each with an example where there is more to tell."""
    kinds = reasons.str.split(":").str[0]
    lines = []
    for kind, count in kinds.value_counts().head(3).items():
        example = reasons[kinds == kind].iloc[0][:100]
        alone = count == 1 or example == kind
        lines.append(f"{count} x {example}" if alone else f"{count} x {kind}, as {example!r}")
    return lines
