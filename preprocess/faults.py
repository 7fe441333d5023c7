"""Everything that is wrong with a cache, to the last crop."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import pandas as pd
from PIL import Image

from faces.cache.description import (
    CacheError,
    again,
    channels_of,
    check_shard,
    check_table,
    extension_of,
    labels_of,
    read_description,
)
from faces.cache.samples import differing_columns
from faces.cache.tables import INDEX, PLACES, check_rows, place_of, read_index, read_rejects, wrong_place
from preprocess.join_caches import as_written
from preprocess.table_faults import wrong_tables

BESIDE = ("faces.jpg", "data_card.md", "look.html", "report.html", "corrections.csv")
"""Files that may lie in a cache and do not belong to it."""
MODES = {3: "RGB", 4: "RGBA"}
Show = Callable[[int, int], None]


def find_faults(folder: Path, show: Show = lambda done, total: None) -> Iterator[str]:
    """Everything that is wrong with a cache.

    Args:
        folder: the cache.
        show: called after each crop with the number of crops checked and of all.

    Yields:
        One line a finding, which names the file or sample and the cure; none for a sound cache.
    """
    try:
        description = read_description(folder)
    except CacheError as error:
        yield str(error)
        return
    yield from _strangers(folder, description)
    yield from _wrong_hashes(folder, description)
    try:
        for complaint in _wrong_content(folder, description, show):
            yield f"{complaint}; {again(folder)}"
    except CacheError as error:
        yield str(error)
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        # Tables that fit their hashes may hold anything where somebody else wrote them.
        yield f"{folder / INDEX}: a column holds what does not belong there ({error}); {again(folder)}"


def _wrong_content(folder: Path, description: Mapping[str, Any], show: Show) -> Iterator[str]:
    """Where tables, shards and cache.json contradict each other."""
    path = folder / INDEX
    check_rows(folder, description["samples"])
    labels = labels_of(description, folder)
    index, rejects = read_index(folder), read_rejects(folder, labels)
    # Caches of the built-in factors may come from before there were others, and lack some.
    own = labels.names if "labels" in description else ()
    lacking = {"key", "position", "status", *PLACES, *own} - {*index.columns}
    if lacking:
        yield f"{path}: has no column {', '.join(sorted(lacking))}"
        return
    if wrong := wrong_place(index, description):
        row, what = wrong
        yield f"{path}: {place_of(index.iloc[row], description['shards'])}: {what}"
    for complaint in wrong_tables(description, index, rejects, labels):
        yield f"{path}: {complaint}"
    done = 0
    for number, shard in enumerate(description["shards"]):
        rows = as_written(index, description.get("source", {}), number)
        for finding in _wrong_shard(folder / "shards" / shard["name"], rows, description["settings"]):
            if finding:
                yield finding
            else:
                done += 1
                show(done, len(index))


def _wrong_hashes(folder: Path, description: Mapping[str, Any]) -> Iterator[str]:
    checks = [partial(check_shard, folder, shard) for shard in description["shards"]]
    checks += [partial(check_table, folder, *file) for file in description.get("files", {}).items()]
    for check in checks:
        try:
            check()
        except CacheError as error:
            yield str(error)


def _strangers(folder: Path, description: Mapping[str, Any]) -> Iterator[str]:
    """Files that a finished cache does not have."""
    shards = [folder / "shards" / shard["name"] for shard in description["shards"]]
    own = {folder / name for name in ("cache.json", "index.parquet", "rejects.csv", *BESIDE)}
    own |= {path.with_suffix(suffix) for path in shards for suffix in (".tar", ".idx")}
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir() and path not in own):
        name = path.relative_to(folder).as_posix()
        if name.startswith(("unfinished.json", "parts/")) or name.endswith(".tmp"):
            yield f"{path}: left over from a run that was stopped; delete it"
        else:
            yield f"{path}: no file of a cache; move it elsewhere"


def _wrong_shard(path: Path, rows: pd.DataFrame, settings: Mapping[str, Any]) -> Iterator[str | None]:
    """Where one shard contradicts the index; None after each sample."""
    extension = extension_of(settings)
    expected = [f"{key}.{kind}" for key in rows["key"] for kind in (extension, "json")]
    try:
        with path.open("rb") as tar:
            members = _members(tar, path.stat().st_size, len(expected))
            names = [member.name for member in members]
            if names != expected:
                yield _first_difference(path, names, expected)
                return
            for row, crop, meta in zip(rows.to_dict("records"), members[::2], members[1::2], strict=True):
                place = f"{path}: sample {row['key']}"
                if (crop.offset_data, crop.size) != (row["offset"], row["length"]):
                    yield f"{place} is {crop.size} bytes at {crop.offset_data}, not as in index.parquet"
                yield from (f"{place}: {what}" for what in _wrong_crop(_content(tar, crop), settings))
                yield from (f"{place}: {what}" for what in _wrong_meta(_content(tar, meta), row))
                yield None
    except (tarfile.TarError, OSError) as error:
        yield f"{path}: not readable as a tar ({error})"
        return
    yield from _wrong_idx(path.with_suffix(".idx"), members)


def _members(file: IO[bytes], size: int, due: int) -> list[tarfile.TarInfo]:
    """The files of a tar of that many bytes, one behind the other, each a plain file within it; one more than
    are due is enough.

    The headers are read one by one: ours are plain ones, and those of other kinds hold sizes and names that
    `tarfile` would follow beyond memory.

    Raises:
        tarfile.TarError: no header, or of anything but a plain file inside of the tar.
    """
    members: list[tarfile.TarInfo] = []
    at = 0
    while len(members) <= due:
        file.seek(at)
        header = file.read(tarfile.BLOCKSIZE)
        if header == bytes(tarfile.BLOCKSIZE):
            break
        try:
            member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        except tarfile.HeaderError:
            if members:
                break  # the index says what should be here
            raise
        member.offset_data = at + tarfile.BLOCKSIZE
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not (
            0 <= member.size <= size - member.offset_data
        ):
            raise tarfile.TarError(f"file {len(members)} in it is no plain file inside of it")
        at = member.offset_data + -(-member.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        members.append(member)
    return members


def _content(file: IO[bytes], member: tarfile.TarInfo) -> bytes:
    file.seek(member.offset_data)
    return file.read(member.size)


def _first_difference(path: Path, names: list[str], expected: list[str]) -> str:
    """Which file of a tar is the first that should not be there, or lacks."""
    pairs = enumerate(zip([*names, "nothing"], [*expected, "nothing"], strict=False))
    at, (found, wanted) = next((at, pair) for at, pair in pairs if pair[0] != pair[1])
    return f"{path}: file {at} in it is {found} where index.parquet has {wanted}"


def _wrong_crop(data: bytes, settings: Mapping[str, Any]) -> Iterator[str]:
    size, channels = settings["size"], channels_of(settings)
    if settings["codec"] == "raw":
        if len(data) != size * size * channels:
            yield f"{len(data)} bytes where {size} x {size} x {channels} were due"
        return
    try:
        with Image.open(io.BytesIO(data), formats=(settings["codec"].upper(),)) as image:
            found = (*image.size, image.mode)
            if image.size == (size, size):  # others are named unread, whatever size they claim
                image.load()
    except Exception as error:  # Pillow's decoders share no narrower class
        yield f"does not decode as {settings['codec']} ({error})"
        return
    if found != (size, size, MODES[channels]):
        width, height, mode = found
        yield f"is {width} x {height} {mode} where {size} x {size} {MODES[channels]} was due"


def _wrong_meta(data: bytes, row: Mapping[Any, Any]) -> Iterator[str]:
    """Which values of a sample's JSON are not those of the index."""
    try:
        meta = dict(json.loads(data))
    except (ValueError, TypeError) as error:
        yield f"its JSON is not readable ({error})"
        return
    if different := differing_columns(meta, row):
        yield f"{', '.join(different)} in its JSON differs from index.parquet"


def _wrong_idx(path: Path, members: Sequence[tarfile.TarInfo]) -> Iterator[str]:
    """Whether DALI's index names the places of the tar's files, two a line."""
    parts = [f"{m.name.partition('.')[2]} {m.offset_data} {m.size} {m.name}" for m in members]
    lines = [f"v1.2 {len(members) // 2}", *(" ".join(pair) for pair in zip(*[iter(parts)] * 2, strict=True))]
    try:
        found = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        yield f"{path}: not readable ({error})"
        return
    if found != "\n".join(lines) + "\n":
        yield f"{path}: does not fit its tar"
