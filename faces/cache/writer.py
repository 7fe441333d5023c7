"""Writing a cache shard by shard, so that a killed job loses one shard and resumes to the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from faces.cache.description import FORMAT_VERSION, NO_PHOTO, CacheError, extension_of, file_sha256, read_plan
from faces.cache.reader import Cache
from faces.cache.tar import Sample, dali_index, pack
from faces.files import write_atomically
from faces.label_file import differences, labels_stored, stored_labels
from faces.labels import LabelSet

DETECTED, FALLBACK, REJECTED = "detected", "fallback", "rejected"


def reject_columns(labels: LabelSet) -> list[str]:
    """Columns of rejects.csv, and of a reject's fields."""
    before = ("position", "image_id", "source", "source_bytes", "source_sha256", "person")
    return [*before, *labels.names, "reason"]


class CacheWriter:
    """Writes the shards of one cache, in any order, from one process or several.

    Args:
        folder: the cache; made if need be.
        settings: everything that decides the bytes of a crop; must hold `codec` and `size`.
        labels: the factors that the photos are labelled with.
        source: what the photos are (folder, number, fingerprint).
        shard_count: shards the whole cache has.

    Raises:
        ValueError: `folder` holds a cache of other settings or another source (the differing keys are named),
            or files that are no cache's.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, Any],
        labels: LabelSet,
        source: Mapping[str, Any],
        shard_count: int,
    ) -> None:
        self.folder = folder
        self.labels = labels
        self.shard_count = shard_count
        self.plan: dict[str, Any] = {
            "version": FORMAT_VERSION,
            "settings": dict(settings),
            "source": dict(source),
        }
        if stored := stored_labels(labels):
            self.plan["labels"] = stored
        self._adopt_folder()

    @property
    def finished(self) -> bool:
        """Whether the cache is complete."""
        return (self.folder / "cache.json").is_file()

    def _adopt_folder(self) -> None:
        begun = read_plan(self.folder)
        if begun:
            _check_same(self.folder, begun, self.plan)
        elif self.folder.is_dir() and any(self.folder.iterdir()):
            raise ValueError(f"{self.folder}: not empty and not a cache; choose another CACHE folder")
        for name in ("shards", "parts"):
            if not self.finished:
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        if not begun:
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
        extension = extension_of(self.plan["settings"])
        stored = [sample for sample in samples if sample.data is not None]
        tar, places = pack(stored, extension)
        rows = [
            {
                **sample.fields,
                "shard": shard,
                "offset": place.data_at,
                "length": len(sample.data or b""),
                "codec": self.plan["settings"]["codec"],
            }
            for sample, place in zip(stored, places, strict=True)
        ]
        rows += [dict(sample.fields) for sample in samples if sample.data is None]
        stem = self.folder / "shards" / f"{shard:05d}"
        write_atomically(stem.with_suffix(".tar"), tar)
        write_atomically(stem.with_suffix(".idx"), dali_index(stored, places, extension))
        part = io.BytesIO()
        pd.DataFrame(rows).to_parquet(part, index=False)
        write_atomically(self._part(shard), part.getvalue())

    def written(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Number of each shard that an unfinished cache holds, and its photos with their outcome."""
        for path in sorted((self.folder / "parts").glob("*.parquet")):
            yield int(path.stem), pd.read_parquet(path)

    def take_back(self, shard: int) -> None:
        """Count a shard as still to be written."""
        self._part(shard).unlink()

    def finish(self, left_out: pd.DataFrame | None = None) -> Cache:
        """Join the parts into index and rejects, describe the cache, and open it.

        Args:
            left_out: what lies among the photos and is none: source, bytes, reason. They stand below the
                rejects in rejects.csv, at position -1, and count nowhere.

        Raises:
            CacheError: a shard is still pending, or every photo was rejected.
        """
        if not self.finished:
            self._describe(left_out)
        shutil.rmtree(self.folder / "parts", ignore_errors=True)
        for leftover in (self.folder / "unfinished.json", *self.folder.rglob("*.tmp")):
            leftover.unlink(missing_ok=True)
        return Cache.open(self.folder)

    def _describe(self, left_out: pd.DataFrame | None) -> None:
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
        whole = ("shard", "offset", "length", "height", "width", "faces", "face", "turned")
        counted = {*whole} & {*index.columns}
        index = index.astype(dict.fromkeys(counted, "int64"))
        rejects = rows[rejected].reindex(columns=reject_columns(self.labels)).sort_values("position")
        if left_out is not None and len(left_out):
            others = self._as_rejects(left_out)
            rejects = pd.concat([rejects, others], ignore_index=True) if len(rejects) else others
        buffer = io.BytesIO()
        index.to_parquet(buffer, index=False)
        tables = {"index.parquet": buffer.getvalue(), "rejects.csv": rejects.to_csv(index=False).encode()}
        for name, data in tables.items():
            write_atomically(self.folder / name, data)
        shards = sorted((self.folder / "shards").glob("*.tar"))
        description = {
            **self.plan,
            "samples": len(index),
            "status": {str(k): int(v) for k, v in rows.status.value_counts().sort_index().items()},
            "files": {name: hashlib.sha256(data).hexdigest() for name, data in tables.items()},
            "shards": [{"name": p.name, "bytes": p.stat().st_size, "sha256": file_sha256(p)} for p in shards],
        }
        write_atomically(self.folder / "cache.json", _json(description))

    def _as_rejects(self, left_out: pd.DataFrame) -> pd.DataFrame:
        rows = pd.DataFrame(
            {
                "position": NO_PHOTO,
                "image_id": left_out.source,
                "source": left_out.source,
                "source_bytes": left_out.bytes,
                "source_sha256": "",
                "person": "",
                "reason": left_out.reason,
                **{factor.name: factor.missing for factor in self.labels.factors},
            }
        )
        return rows[reject_columns(self.labels)]


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _check_same(folder: Path, found: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Refuse to continue a cache that was begun differently."""
    wanted = json.loads(json.dumps(plan))
    differing = [
        f"{group}.{key}: {found[group].get(key)!r} there, {wanted[group].get(key)!r} now"
        for group in ("settings", "source")
        for key in sorted({*found[group], *wanted[group]} - {"names"})  # part of the fingerprint
        if found[group].get(key) != wanted[group].get(key)
    ]
    before, now = (labels_stored(group.get("labels"), folder) for group in (found, wanted))
    others = [f"labels.{line}" for line in differences(now, before)]
    if others or found["source"].get("layout") != wanted["source"].get("layout"):
        # The hash of the photos and their labels follows these, and says nothing more.
        differing = [line for line in differing if not line.startswith("source.fingerprint")]
    differing += others
    if differing:
        raise CacheError(
            f"{folder}: holds a cache made otherwise ({'; '.join(differing)}); "
            "choose another CACHE folder, or delete this one"
        )
