"""JSON documents: tables that one program of ours writes and another reads, each with a seal in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from faces.files import write_atomically
from faces.storage.seal import UNSEALED, is_intact, is_sealed, sealed

SEAL: Final = "seal"
"""The entry that holds the seal; no document has an entry of its own by that name."""
MOST_BYTES: Final = 64 * 2**20
"""A document is not read beyond this; the description of a cache of a million photos has 0.5 MB."""


class DamagedError(ValueError):
    """A file of ours that is not as it was written: one line with the file, what is wrong, and the cure."""


def document(table: Mapping[str, Any]) -> bytes:
    """A table as the bytes of a sealed document. Equal tables give equal bytes."""
    return sealed((json.dumps({**table, SEAL: UNSEALED}, indent=1) + "\n").encode())


def write_document(path: Path, table: Mapping[str, Any]) -> None:
    """Write a table as a sealed document, atomically.

    Raises:
        OSError: it cannot be written.
    """
    write_atomically(path, document(table))


def read_document(path: Path, cure: str) -> dict[str, Any]:
    """The table of a document, without its seal. One without a seal is from before there were any.

    What its entries must be is for the caller to check, by a dataclass and `faces.command.from_table`.

    Args:
        path: the file.
        cure: what makes a new one, for errors.

    Raises:
        DamagedError: no such file, beyond `MOST_BYTES`, no table in JSON, or not as it was sealed.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise DamagedError(f"{path}: no such file; {cure}")
    if path.stat().st_size > MOST_BYTES:
        raise DamagedError(f"{path}: {path.stat().st_size:,} bytes are beyond any document of ours; {cure}")
    return parse_document(path.read_bytes(), path, cure)


def parse_document(data: bytes, source: Path | str, cure: str) -> dict[str, Any]:
    """`read_document` of bytes that are at hand.

    Raises:
        DamagedError: as there.
    """
    if not data.strip():
        raise DamagedError(f"{source}: empty; {cure}")
    try:
        table = json.loads(data)
    except RecursionError as error:
        raise DamagedError(f"{source}: tables within tables without end; {cure}") from error
    except ValueError as error:
        raise DamagedError(f"{source}: not readable as JSON ({error}); {cure}") from error
    if not isinstance(table, dict):
        raise DamagedError(f"{source}: holds no table; {cure}")
    if SEAL in table and not (is_sealed(data) and is_intact(data)):
        raise DamagedError(f"{source}: edited or damaged, its content does not fit the sha256 in it; {cure}")
    table.pop(SEAL, None)
    return table
