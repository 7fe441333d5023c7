"""Writing a cache shard by shard, so that a killed job loses one shard and resumes to the same bytes."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from faces.cache import EXTENSIONS, FORMAT_VERSION, Cache, CacheError, file_sha256

REJECT_COLUMNS = (
    "position",
    "image_id",
    "source",
    "source_sha256",
    "person",
    "mask",
    "gender",
    "age",
    "reason",
)
DETECTED, FALLBACK, REJECTED = "detected", "fallback", "rejected"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One photo's outcome: its crop, or the reason why there is none."""

    fields: Mapping[str, Any]
    """Its index columns but for shard, offset, length and codec; `reason` instead of boxes in a reject."""
    data: bytes | None
    """The encoded crop; None in a reject."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that its name only ever stands for the whole content, also after a power cut.

    Raises:
        OSError: no space left; the temporary file is removed, nothing else touched, `path` named.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    temporary.replace(path)


class CacheWriter:
    """Writes the shards of one cache, in any order, from one process or several.

    Args:
        folder: the cache; made if need be.
        settings: everything that decides the bytes of a crop; must hold `codec` and `size`.
        source: what the photos are (folder, number, fingerprint).
        shard_count: shards the whole cache has.

    Raises:
        ValueError: `folder` holds a cache of other settings or another source (the differing keys are named),
            or files that are no cache's.
    """

    def __init__(
        self, folder: Path, *, settings: Mapping[str, Any], source: Mapping[str, Any], shard_count: int
    ) -> None:
        self.folder = folder
        self.shard_count = shard_count
        self.plan: dict[str, Any] = {
            "version": FORMAT_VERSION,
            "settings": dict(settings),
            "source": dict(source),
        }
        self._adopt_folder()

    @property
    def finished(self) -> bool:
        """Whether the cache is complete."""
        return (self.folder / "cache.json").is_file()

    def _adopt_folder(self) -> None:
        begun = [self.folder / name for name in ("cache.json", "unfinished.json")]
        plan = next((path for path in begun if path.is_file()), None)
        if plan is not None:
            _check_same(plan, self.plan)
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise ValueError(f"{self.folder}: not empty and not a cache; choose another CACHE folder")
        for name in ("shards", "parts"):
            if not self.finished:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        if plan is None:
            write_atomically(self.folder / "unfinished.json", _json(self.plan))

    def _part(self, shard: int) -> Path:
        return self.folder / "parts" / f"{shard:05d}.parquet"

    def pending(self) -> list[int]:
        """Numbers of the shards that are still to be written."""
        if self.finished:
            return []
        return [shard for shard in range(self.shard_count) if not self._part(shard).is_file()]

    def write(self, shard: int, samples: Sequence[Sample]) -> None:
        """Write one shard whole: the tar, DALI's idx, then the part of the index that makes it count.

        Args:
            shard: its number.
            samples: every photo of the shard in order, rejects among them.

        Raises:
            OSError: the disk is full or not writable; the shard then still looks unwritten.
        """
        codec = self.plan["settings"]["codec"]
        stored = [sample for sample in samples if sample.data is not None]
        tar, places = _tar(stored, EXTENSIONS[codec])
        rows = [
            {
                **sample.fields,
                "shard": shard,
                "offset": place.data_at,
                "length": len(sample.data or b""),
                "codec": codec,
            }
            for sample, place in zip(stored, places, strict=True)
        ]
        rows += [dict(sample.fields) for sample in samples if sample.data is None]
        stem = self.folder / "shards" / f"{shard:05d}"
        write_atomically(stem.with_suffix(".tar"), tar)
        write_atomically(stem.with_suffix(".idx"), _dali_index(stored, places, EXTENSIONS[codec]))
        part = io.BytesIO()
        pd.DataFrame(rows).to_parquet(part, index=False)
        write_atomically(self._part(shard), part.getvalue())

    def finish(self) -> Cache:
        """Join the parts into index and rejects, describe the cache, and open it.

        Raises:
            CacheError: a shard is still pending, or every photo was rejected.
        """
        if not self.finished:
            self._describe()
        shutil.rmtree(self.folder / "parts", ignore_errors=True)
        for leftover in (self.folder / "unfinished.json", *self.folder.rglob("*.tmp")):
            leftover.unlink(missing_ok=True)
        return Cache.open(self.folder)

    def _describe(self) -> None:
        if self.pending():
            raise CacheError(f"{self.folder}: shards {self.pending()[:5]} are still to be written")
        rows = pd.concat([pd.read_parquet(self._part(s)) for s in range(self.shard_count)], ignore_index=True)
        rejected = rows.status == REJECTED
        index = rows[~rejected].reset_index(drop=True)
        if index.empty:
            reasons = rows.reason.value_counts().head(3).to_dict()
            raise CacheError(f"{self.folder}: none of {len(rows)} photos could be used: {reasons}")
        index = index.drop(columns="reason", errors="ignore")
        # Beside the rejects, which have none of these, pandas holds them as floats.
        counted = ("shard", "offset", "length", "height", "width")
        index = index.astype(dict.fromkeys(counted, "int64"))
        rejects = rows[rejected].reindex(columns=list(REJECT_COLUMNS)).sort_values("position")
        buffer = io.BytesIO()
        index.to_parquet(buffer, index=False)
        write_atomically(self.folder / "index.parquet", buffer.getvalue())
        write_atomically(self.folder / "rejects.csv", rejects.to_csv(index=False).encode())
        shards = sorted((self.folder / "shards").glob("*.tar"))
        description = {
            **self.plan,
            "samples": len(index),
            "status": {str(k): int(v) for k, v in rows.status.value_counts().sort_index().items()},
            "shards": [{"name": p.name, "bytes": p.stat().st_size, "sha256": file_sha256(p)} for p in shards],
        }
        write_atomically(self.folder / "cache.json", _json(description))


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _check_same(path: Path, plan: Mapping[str, Any]) -> None:
    """Refuse to continue a cache that was begun differently."""
    found = json.loads(path.read_text())
    if found.get("version") != FORMAT_VERSION:
        raise CacheError(
            f"{path}: format version {found.get('version')}, this program writes {FORMAT_VERSION}"
        )
    wanted = json.loads(json.dumps(plan))
    differences = [
        f"{group}.{key}: {found[group].get(key)!r} there, {wanted[group].get(key)!r} now"
        for group in ("settings", "source")
        for key in sorted({*found[group], *wanted[group]})
        if found[group].get(key) != wanted[group].get(key)
    ]
    if differences:
        raise CacheError(
            f"{path.parent}: holds a cache made otherwise ({'; '.join(differences)}); "
            "choose another CACHE folder, or delete this one"
        )


@dataclass(frozen=True)
class _Place:
    """Where a sample's two files stand in the tar, in bytes."""

    data_at: int
    meta_at: int
    meta_size: int


