"""The shards of an unfinished cache: which are whole, by the hashes that their parts of the index keep."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from faces.cache.description import CacheError, file_sha256
from faces.cache.samples import wrong_sample
from faces.cache.schema import REJECTED
from faces.storage.documents import DamagedError
from faces.storage.tables import read_table, write_table

SUFFIXES: Final = (".tar", ".idx")
_CURE: Final = "the same command writes it again"


@dataclass(frozen=True)
class Written:
    """A file of a shard as it was written."""

    bytes: int
    sha256: str
    """64 hex digits."""


@dataclass(frozen=True)
class Part:
    """A shard that is whole."""

    rows: pd.DataFrame
    """Its photos with their outcome."""
    shard: Mapping[str, Any]
    """Its entry in cache.json: name, bytes, sha256."""


@dataclass(frozen=True)
class Parts:
    """The parts of the index, one for each shard that was written.

    Each is a sealed table whose notes hold size and sha256 of the shard's files, so that neither can change
    without being noticed.
    """

    folder: Path
    """The cache."""
    count: int
    """Shards of the whole cache."""
    plan: str
    """What sets the parts of this cache apart from those of others: a digest of what decides it."""
    codec: str
    """Of all its crops."""
    linked: bool = False
    """Whether the shards are those of other caches, whose own keys and positions are in them."""

    def file(self, shard: int, suffix: str) -> Path:
        """The tar or the idx of a shard."""
        return self.folder / "shards" / f"{shard:05d}{suffix}"

    def path(self, shard: int) -> Path:
        """The part of a shard."""
        return self.folder / "parts" / f"{shard:05d}.parquet"

    def add(self, shard: int, rows: pd.DataFrame, files: Mapping[str, Written]) -> None:
        """Make a shard count whose files are written.

        Args:
            shard: its number.
            rows: its photos, rejects among them.
            files: what was written, by suffix.

        Raises:
            OSError: it cannot be written; the shard then still looks unwritten.
        """
        notes = {"plan": self.plan}
        for suffix, file in files.items():
            notes |= {f"{suffix[1:]}_bytes": str(file.bytes), f"{suffix[1:]}_sha256": file.sha256}
        write_table(self.path(shard), rows, notes)

    def lacking(self) -> list[int]:
        """Numbers of the shards that do not count."""
        return [shard for shard in range(self.count) if not self.path(shard).is_file()]

    def take_back(self, shard: int) -> None:
        """Count a shard as still to be written."""
        self.path(shard).unlink(missing_ok=True)

    def rows(self, shards: Collection[int] | None = None) -> Iterator[tuple[int, pd.DataFrame]]:
        """Number of each of these shards (of all, by default) that counts, and its photos with their outcome.

        Raises:
            DamagedError: a part is not as it was written.
        """
        for shard in range(self.count) if shards is None else sorted(shards):
            if self.path(shard).is_file():
                yield shard, read_table(self.path(shard), _CURE).rows

    def checked(self, shard: int, *, rows: bool = False) -> Part:
        """A shard whose part and files are as they were written; all of them are read.

        Args:
            shard: its number.
            rows: compare each row with its sample in the shard, too, which also tells a part that was changed
                and sealed anew.

        Raises:
            CacheError: one is not, or was written before parts kept hashes; the shard is then taken back.
        """
        try:
            table = read_table(self.path(shard), _CURE)
            if not table.notes:
                raise DamagedError(f"{self.path(shard)}: of a version that kept no hashes in it; {_CURE}")
            own = "shard" not in table.rows or bool((table.rows["shard"].dropna() == shard).all())
            if table.notes.get("plan") != self.plan or not own:
                raise DamagedError(f"{self.path(shard)}: the part of another cache or shard; {_CURE}")
            for suffix in SUFFIXES:
                self._check_file(self.file(shard, suffix), suffix[1:], table.notes)
            if rows and (wrong := self._wrong_rows(shard, table.rows)):
                raise DamagedError(f"{self.path(shard)}: {wrong}; {_CURE}")
        except DamagedError as error:
            self.take_back(shard)
            raise CacheError(str(error)) from error
        name, notes = self.file(shard, ".tar").name, table.notes
        entry = {"name": name, "bytes": int(notes["tar_bytes"]), "sha256": notes["tar_sha256"]}
        return Part(table.rows, entry)

    def _wrong_rows(self, shard: int, rows: pd.DataFrame) -> str:
        """What is wrong with the rows of a part by the files of its shard, "" for nothing."""
        if "status" not in rows:
            return "no column 'status'"
        rejects = rows[rows["status"] == REJECTED]
        reasons = rejects["reason"] if "reason" in rejects else rejects["status"].isna()
        if not all(isinstance(reason, str) for reason in reasons):
            return "a reject without a reason"
        crops = rows.drop(rejects.index)
        if len(crops) and ("shard" not in crops or crops["shard"].isna().any()):
            return "a crop without its shard"
        if self.linked:
            return ""
        if len(crops) and ("codec" not in crops or not crops["codec"].eq(self.codec).all()):
            return f"the codec of a crop is not {self.codec}"
        return wrong_sample(crops, self.file(shard, ".tar"), self.file(shard, ".idx"))

    def _check_file(self, path: Path, kind: str, notes: Mapping[str, str]) -> None:
        size = path.stat().st_size if path.is_file() else None
        if str(size) != notes.get(f"{kind}_bytes"):
            what = "missing" if size is None else f"truncated or grown to {size:,} bytes"
        elif file_sha256(path) != notes.get(f"{kind}_sha256"):
            what = "edited or damaged, its content does not fit its sha256"
        else:
            return
        raise DamagedError(f"{path}: {what}; {_CURE}")

    def resume(self, shards: Collection[int] | None = None) -> list[str]:
        """Read what there is, and take back each shard that is not as it was written.

        Args:
            shards: those that are looked at, where others belong to other processes; by default all.

        Returns:
            A line on each such shard, and, where all are looked at, on each file of a shard that this cache
            does not have: such are left as they are, and never taken over.
        """
        lines = []
        for shard in sorted({*(range(self.count) if shards is None else shards)} - {*self.lacking()}):
            try:
                self.checked(shard, rows=True)
            except CacheError as error:
                lines.append(str(error).replace(_CURE, "written again"))
        if shards is not None:
            return lines
        own = {self.path(shard) for shard in range(self.count)}
        own |= {self.file(shard, suffix) for shard in range(self.count) for suffix in SUFFIXES}
        found = [path for name in ("shards", "parts") for path in sorted((self.folder / name).glob("*"))]
        strangers = [path for path in found if path not in own and path.suffix != ".tmp"]
        return lines + [
            f"{path}: of no shard of this cache, left out; move it elsewhere" for path in strangers
        ]
