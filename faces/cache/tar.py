"""The bytes of one shard: a WebDataset tar, and the index that DALI's own reader wants beside it."""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One photo's outcome: its crop, or the reason why there is none."""

    fields: Mapping[str, Any]
    """Its index columns but for shard, offset, length and codec; `reason` instead of boxes in a reject."""
    data: bytes | None
    """The encoded crop; None in a reject."""


@dataclass(frozen=True)
class Place:
    """Where a sample's two files stand in the tar, in bytes."""

    data_at: int
    meta_at: int
    meta_size: int


def _meta(sample: Sample) -> bytes:
    """The sample's description as strict JSON, which knows no NaN."""
    fields = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in sample.fields.items()}
    return json.dumps(fields, allow_nan=False).encode()


def pack(samples: Sequence[Sample], extension: str) -> tuple[bytes, list[Place]]:
    """The tar's bytes (no time, owner or mode of this machine in them), and where each sample stands."""
    buffer = io.BytesIO()
    places: list[Place] = []
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            starts = []
            meta = _meta(sample)
            for name, data in ((extension, sample.data or b""), ("json", meta)):
                member = tarfile.TarInfo(f"{sample.fields['key']}.{name}")
                member.size = len(data)
                starts.append(buffer.tell() + tarfile.BLOCKSIZE)
                tar.addfile(member, io.BytesIO(data))
            places.append(Place(starts[0], starts[1], len(meta)))
    return buffer.getvalue(), places


def dali_index(samples: Sequence[Sample], places: Sequence[Place], extension: str) -> bytes:
    """wds2idx v1.2: a line a sample of `extension offset size name` for each of its files."""
    lines = [f"v1.2 {len(samples)}"]
    for sample, place in zip(samples, places, strict=True):
        key, size = sample.fields["key"], len(sample.data or b"")
        lines.append(
            f"{extension} {place.data_at} {size} {key}.{extension} "
            f"json {place.meta_at} {place.meta_size} {key}.json"
        )
    return ("\n".join(lines) + "\n").encode()