def _meta(sample: Sample) -> bytes:
    """The sample's description as strict JSON, which knows no NaN."""
    fields = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in sample.fields.items()}
    return json.dumps(fields, allow_nan=False).encode()


def _tar(samples: Sequence[Sample], extension: str) -> tuple[bytes, list[_Place]]:
    """The tar's bytes (no time, owner or mode of this machine in them), and where each sample stands."""
    buffer = io.BytesIO()
    places: list[_Place] = []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            starts = []
            meta = _meta(sample)
            for name, data in ((extension, sample.data or b""), ("json", meta)):
                member = tarfile.TarInfo(f"{sample.fields['key']}.{name}")
                member.size = len(data)
                starts.append(buffer.tell() + tarfile.BLOCKSIZE)
                tar.addfile(member, io.BytesIO(data))
            places.append(_Place(starts[0], starts[1], len(meta)))
    return buffer.getvalue(), places


def _dali_index(samples: Sequence[Sample], places: Sequence[_Place], extension: str) -> bytes:
    """wds2idx v1.2: a line a sample of `extension offset size name` for each of its files."""
    lines = [f"v1.2 {len(samples)}"]
    for sample, place in zip(samples, places, strict=True):
        key, size = sample.fields["key"], len(sample.data or b"")
        lines.append(
            f"{extension} {place.data_at} {size} {key}.{extension} "
            f"json {place.meta_at} {place.meta_size} {key}.json"
        )
    return ("\n".join(lines) + "\n").encode()
