"""Reading the tables of a cache: index.parquet as it should be, or one line on what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow
from pyarrow import parquet

from faces.cache.description import CacheError, again, channels_of, check_table
from faces.labels import LabelSet, Number

INDEX: Final = "index.parquet"
NO_PHOTO: Final = -1
"""Position, in rejects.csv, of what lies among the photos and is none."""
PLACES: Final = ("shard", "offset", "length", "codec")
"""Columns of the index that say where a crop lies."""
ROW_BYTES: Final = 64 * 1024
"""A row of an index takes no more bytes than this, unpacked; one of stage 1 takes 300."""


def check_tables(folder: Path, description: Mapping[str, Any]) -> None:
    """Compare the tables of a cache with what its description says of them.

    Raises:
        CacheError: one is missing, damaged, or of another number of rows.
    """
    for name, sha256 in description.get("files", {}).items():
        check_table(folder, name, sha256)
    check_rows(folder, description["samples"])


def check_rows(folder: Path, samples: int) -> None:
    """Compare the index, by its footer, with the number of its rows, before any of them is unpacked.

    Raises:
        CacheError: missing, not readable, or of more or fewer rows or more bytes than that.
    """
    path = folder / INDEX
    if not path.is_file():
        raise CacheError(f"{path}: missing; {again(folder)}")
    try:
        footer = parquet.read_metadata(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CacheError(f"{path}: not readable as Parquet ({first_line(error)}); {again(folder)}") from error
    if footer.num_rows != samples:
        raise CacheError(f"{path}: {footer.num_rows} rows where cache.json counts {samples}; {again(folder)}")
    unpacked = sum(footer.row_group(number).total_byte_size for number in range(footer.num_row_groups))
    if unpacked > 2**20 + samples * ROW_BYTES:
        raise CacheError(f"{path}: {unpacked:,} bytes unpacked are beyond any index; {again(folder)}")


def read_index(folder: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Columns of the index of a cache that was opened, all if None.

    Raises:
        CacheError: it is not there any more, not readable, or has no such column.
    """
    path = folder / INDEX
    try:
        # Where no memory is left for a thread, Arrow waits for it for ever.
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            rows = file.read(None if columns is None else [*columns], use_threads=False)
        table: pd.DataFrame = rows.to_pandas(use_threads=False)
        table = table if columns is None else table[[*columns]]
    except FileNotFoundError as error:
        raise CacheError(
            f"{folder}: changed while it was in use: no such cache any more ({path}); "
            "once it is back as it was, the same command goes on from what was saved"
        ) from error
    except MemoryError:  # which Arrow's own is, too: no fault of the file
        raise
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise CacheError(f"{path}: not readable ({first_line(error)}); {again(folder)}") from error
    # Arrow keeps what it worked with, which is more than the columns.
    pyarrow.default_memory_pool().release_unused()
    return table


def read_rejects(folder: Path, labels: LabelSet) -> pd.DataFrame:
    """`Cache.rejects` of the cache in that folder: the photos of rejects.csv.

    Raises:
        CacheError: it is not there any more, not readable, or not of a cache.
    """
    text = {"image_id": str, "source": str, "person": str}
    numbers = {factor.name: [""] for factor in labels.factors if isinstance(factor, Number)}
    path = folder / "rejects.csv"
    try:
        table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values=numbers)
        return table[table["position"] > NO_PHOTO].reset_index(drop=True)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise CacheError(f"{path}: not readable ({first_line(error)}); {again(folder)}") from error


def wrong_place(table: pd.DataFrame, description: Mapping[str, Any]) -> tuple[int, str] | None:
    """What is wrong with where crops lie: a crop lies in no shard or past its end, a raw one is not
    size x size x channels bytes, or one is of another codec.

    Args:
        table: columns `PLACES` of the index, a row a crop.
        description: of the cache.

    Returns:
        The first row that is so, and what is wrong with it and with how many; None of a sound index.
    """
    for name in PLACES[:3]:
        if not pd.api.types.is_integer_dtype(table[name].dtype):
            return 0, f"column {name} of the index holds no whole numbers"
    shard, offset, length = table[[*PLACES[:3]]].to_numpy(np.int64).T
    sizes = np.array([shard["bytes"] for shard in description["shards"]], np.int64)
    settings = description["settings"]
    inside = (shard >= 0) & (shard < len(sizes))
    need = settings["size"] ** 2 * channels_of(settings)
    faults = (
        (~inside, f"this cache has shards 0 to {len(sizes) - 1}"),
        ((offset < 0) | (length < 1), "no crop lies there"),
        (length > np.where(inside, sizes[shard * inside], 0) - offset, "its shard ends before that"),
        ((length != need) & (settings["codec"] == "raw"), f"raw crops of this cache have {need:,}"),
        (table["codec"].to_numpy(object) != settings["codec"], f"its codec is not {settings['codec']}"),
    )
    for wrong, what in faults:
        if wrong.any():
            return int(np.flatnonzero(wrong)[0]), f"{what}; {int(wrong.sum())} of {len(table)} crops are so"
    return None


def place_of(row: pd.Series, shards: Sequence[Mapping[str, Any]]) -> str:
    """Where a crop is stored, for messages: `key 00000012 (shard 00001.tar, 512 bytes from byte 2,048)`.

    Args:
        row: key, shard, offset and length of the index, whatever stands there.
        shards: of the description.
    """
    names = dict(enumerate(shard["name"] for shard in shards))
    length, offset = (
        f"{n:,}" if isinstance(n, int | np.integer) else n for n in (row["length"], row["offset"])
    )
    name = names.get(row["shard"], row["shard"])
    return f"key {row['key']} (shard {name}, {length} bytes from byte {offset})"


def check_unique(index: pd.DataFrame, folder: Path) -> None:
    """Refuse an index that has a key, or a face of a photo, more than once.

    Raises:
        CacheError: with the first such key and its shard.
    """
    for columns in (["key"], ["position", *({"face"} & {*index.columns})]):
        twice = index.duplicated(columns) if {*columns} <= {*index.columns} else pd.Series(dtype=bool)
        if twice.any():
            row = index.iloc[int(np.flatnonzero(twice)[0])]
            what = ", ".join(f"{name} {row[name]}" for name in dict.fromkeys((*columns, "key")))
            raise CacheError(
                f"{folder / INDEX}: {what} (shard {row['shard']}) occurs more than once; {again(folder)}"
            )


def first_line(error: Exception) -> str:
    """An error of another library in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)
