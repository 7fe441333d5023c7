"""metrics.csv of a run: a row an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from faces.files import write_atomically
from faces.storage.documents import DamagedError

METRICS_FILE: Final = "metrics.csv"
"""Its name in the folder of a run."""


def write_metrics(history: Sequence[Mapping[str, float]], folder: Path) -> None:
    """Write the rows of all epochs so far, atomically."""
    write_atomically(folder / METRICS_FILE, pd.DataFrame(history).to_csv(index=False).encode())


def read_metrics(folder: Path, *columns: str) -> pd.DataFrame:
    """The rows of all epochs so far.

    Args:
        folder: of the run.
        columns: that must be there, beside epoch.

    Raises:
        ValueError: no such file, or one that was edited or damaged so far that it can be seen.
    """
    path, cure = folder / METRICS_FILE, "the same training writes it again"
    if not path.is_file():
        raise DamagedError(f"{path}: no such file; {cure}")
    try:
        table = pd.read_csv(path)
    except (ValueError, pd.errors.ParserError) as error:
        told = next(iter(str(error).splitlines()), "")
        raise DamagedError(f"{path}: not readable as CSV ({told}); {cure}") from error
    if missing := [name for name in ("epoch", *columns) if name not in table]:
        raise DamagedError(f"{path}: no column {missing[0]!r}; {cure}")
    if wrong := [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]:
        raise DamagedError(f"{path}: column {wrong[0]!r} holds other values than numbers; {cure}")
    if [*table["epoch"]] != [*np.arange(len(table))] or not len(table):
        raise DamagedError(f"{path}: its rows are not those of the epochs from 0 on; {cure}")
    return table
