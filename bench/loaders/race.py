"""The crops stored as each rival reads them, and the rivals in processes of their own, taking turns."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.loaders.process import FAILED, PYTHON, RivalProcess
from bench.loaders.table import BASE, RivalLoader
from bench.loaders.task import Task
from bench.measure import Rival, Row, measure
from faces.cache.reader import Cache
from faces.cache.schema import Codec
from faces.cache.tar import Sample
from faces.cache.writer import DETECTED, CacheWriter
from faces.labels import CONTEST
from train.engine.gpu import usable_gpu


def stored_as(cache: Cache, codec: Codec, folder: Path, images: int, shards: int = 1) -> Cache:
    """The same crops in a new cache of another codec, without labels.

    Args:
        cache: where the crops come from; repeated if there are fewer than `images`.
        codec: of the new cache; crops become JPEGs of quality 95 unless they are JPEGs already.
        folder: of the new cache.
        images: crops in it.
        shards: into which they are divided.
    """
    settings = {"codec": codec, "size": cache.size}
    writer = CacheWriter(folder, settings=settings, labels=CONTEST, source={}, shard_count=shards)
    for shard, numbers in enumerate(np.array_split(np.arange(images), shards)):
        samples = []
        for number in numbers.tolist():
            (stored,) = cache.encoded(np.array([number % len(cache)]))
            fields = {"key": f"{number:06d}", "position": number, "height": cache.size, "width": cache.size}
            data = _recoded(stored, cache.codec, codec)
            samples.append(Sample(fields={**fields, "status": DETECTED}, data=data))
        writer.write(shard, samples)
    return writer.finish()


def _recoded(stored: np.ndarray, codec: Codec, wanted: Codec) -> bytes:
    if codec == wanted:
        return stored.tobytes()
    if wanted == "raw":
        return np.asarray(Image.open(io.BytesIO(stored.tobytes())).convert("RGB")).tobytes()
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def start(rival: RivalLoader, task: Task) -> RivalProcess:
    """Start a rival in a process of its own, with the interpreter that has its library."""
    python = PYTHON if rival.packages else Path(sys.executable)
    return RivalProcess(python, rival.module, task, rival.packages)


def take_turns(processes: Mapping[str, RivalProcess], repetitions: int) -> list[Row]:
    """Let the rivals run in turns, and end them.

    Args:
        processes: by the rival's name.
        repetitions: counted rounds.
    """
    try:
        rivals = [Rival(name=name, work=process.run) for name, process in processes.items()]
        return measure(rivals, repetitions=repetitions, compared_with=BASE)
    finally:
        for process in processes.values():
            process.stop()


def absent(rivals: Sequence[RivalLoader]) -> dict[str, str]:
    """Why some of these cannot take part, by name."""
    failed = json.loads(FAILED.read_text(encoding="utf-8")) if FAILED.is_file() else None
    reasons = {}
    for rival in rivals:
        if rival.gpu and usable_gpu():
            reasons[rival.name] = usable_gpu()
        if rival.packages and failed is None:
            reasons[rival.name] = "not installed; `make bench-peers` does it"
        for package in rival.packages:
            if failed and package in failed:
                reasons[rival.name] = f"{package} could not be installed: {failed[package]}"
    return reasons
