"""Tables inside of files: JSON documents, headers of safetensors, metadata of ONNX models, TOML, Parquet."""

from __future__ import annotations

import io
import json
import struct
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pandas as pd
import tomli_w
from pyarrow import parquet

from faces.storage.documents import SEAL, document
from faces.storage.tables import table_bytes

_NOTES = "facefold_note_"
Table = dict[str, Any]


@dataclass(frozen=True)
class Holder:
    """A table in a file, and how the file is made of another table."""

    place: str
    """In the file; empty if it is all of it."""
    table: Table
    """Without its seal."""
    rebuild: Callable[[Table, bool], bytes]
    """The file's bytes with a table in its place, the seal made right or left as it was."""
    sealed: bool
    """Whether there is a seal to make right."""


def holders(path: Path) -> Iterator[Holder]:
    """The tables in a file, none if it is of another kind."""
    kinds = {
        ".json": _of_json,
        ".safetensors": _of_safetensors,
        ".onnx": _of_onnx,
        ".toml": _of_toml,
        ".parquet": _of_notes,
    }
    if path.suffix in kinds:
        yield from kinds[path.suffix](path.read_bytes())


def _text(table: Table, seal: object, right: bool) -> str:
    """A table as JSON, sealed as the one that it takes the place of."""
    if seal is None:
        return json.dumps(table, indent=1) + "\n"
    if right:
        return document(table).decode()
    return json.dumps({**table, SEAL: seal}, indent=1) + "\n"


def _of_json(data: bytes) -> Iterator[Holder]:
    table = json.loads(data)
    if not isinstance(table, dict):
        return
    seal = table.pop(SEAL, None)
    yield Holder("", table, lambda new, right: _text(new, seal, right).encode(), seal is not None)


def _of_texts(texts: Mapping[str, str], rebuild: Callable[[dict[str, str]], bytes]) -> Iterator[Holder]:
    """Holders of those of some named texts that are tables in JSON."""
    for name, text in texts.items():
        try:
            table = json.loads(text)
        except ValueError:
            continue
        if isinstance(table, dict):
            yield _of_text(name, table, texts, rebuild)


def _of_text(
    name: str, table: Table, texts: Mapping[str, str], rebuild: Callable[[dict[str, str]], bytes]
) -> Holder:
    seal = table.pop(SEAL, None)
    return Holder(
        name,
        table,
        lambda new, right: rebuild({**texts, name: _text(new, seal, right)}),
        seal is not None,
    )


def _of_safetensors(data: bytes) -> Iterator[Holder]:
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])

    def rebuild(texts: dict[str, str]) -> bytes:
        new = json.dumps({**header, "__metadata__": texts}).encode()
        new += b" " * (-len(new) % 8)
        return struct.pack("<Q", len(new)) + new + data[8 + size :]

    yield from _of_texts(header.get("__metadata__", {}), rebuild)


def _of_onnx(data: bytes) -> Iterator[Holder]:
    model = onnx.load_from_string(data)
    texts = {entry.key: entry.value for entry in model.metadata_props}

    def rebuild(changed: dict[str, str]) -> bytes:
        for entry in model.metadata_props:
            entry.value = changed[entry.key]
        return bytes(model.SerializeToString())

    yield from _of_texts(texts, rebuild)


def _of_toml(data: bytes) -> Iterator[Holder]:
    yield Holder("", tomllib.loads(data.decode()), lambda new, _: tomli_w.dumps(new).encode(), False)


def _of_notes(data: bytes) -> Iterator[Holder]:
    """Notes of a Parquet file of ours; they are sealed with the rest, so a wrong seal is a byte's fault."""
    file = parquet.ParquetFile(io.BytesIO(data))
    found = {k.decode(): v.decode(errors="replace") for k, v in (file.metadata.metadata or {}).items()}
    notes = {k.removeprefix(_NOTES): v for k, v in found.items() if k.startswith(_NOTES)}
    if notes:
        rows = file.read().to_pandas()
        yield Holder(
            "notes",
            dict(notes),
            lambda new, _: table_bytes(
                rows, {k: v if isinstance(v, str) else str(v) for k, v in new.items()}
            ),
            False,
        )


def rows_of(path: Path) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], bytes]]:
    """The rows of a Parquet file, and how the file is made of others, with its notes and its seal right."""
    file = parquet.ParquetFile(path)
    found = {k.decode(): v.decode(errors="replace") for k, v in (file.metadata.metadata or {}).items()}
    notes = {k.removeprefix(_NOTES): v for k, v in found.items() if k.startswith(_NOTES)}
    return file.read().to_pandas(), lambda rows: table_bytes(rows, notes)
