"""A folder at an address: listing it, and bringing files here and there whole."""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from faces.remote.address import Address, RemoteError
from faces.remote.retries import WrongBytes, persistently

_MARKS: Final = (
    "ETag",
    "etag",
    "md5Hash",
    "blob_id",
    "LastModified",
    "last_modified",
    "updated",
    "mtime",
    "created",
)
"""Entries of fsspec's descriptions that change with a file's content; the first there is counts."""


@dataclass(frozen=True)
class Stored:
    """A file at an address."""

    bytes: int
    mark: str
    """Changes with the content, which need not be read for it."""


@dataclass(frozen=True)
class Store:
    """What lies at an address, by names relative to it, with slashes."""

    address: Address

    @cached_property
    def _system(self) -> tuple[Any, str]:
        system, root = self.address.opened()
        if hasattr(system, "retries"):  # s3fs's own, which would multiply with ours
            system.retries = 1
        return system, root.rstrip("/")

    def file(self, name: str) -> Address:
        """The address of a file."""
        return Address(self.address.scheme, f"{self.address.place}/{name}")

    def listed(self) -> dict[str, Stored]:
        """All files, at any depth, by name; none where there is no such folder. One file alone is called "".

        Raises:
            RemoteError: no such bucket, no rights, or no answer.
        """
        system, root = self._system

        def find() -> dict[str, Any]:
            system.invalidate_cache()
            try:
                found: dict[str, Any] = system.find(root, detail=True)
            except FileNotFoundError as error:
                # Writing into it would fail, after hours perhaps.
                if self.address.in_bucket and re.search("bucket|container", str(error), re.IGNORECASE):
                    bucket = root.partition("/")[0]
                    raise RemoteError(
                        f"{self.address}: there is no bucket {bucket}; make it, or give another"
                    ) from error
                return {}
            return found

        found = persistently(self.address, find)
        files = {path: info for path, info in found.items() if info.get("type") == "file" and path[-1] != "/"}
        return {path.removeprefix(root).lstrip("/"): _stored(info) for path, info in files.items()}

    def fetch(self, name: str, local: Path, *, size: int, sha256: str | None = None) -> None:
        """Bring a file here: its name stands for nothing but all of it, compared with what it should be.

        Args:
            name: at the address; "" for the address itself.
            local: the file to write, in a folder that is made if need be.
            size: its bytes.
            sha256: hex digest of it, where known.

        Raises:
            RemoteError: it is not there, one may not, or no attempt brought these bytes.
            OSError: it cannot be written here.
        """
        system, root = self._system
        local.parent.mkdir(parents=True, exist_ok=True)
        temporary = local.with_name(f"{local.name}.{uuid.uuid4().hex[:8]}.tmp")
        handle = os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o666)  # what cannot be written fails at once
        os.close(handle)

        def get() -> None:
            system.get_file(f"{root}/{name}".rstrip("/"), str(temporary))
            arrived = temporary.stat().st_size
            if arrived != size:
                raise WrongBytes(f"{arrived:,} of {size:,} bytes arrived")
            if sha256 is not None and _sha256(temporary) != sha256:
                raise WrongBytes("what arrived does not fit its sha256")

        try:
            persistently(self.file(name) if name else self.address, get)
            temporary.replace(local)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def put(self, local: Path, name: str) -> Stored:
        """Take a file there, whole, and look whether it is.

        Raises:
            RemoteError: one may not, or no attempt left all of it there.
        """
        system, root = self._system
        path = f"{root}/{name}".rstrip("/")

        def send() -> Stored:
            size = local.stat().st_size
            if not self.address.in_bucket:
                system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.put_file(str(local), path)
            system.invalidate_cache()
            left = _stored(system.info(path))
            if left.bytes != size:
                raise WrongBytes(f"{left.bytes:,} of {size:,} bytes are there")
            return left

        return persistently(self.file(name), send)

    def remove(self, name: str) -> None:
        """Delete a file there, if there is one."""
        system, root = self._system

        def delete() -> None:
            with suppress(FileNotFoundError):
                system.rm_file(f"{root}/{name}")

        persistently(self.file(name), delete)


def _stored(info: dict[str, Any]) -> Stored:
    size = int(info.get("size") or 0)
    return Stored(size, next((f"{key} {info[key]}" for key in _MARKS if info.get(key)), str(size)))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
