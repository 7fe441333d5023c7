"""Caches: what opens them, what reads their crops, what checks them to the last one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
import pandas as pd
from PIL import Image

from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from preprocess.faults import find_faults
from tests.fuzz.mutate import INTEGERS, mutate
from tests.fuzz.sealing import resealed
from tests.fuzz.structure import changed
from tests.fuzz.target import Case, Target
from tests.fuzz.targets.stored import odd_parquet
from tests.helpers.coloured import coloured_sample
from tests.helpers.pictures import picture

SIZE, CROPS, SHARDS = 16, 6, 2
_FIELDS: Final = {
    0: 100,
    100: 8,
    108: 8,
    116: 8,
    124: 12,
    136: 12,
    148: 8,
    156: 1,
    157: 100,
    257: 8,
    345: 155,
}
"""Where each field of a tar's header lies, and how long it is."""
_CHECKSUM: Final = 148
_DESCRIPTION: Final = "cache.json"


def _files(codec: str) -> dict[str, bytes]:
    """The files of a sound cache, by their paths."""
    samples = []
    for number in range(CROPS):
        pixels = picture(SIZE, SIZE, seed=number)
        data = pixels.tobytes()
        if codec != "raw":
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, codec)
            data = buffer.getvalue()
        drawn = coloured_sample(number, number // 2, number % 3, labelled=True)
        samples.append(Sample(fields={**drawn.fields, "height": SIZE, "width": SIZE}, data=data))
    lost = {**coloured_sample(CROPS, 0, 0, labelled=False).fields, "status": "rejected", "reason": "no JPEG"}
    samples.append(Sample(fields=lost, data=None))
    settings = {"codec": codec, "size": SIZE, "margin": 0.3}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "cache"
        writer = CacheWriter(
            folder, settings=settings, labels=CONTEST, source={"photos": len(samples)}, shard_count=SHARDS
        )
        for shard in writer.pending():
            writer.write(shard, samples[shard::SHARDS])
        writer.finish()
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _odd_header(data: bytes, random: Random) -> bytes:
    """A tar one of whose headers says something else, with the checksum that fits it."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        at = random.choice(tar.getmembers()).offset
    header = bytearray(data[at : at + tarfile.BLOCKSIZE])
    place, length = random.choice([*_FIELDS.items()])
    number = f"{random.choice(INTEGERS):o}".encode()
    odd = (
        number,
        b"../../x",
        b"/etc/passwd",
        b"\x80" + b"\xff" * 11,
        b"",
        random.randbytes(length),
        b"1",
        b"2",
    )
    header[place : place + length] = random.choice(odd)[:length].ljust(length, b"\0")
    if random.random() < 0.9:
        header[_CHECKSUM : _CHECKSUM + 8] = b" " * 8
        header[_CHECKSUM : _CHECKSUM + 8] = b"%06o\0 " % sum(header)
    return data[:at] + bytes(header) + data[at + tarfile.BLOCKSIZE :]


def _damaged(name: str, data: bytes, random: Random) -> bytes:
    if name == _DESCRIPTION and random.random() < 0.6:
        return resealed(json.dumps(changed(json.loads(data), random), indent=1).encode())
    if name.endswith(".parquet") and random.random() < 0.5:
        return odd_parquet(pd.read_parquet(io.BytesIO(data)), random)
    if name.endswith(".tar") and random.random() < 0.5:
        return _odd_header(data, random)
    return resealed(mutate(data, [data], random))


def _mended(files: dict[str, bytes]) -> bytes:
    """The description of these files, with the sizes and hashes that they have."""
    table = json.loads(files[_DESCRIPTION])
    for shard in table["shards"]:
        data = files[f"shards/{shard['name']}"]
        shard |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    for name in table["files"]:
        table["files"][name] = hashlib.sha256(files[name]).hexdigest()
    return resealed((json.dumps(table, indent=1) + "\n").encode())


def caches() -> Target:
    """`Cache.open` and what it gives, and `find_faults`. The first part of a case's name is the codec."""
    sound = {codec: _files(codec) for codec in ("jpeg", "raw")}

    def make(random: Random) -> Case:
        codec = random.choice([*sound])
        # What describes the others, and the table, can lie in more ways than a tar.
        names = [*sound[codec], _DESCRIPTION, _DESCRIPTION, "index.parquet"]
        name = random.choice(names)
        return Case(f"{codec}/{name}", _damaged(name, sound[codec][name], random))

    def read(case: Case, folder: Path) -> None:
        codec, _, name = case.file.partition("/")
        files = {**sound[codec], name: case.data}
        if name != _DESCRIPTION:
            files[_DESCRIPTION] = _mended(files)
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        _check(folder)
        _use(folder)

    return Target(make=make, read=read, refuses=(CacheError,))


def _check(folder: Path) -> None:
    """What is wrong with a cache is told in lines, never raised."""
    try:
        lines = [*find_faults(folder)]
    except Exception as error:
        raise AssertionError(f"find_faults raised {type(error).__name__}: {error}") from error
    for line in lines:
        assert str(folder) in line, f"names no file of the cache: {line}"


def _use(folder: Path) -> None:
    """What every stage does with a cache."""
    cache = Cache.open(folder)
    crops = cache.encoded(np.arange(len(cache)))
    assert len(crops) == len(cache.index) == len(cache.photos())
    if cache.codec == "raw":
        assert {crop.shape for crop in crops} <= {(cache.size, cache.size, cache.channels)}
    assert len(cache.rejects) >= 0
    assert cache.identity
