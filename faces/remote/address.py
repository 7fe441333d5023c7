"""Addresses, such as s3://bucket/caches/mine, in every protocol that fsspec knows."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

_FORM: Final = re.compile(r"^([a-z][a-z0-9+.-]*):/{1,2}(?!/)(.*)$", re.DOTALL)
"""A `Path` made of an address has one slash where that has two."""
_NOT_FOLDERS: Final = {
    "file",
    "local",
    "http",
    "https",
    "data",
    "async_wrapper",
    "asynclocal",
    "asyncwrapper",
}
"""Of what fsspec knows: this machine's own files, and what cannot be listed or written."""
_BUCKETS: Final = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
"""Protocols whose addresses begin with a bucket, which is not made by writing into it."""
SILENT_SECONDS: Final = 60
"""Seconds without a byte after which a connection counts as dropped."""
EXTRA: Final = "remote"
"""Of setup.cfg: the packages that these protocols need."""


class RemoteError(ValueError):
    """An address that cannot be used, or what lies there: one line with the address, what is wrong, and the
    cure."""


@dataclass(frozen=True)
class Address:
    """A folder or a file at an fsspec address."""

    scheme: str
    place: str
    """What stands behind the two slashes."""

    def __str__(self) -> str:
        """As it is shown: a user's name and password in it are left out."""
        return f"{self.scheme}://{self._bare}"

    @property
    def _bare(self) -> str:
        host, slash, rest = self.place.partition("/")
        return host.rpartition("@")[2] + slash + rest

    @property
    def parts(self) -> tuple[str, ...]:
        """The protocol, then the names on the way to it.

        Raises:
            RemoteError: one of them is none (`..`), or nothing stands there.
        """
        names = PurePosixPath(self._bare).parts
        if not names or ".." in names or "\0" in self.place:
            raise RemoteError(f"{self}: no folder or file by that name; give one as in s3://bucket/folder")
        return (self.scheme, *names)

    @property
    def parent(self) -> Address:
        """The folder that it lies in."""
        return Address(self.scheme, self.place.rstrip("/").rpartition("/")[0])

    @property
    def in_bucket(self) -> bool:
        """Whether it begins with the name of a bucket."""
        return self.scheme in _BUCKETS

    def opened(self) -> tuple[Any, str]:
        """fsspec's file system and the path of this in it.

        Who may read and write is for fsspec's own variables and files to say (such as AWS_ACCESS_KEY_ID).

        Raises:
            RemoteError: its protocol needs a package that is not installed.
        """
        import fsspec

        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it prints traces of what is tried again
        try:
            system, path = fsspec.core.url_to_fs(f"{self.scheme}://{self.place}", **_options(self.scheme))
        except ImportError as error:
            raise RemoteError(
                f"{self}: {self.scheme}:// needs packages that are not installed; run "
                f"`make setup EXTRAS={EXTRA}`"
            ) from error
        return system, path


def _options(scheme: str) -> dict[str, Any]:
    """What of a file system is not left to itself: that listings are fresh, and, where it can be told, that
    it gives up at the first fault and after a minute without a byte: repeating is ours (`retries`)."""
    fresh: dict[str, Any] = {"use_listings_cache": False}
    if scheme in ("s3", "s3a"):
        once = {"retries": {"total_max_attempts": 1}, "connect_timeout": 20, "read_timeout": SILENT_SECONDS}
        fresh["config_kwargs"] = once
    return fresh if scheme != "memory" else {}


def address_of(text: str | Path) -> Address | None:
    """The address that a text or a `Path` made of it is; None of a path on this machine."""
    found = _FORM.match(str(text))
    if not found:
        return None
    # fsspec takes a moment to import, which paths need not wait for.
    from fsspec import available_protocols

    scheme, place = found[1], found[2].rstrip("/")
    known = scheme in available_protocols() and scheme not in _NOT_FOLDERS
    return Address(scheme, place) if known else None
