"""The local folder in which what lies at addresses is worked on: which file stands where, and how much.

<stage>/s3/bucket/caches/mine/...     files of s3://bucket/caches/mine, but for the shards of finished caches
<stage>/synced/<key>.json             which of them were equal to those at the address, and when (`mirror`)
<stage>/shards/ab/<sha256>.tar        shards of finished caches, by content; the oldest go for newer ones
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from faces.remote.address import Address, RemoteError

FOLDER_VARIABLE: Final = "FACEFOLD_STAGE"
BOUND_VARIABLE: Final = "FACEFOLD_STAGE_GB"
_GIGABYTES: Final = 100.0
_LEFTOVER_SECONDS: Final = 86_400
"""After a day a file that is half fetched is a killed process's."""


def stage() -> Path:
    """The folder: `FACEFOLD_STAGE`, or `facefold` in the user's folder of caches."""
    if given := os.environ.get(FOLDER_VARIABLE):
        return Path(given).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - as faces.home
    return Path(home).absolute() / "facefold"


def bound() -> int:
    """Bytes that the shards in the stage may take together, and that a folder brought here whole may take.

    Raises:
        RemoteError: the variable holds no such number.
    """
    text = os.environ.get(BOUND_VARIABLE, str(_GIGABYTES))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 < gigabytes < 1e9:
        raise RemoteError(f"{BOUND_VARIABLE}={text}: must be a number of GB above 0; {_GIGABYTES:g} is usual")
    return int(gigabytes * 1e9)


def in_gb(size: int) -> str:
    """Bytes in words, for messages about the bound."""
    return f"{size / 1e9:,.3g} GB"


def local_of(address: Address) -> Path:
    """Where the files of an address stand here."""
    return stage().joinpath(*address.parts)


def ledger_of(local: Path) -> Path:
    """The file that says what of a folder in the stage is as at its address."""
    return stage() / "synced" / f"{hashlib.sha256(os.fsencode(local.absolute())).hexdigest()[:32]}.json"


def address_here(local: Path) -> Address | None:
    """The address whose files stand in a folder of the stage; None of any other folder."""
    absolute = local.absolute()
    if not absolute.is_relative_to(stage()) or not ledger_of(local).is_file():
        return None
    scheme, *names = absolute.relative_to(stage()).parts
    return Address(scheme, "/".join(names))


def with_addresses(text: str) -> str:
    """A text for the user in which files of the stage are called by their addresses."""
    root = f"{stage()}{os.sep}"
    before, *rest = text.split(root)
    named = [piece.replace("/", "://", 1) if _is_scheme(piece) else root + piece for piece in rest]
    return "".join([before, *named])


def _is_scheme(piece: str) -> bool:
    first, slash, _ = piece.partition("/")
    return bool(slash) and first not in ("synced", "shards")


@contextmanager
def alone(local: Path) -> Iterator[None]:
    """Wait until no other process of this machine brings files of this folder here."""
    path = ledger_of(local).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def shard_path(sha256: str) -> Path:
    """Where a shard of that content stands, or would."""
    return stage() / "shards" / sha256[:2] / f"{sha256}.tar"


def make_room(size: int, most: int, keep: Iterable[Path]) -> bool:
    """Delete the shards that were longest not used, until so many bytes more fit.

    Who has one mapped can still read it; its memory on the disk is free once nobody does.

    Args:
        size: bytes that are to come.
        most: bytes that all may take.
        keep: shards that are needed and not deleted.

    Returns:
        Whether they fit.
    """
    kept, found = {*keep}, []
    for path in (stage() / "shards").glob("*/*"):
        with suppress(OSError):  # another process's, deleted meanwhile
            status = path.stat()
            if path.suffix == ".tar":
                found.append((status.st_mtime, path, status.st_size))
            elif time.time() - status.st_mtime > _LEFTOVER_SECONDS:
                path.unlink(missing_ok=True)
    total = sum(bytes_ for *_, bytes_ in found)
    for _, path, bytes_ in sorted(found):
        if total + size <= most:
            break
        if path not in kept:
            with suppress(OSError):
                path.unlink(missing_ok=True)
            total -= bytes_
    return total + size <= most
