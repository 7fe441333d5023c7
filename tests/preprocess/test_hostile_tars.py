"""A shard may be a tar that anybody wrote: checking it takes no memory, follows no name and opens nothing."""

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from faces.cache.reader import Cache
from preprocess.faults import find_faults
from tests.helpers.shown import fields, write

SIZES = (2**33, 2**40, 2**60, 2**63, 2**80)


def tar(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as file:
        member = tarfile.TarInfo(name)
        member.type, member.size = kind, len(data)
        for key, value in more.items():
            setattr(member, key, value)
        file.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def header(size: int, kind: bytes = b"0") -> bytes:
    """Of a file whose size is any number."""
    member = tarfile.TarInfo("00000000.raw")
    member.type = kind
    data = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    data[124:136] = b"\x80" + size.to_bytes(11) if size >= 8**11 else b"%011o\0" % size
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)


END = bytes(1024)
NOTES = (header(16, b"x") + b"16 comment=aaaa\n".ljust(512, b"\0")) * 5000
NAMES = (header(16, b"L") + b"bbbbbbbbb".ljust(512, b"\0")) * 5000
SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**60)}
HOSTILE = {
    "above": tar("../../x.raw", data=b"a"),
    "absolute": tar("/etc/x.raw", data=b"a"),
    "link": tar("00000000.raw", tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": tar("00000000.raw", tarfile.LNKTYPE, linkname="/etc/passwd"),
    "device": tar("00000000.raw", tarfile.CHRTYPE, devmajor=1, devminor=5),
    "pipe": tar("00000000.raw", tarfile.FIFOTYPE),
    "size in a note": tar("00000000.raw", data=b"a", pax_headers={"size": str(2**60)}),
    "size that is none": tar("00000000.raw", data=b"a", pax_headers={"size": "x"}),
    "sparse": tar("00000000.raw", data=b"a", pax_headers=SPARSE),
    "notes on notes": NOTES + header(0) + END,
    "names of names": NAMES + header(0) + END,
    "many": header(0) * 20_000 + END,
    "packed": gzip.compress(tar("00000000.raw", data=b"a")),
    **{f"{size:.0e} bytes": header(size) + END for size in SIZES},
    **{f"note of {size:.0e} bytes": header(size, b"x") + END for size in SIZES},
    **{f"name of {size:.0e} bytes": header(size, b"L") + END for size in SIZES},
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write(tmp_path_factory.mktemp("tars") / "cache", [fields(0)])


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tar_is_a_line_of_faults(name: str, cache: Cache) -> None:
    shard = cache.folder / "shards" / cache.description["shards"][0]["name"]
    shard.write_bytes(HOSTILE[name])
    tracemalloc.start()
    faults = [*find_faults(cache.folder)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(faults) == 2, "its hash, and what is in it"
    assert str(shard) in faults[0] and ("sha256" in faults[0] or "bytes" in faults[0])
    assert str(shard) in faults[1] and "\n" not in faults[1]
    assert peak < 20e6
    assert not (cache.folder.parent / "x.raw").exists() and not Path("/etc/x.raw").exists()
