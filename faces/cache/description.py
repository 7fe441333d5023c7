"""What a cache says of itself: cache.json, and the hashes of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faces.cache.schema import FORMAT_VERSION, Codec, check_description
from faces.command import typed
from faces.labelling.kept import labels_stored
from faces.labels import LabelSet
from faces.storage.documents import DamagedError, read_document

FINISHED, UNFINISHED = "cache.json", "unfinished.json"
EXTENSIONS: dict[Codec, str] = {"jpeg": "jpg", "png": "png", "raw": "rgb"}


class CacheError(ValueError):
    """A cache that cannot be used: unfinished, of another version, or damaged."""


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def channels_of(settings: Mapping[str, Any]) -> int:
    """Channels of the crops that these settings make: 4 with a cut-out person (RGBA), else 3 (RGB)."""
    return 4 if settings.get("background") == "alpha" else 3


def extension_of(settings: Mapping[str, Any]) -> str:
    """File extension of the crops of these settings in a shard: jpg, png, rgb or rgba."""
    codec: Codec = settings["codec"]
    return "rgba" if codec == "raw" and channels_of(settings) == 4 else EXTENSIONS[codec]


def labels_of(description: Mapping[str, Any], folder: Path) -> LabelSet:
    """The set of factors of a cache of this description, finished or not."""
    return labels_stored(description.get("labels"), folder / FINISHED)


def read_description(folder: Path) -> dict[str, Any]:
    """What cache.json holds.

    Raises:
        CacheError: no such folder, unfinished, of another format version, not as it was sealed, or not what a
            description holds.
    """
    path = folder / FINISHED
    if not folder.is_dir():
        raise CacheError(
            f"{folder}: no such cache; make one with `make preprocess DATA=... CACHE={typed(folder)}`"
        )
    if not path.is_file():
        raise CacheError(
            f"{folder}: no cache.json, so this cache is unfinished (or not a cache); "
            f"run the same `make preprocess ... CACHE={typed(folder)}` again and it resumes"
        )
    return _read(path)


def check_table(folder: Path, name: str, sha256: str) -> None:
    """Compare a table of the cache with the hash that cache.json records.

    Raises:
        CacheError: missing or different.
    """
    path = folder / name
    if not path.is_file():
        raise CacheError(f"{path}: missing; {again(folder)}")
    if file_sha256(path) != sha256:
        raise CacheError(
            f"{path}: content differs from its recorded sha256, so it was edited or damaged; {again(folder)}"
        )


def check_shard(folder: Path, shard: Mapping[str, Any]) -> None:
    """Compare a shard with the size and hash that cache.json records.

    Args:
        folder: the cache.
        shard: name, bytes and sha256.

    Raises:
        CacheError: missing or different.
    """
    check_size(folder, shard)
    path = folder / "shards" / shard["name"]
    if file_sha256(path) != shard["sha256"]:
        raise CacheError(
            f"{path}: content differs from its recorded sha256, so the disk or a copy damaged it; "
            f"{again(folder)}"
        )


def check_size(folder: Path, shard: Mapping[str, Any]) -> None:
    """Compare a shard with the size that cache.json records, without reading it.

    Args:
        folder: the cache.
        shard: name and bytes.

    Raises:
        CacheError: missing or of another size.
    """
    path = folder / "shards" / shard["name"]
    size = path.stat().st_size if path.is_file() else None
    if size != shard["bytes"]:
        state = "missing" if size is None else f"truncated or grown: {size} bytes instead of {shard['bytes']}"
        raise CacheError(f"{path}: shard is {state}; {again(folder)}")


def again(folder: Path) -> str:
    """What cures a damaged cache in that folder, which is one that the user named."""
    return f"delete {folder} and preprocess again"


def read_plan(folder: Path) -> dict[str, Any]:
    """What a cache, finished or not, says of its settings and photos; {} of a folder that holds none.

    Raises:
        CacheError: of another format version, damaged, or not what a description holds.
    """
    begun = [folder / name for name in (FINISHED, UNFINISHED)]
    path = next((path for path in begun if path.is_file()), None)
    if path is None:
        return {}
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    cure = again(path.parent)
    try:
        found = read_document(path, cure)
    except DamagedError as error:
        raise CacheError(str(error)) from error
    version = found.get("version")
    if type(version) is int and version != FORMAT_VERSION:  # its other entries may be others, too
        raise CacheError(
            f"{path}: format version {version}, this program reads and writes {FORMAT_VERSION}; "
            "preprocess the photos again into another folder"
        )
    try:
        check_description(found, path, finished=path.name == FINISHED)
    except ValueError as error:
        raise CacheError(f"{error}; {cure}") from error
    return found
