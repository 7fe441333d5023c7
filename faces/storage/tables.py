"""Parquet tables, each with a seal in its footer, and notes on what else belongs to it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from faces.files import write_atomically
from faces.storage.documents import DamagedError
from faces.storage.seal import UNSEALED, is_intact, is_sealed, sealed

_SEAL: Final = "facefold_seal"
_NOTE: Final = "facefold_note_"
_OURS: Final = b"facefold_"
"""How the names of both begin in the footer."""
MOST_CELLS: Final = 200_000_000
"""A table is not read beyond so many values; an index of a million photos has 30 million."""
MOST_UNPACKED: Final = 16 * 2**30
"""Nor beyond so many bytes unpacked."""


@dataclass(frozen=True)
class SealedTable:
    """What a file holds."""

    rows: pd.DataFrame
    notes: Mapping[str, str]
    """By name; none of a file that another program wrote."""


def table_bytes(table: pd.DataFrame, notes: Mapping[str, str] | None = None) -> bytes:
    """A table as the bytes of a sealed Parquet file, which any reader of Parquet reads.

    Equal tables and notes give equal bytes. The index is not kept.

    Args:
        table: the rows.
        notes: what is to be known beside them, such as the digest of a file that belongs to it.
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    buffer = io.BytesIO()
    with parquet.ParquetWriter(buffer, arrow.schema) as writer:
        writer.write_table(arrow)
        # Written with the schema they would stand in the footer twice, once in base64.
        kept = {f"{_NOTE}{name}": value for name, value in (notes or {}).items()}
        writer.add_key_value_metadata({**kept, _SEAL: UNSEALED})
    return sealed(buffer.getvalue())


def write_table(path: Path, table: pd.DataFrame, notes: Mapping[str, str] | None = None) -> None:
    """Write a sealed table, atomically.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, table_bytes(table, notes))


def read_table(path: Path, cure: str, columns: Sequence[str] | None = None) -> SealedTable:
    """A table with its notes. One without a seal is another program's, or from before there were any; of such
    columns that hold lists or tables are left out.

    Args:
        path: the file.
        cure: what makes a new one, for errors.
        columns: those to read; all if None.

    Raises:
        DamagedError: no such file, no Parquet, beyond `MOST_CELLS` or `MOST_UNPACKED`, not as it was sealed,
            or a column that is not there.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise DamagedError(f"{path}: no such file; {cure}")
    data = path.read_bytes()
    if not data:
        raise DamagedError(f"{path}: empty; {cure}")
    if not is_intact(data):
        raise DamagedError(f"{path}: edited or damaged, its content does not fit the sha256 in it; {cure}")
    try:
        # Where no memory is left for a thread, Arrow waits for it for ever.
        file = parquet.ParquetFile(io.BytesIO(data), pre_buffer=False)
        schema, footer, whole = file.schema_arrow, file.metadata, is_sealed(data)
        # A row of lists may hold more than a footer tells: such are taken from sealed tables alone. What it
        # tells of single columns is not asked for, as Arrow aborts where that contradicts itself.
        names = [field.name for field in schema if whole or not pa.types.is_nested(field.type)]
        _check_size(footer, path, cure)
        if any(key.startswith(_OURS) for key in footer.metadata or {}) and not whole:
            raise DamagedError(f"{path}: edited or damaged, the sha256 in it is none any more; {cure}")
        lacking = [name for name in columns or () if name not in names]
        wanted = names if columns is None or lacking else [*columns]
        rows = file.read(wanted, use_threads=False).to_pandas(use_threads=False)
    except (DamagedError, MemoryError):  # Arrow's own of memory is both, and no fault of the file
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise DamagedError(f"{path}: not readable as Parquet ({_first_line(error)}); {cure}") from error
    if lacking:
        raise DamagedError(f"{path}: no column {lacking[0]!r}; {cure}")
    return SealedTable(rows, _notes(file))


def _check_size(footer: parquet.FileMetaData, path: Path, cure: str) -> None:
    """Refuse, before anything is unpacked, what does not fit into memory by the footer's own figures: a file
    of some kilobytes may unpack to more than any memory holds."""
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    rows = max(footer.num_rows, sum(group.num_rows for group in groups))
    cells = rows * footer.num_columns
    unpacked = sum(group.total_byte_size for group in groups)
    if max(rows, cells) > MOST_CELLS or unpacked > MOST_UNPACKED:
        raise DamagedError(
            f"{path}: {rows:,} rows of {footer.num_columns:,} columns, {unpacked:,} bytes unpacked, are "
            f"beyond what is read ({MOST_CELLS:,} values, {MOST_UNPACKED:,} bytes); {cure}"
        )


def _notes(file: parquet.ParquetFile) -> dict[str, str]:
    found = file.metadata.metadata or {}
    pairs = ((key.decode(errors="replace"), value.decode(errors="replace")) for key, value in found.items())
    return {key.removeprefix(_NOTE): value for key, value in pairs if key.startswith(_NOTE)}


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
