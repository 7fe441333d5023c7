"""Writing a cache shard by shard, so that a killed job loses one shard and resumes to the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from faces.cache import schema
from faces.cache.description import FINISHED, UNFINISHED, CacheError, extension_of, file_sha256, read_plan
from faces.cache.parts import Parts, Written
from faces.cache.reader import Cache
from faces.cache.tables import INDEX, NO_PHOTO
from faces.cache.tar import Sample, dali_index, pack
from faces.files import write_atomically, write_once
from faces.labelling.kept import differences, labels_stored, stored_labels
from faces.labels import LabelSet
from faces.storage.cells import csv_bytes
from faces.storage.documents import document, write_document

DETECTED, FALLBACK, REJECTED = "detected", "fallback", schema.REJECTED
CORRECTED = "corrections.csv"
SHARES = "shares"
"""Folder of an unfinished cache with one for each share of its shards, by which a process holds it."""
NOT_COMPARED = {"names", "drawn"}
"""Of a source: the first is part of its fingerprint, the second is not told by caches of before."""


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
        self.plan: dict[str, Any] = {
            "version": schema.FORMAT_VERSION,
            "settings": dict(settings),
            "source": dict(source),
        }
        if stored := stored_labels(labels):
            self.plan["labels"] = stored
        codec = self.plan["settings"]["codec"]
        self.parts = Parts(folder, shard_count, _digest(self.plan), codec, linked="parts" in source)
        self._adopt_folder()

    @property
    def finished(self) -> bool:
        """Whether the cache is complete."""
        return (self.folder / FINISHED).is_file()

    def _adopt_folder(self) -> None:
        # Several processes may begin a cache at once: the first one's plan stands, and holds for all.
        if not read_plan(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            there = [path for path in self.folder.iterdir() if ".first.tmp" not in path.name]
            if there and not read_plan(self.folder):
                raise ValueError(f"{self.folder}: not empty and not a cache; choose another CACHE folder")
            write_once(self.folder / UNFINISHED, document(self.plan))
        _check_same(self.folder, read_plan(self.folder), self.plan)
        for name in ("shards", "parts"):
            if not self.finished:
                (self.folder / name).mkdir(parents=True, exist_ok=True)

    def pending(self) -> list[int]:
        """Numbers of the shards that are still to be written."""
        if self.finished:
            return []
        return self.parts.lacking()

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
        files = {".tar": tar, ".idx": dali_index(stored, places, extension)}
        for suffix, data in files.items():
            write_atomically(self.parts.file(shard, suffix), data)
        self.parts.add(
            shard,
            pd.DataFrame(rows),
            {suffix: Written(len(data), hashlib.sha256(data).hexdigest()) for suffix, data in files.items()},
        )

    def finish(self, left_out: pd.DataFrame | None = None) -> Cache:
        """Join the parts into index and rejects, describe the cache, and open it.

        Args:
            left_out: what lies among the photos and is none: source, bytes, reason. They stand below the
                rejects in rejects.csv, at position -1, and count nowhere.

        Raises:
            CacheError: a shard is still pending or changed since it was written, or every photo was rejected.
        """
        try:
            description = self._describe(left_out) if not self.finished else None
        except (OSError, CacheError):
            # Where folders cannot be held, another process may have finished, and removed the parts.
            if not self.finished:
                raise
            description = None
        for name in ("parts", SHARES):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for leftover in (self.folder / UNFINISHED, *self.folder.rglob("*.tmp")):
            leftover.unlink(missing_ok=True)
        # What was just described was read and compared for that.
        return Cache(self.folder, description) if description else Cache.open(self.folder)

    def _describe(self, left_out: pd.DataFrame | None) -> dict[str, Any]:
        if self.pending():
            raise CacheError(
                f"{self.folder}: shards {self.pending()[:5]} are still to be written; "
                "the same command goes on"
            )
        whole = [self.parts.checked(shard) for shard in range(self.parts.count)]
        rows = pd.concat([part.rows for part in whole], ignore_index=True)
        tables = self._tables(rows, left_out)
        for name, data in tables.items():
            write_atomically(self.folder / name, data)
        files = {name: hashlib.sha256(data).hexdigest() for name, data in tables.items()}
        if (self.folder / CORRECTED).is_file():
            files[CORRECTED] = file_sha256(self.folder / CORRECTED)
        status = {str(k): int(v) for k, v in rows.status.value_counts().sort_index().items()}
        description = {
            **json.loads(json.dumps(self.plan)),
            "samples": len(rows) - status.get(REJECTED, 0),
            "status": status,
            "files": files,
            "shards": [part.shard for part in whole],
        }
        write_document(self.folder / FINISHED, description)
        return description

    def _tables(self, rows: pd.DataFrame, left_out: pd.DataFrame | None) -> dict[str, bytes]:
        """index.parquet and rejects.csv of the rows of all parts."""
        rejected = rows.status == REJECTED
        index = rows[~rejected].reset_index(drop=True)
        if index.empty:
            reasons = rows.reason.value_counts().head(3).to_dict()
            raise CacheError(f"{self.folder}: none of {len(rows)} photos could be used: {reasons}")
        index = index.drop(columns="reason", errors="ignore")
        # Beside the rejects, which have none of these, pandas holds them as floats.
        whole = ("shard", "offset", "length", "height", "width", "faces", "face", "turned")
        index = index.astype(dict.fromkeys({*whole} & {*index.columns}, "int64"))
        rejects = rows[rejected].reindex(columns=reject_columns(self.labels)).sort_values("position")
        if left_out is not None and len(left_out):
            others = self._as_rejects(left_out)
            rejects = pd.concat([rejects, others], ignore_index=True) if len(rejects) else others
        buffer = io.BytesIO()
        index.to_parquet(buffer, index=False)
        return {INDEX: buffer.getvalue(), "rejects.csv": csv_bytes(rejects)}

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


def _digest(plan: Mapping[str, Any]) -> str:
    """Hex sha256 of all that `_check_same` compares; the fingerprint of the source follows the labels."""
    source = {name: value for name, value in plan["source"].items() if name not in NOT_COMPARED}
    return hashlib.sha256(json.dumps([plan["settings"], source], sort_keys=True).encode()).hexdigest()


def _check_same(folder: Path, found: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Refuse to continue a cache that was begun differently."""
    wanted = json.loads(json.dumps(plan))
    differing = [
        f"{group}.{key}: {found[group].get(key)!r} there, {wanted[group].get(key)!r} now"
        for group in ("settings", "source")
        for key in sorted({*found[group], *wanted[group]} - NOT_COMPARED)
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
