"""What a cache says of itself: cache.json, and the hashes of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from faces.label_file import labels_stored
from faces.labels import LabelSet, Number

FORMAT_VERSION = 1
NO_PHOTO = -1
"""Position, in rejects.csv, of what lies among the photos and is none."""
Codec = Literal["jpeg", "png", "raw"]
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


def read_rejects(folder: Path, labels: LabelSet) -> pd.DataFrame:
    """`Cache.rejects` of the cache in that folder: the photos of rejects.csv."""
    text = {"image_id": str, "source": str, "person": str}
    numbers = {factor.name: [""] for factor in labels.factors if isinstance(factor, Number)}
    table = pd.read_csv(folder / "rejects.csv", dtype=text, keep_default_na=False, na_values=numbers)
    return table[table["position"] > NO_PHOTO].reset_index(drop=True)


def labels_of(description: Mapping[str, Any], folder: Path) -> LabelSet:
    """The set of factors of a cache of this description, finished or not."""
    return labels_stored(description.get("labels"), folder / "cache.json")


def read_description(folder: Path) -> dict[str, Any]:
    """What cache.json holds.

    Raises:
        CacheError: no such folder, unfinished, of another format version, or not JSON.
    """
    path = folder / "cache.json"
    if not folder.is_dir():
        raise CacheError(f"{folder}: no such cache; make one with `make preprocess DATA=... CACHE={folder}`")
    if not path.is_file():
        raise CacheError(
            f"{folder}: no cache.json, so this cache is unfinished (or not a cache); "
            f"run the same `make preprocess ... CACHE={folder}` again and it resumes"
        )
    return _read(path)


def check_table(path: Path, sha256: str) -> None:
    """Compare a table of the cache with the hash that cache.json records.

    Raises:
        CacheError: missing or different.
    """
    if not path.is_file():
        raise CacheError(f"{path}: missing; delete {path.parent} and preprocess again")
    if file_sha256(path) != sha256:
        raise CacheError(
            f"{path}: content differs from its recorded sha256, so it was edited or damaged; "
            f"delete {path.parent} and preprocess again"
        )


def check_shard(path: Path, shard: Mapping[str, Any]) -> None:
    """Compare a shard with the size and hash that cache.json records.

    Raises:
        CacheError: missing or different.
    """
    size = path.stat().st_size if path.is_file() else None
    if size != shard["bytes"]:
        state = "missing" if size is None else f"truncated or grown: {size} bytes instead of {shard['bytes']}"
        raise CacheError(f"{path}: shard is {state}; delete {path.parents[1]} and preprocess again")
    if file_sha256(path) != shard["sha256"]:
        raise CacheError(
            f"{path}: content differs from its recorded sha256, so the disk or a copy damaged it; "
            f"delete {path.parents[1]} and preprocess again"
        )


def read_plan(folder: Path) -> dict[str, Any]:
    """What a cache, finished or not, says of its settings and photos; {} of a folder that holds none.

    Raises:
        CacheError: of another format version, or not readable.
    """
    begun = [folder / name for name in ("cache.json", "unfinished.json")]
    path = next((path for path in begun if path.is_file()), None)
    if path is None:
        return {}
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    again = f"delete {path.parent} and preprocess again"
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise CacheError(f"{path}: not readable as JSON ({error}); {again}") from error
    if found.get("version") != FORMAT_VERSION:
        raise CacheError(
            f"{path}: format version {found.get('version')}, this program reads and writes {FORMAT_VERSION}; "
            "preprocess the photos again into another folder"
        )
    return found
