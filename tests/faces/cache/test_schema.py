"""What a cache says of itself: every field is checked, and nothing in it names a file that is not its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from faces.cache.description import CacheError, file_sha256, read_plan
from faces.cache.reader import Cache
from faces.storage import documents
from faces.storage.documents import write_document
from tests.helpers.crops import SIZE, with_index, write_cache

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("caches") / "whole", "raw")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return write_cache(tmp_path / "cache", "raw")


def described(whole: Cache, edit: Edit) -> dict[str, Any]:
    description: dict[str, Any] = json.loads(json.dumps(whole.description))
    edit(description)
    return description


def refused(folder: Path) -> str:
    with pytest.raises(CacheError) as caught:
        Cache.open(folder)
    line = str(caught.value)
    assert "\n" not in line and line.isprintable() and line.endswith(f"delete {folder} and preprocess again")
    return line.removesuffix(f"; delete {folder} and preprocess again")


def part(**changed: object) -> dict[str, object]:
    return {"name": "a", "shards": 1, "prefix": "", "shift": 0, "lacks": [], **changed}


CASES: dict[str, tuple[Edit, str]] = {
    "no samples": (lambda d: d.pop("samples"), "samples is missing; expected a whole number"),
    "text": (lambda d: d.update(samples="37"), 'samples: "37" is text, expected a whole number; leave out'),
    "a boolean": (lambda d: d.update(samples=True), "samples: true is a boolean"),
    "no sample": (lambda d: d.update(samples=0), "samples: 0, must be 1 or more"),
    "other counts": (lambda d: d.update(samples=36), "samples: 36, though status counts 37"),
    "beyond": (
        lambda d: d.update(samples=2**40, status={"detected": 2**40}),
        f"samples: {2**40}, more than shards of ",
    ),
    "negative": (lambda d: d["status"].update(x=-1), "status of 'x': -1, must be 0 or more"),
    "no version": (lambda d: d.pop("version"), "version is missing"),
    "version": (lambda d: d.update(version="1"), 'version: "1" is text'),
    "another key": (lambda d: d.update(sealed="x"), "unknown setting 'sealed'"),
    "settings": (lambda d: d.update(settings=[]), "settings: [] is a list of 0, expected a table"),
    "size 0": (lambda d: d["settings"].update(size=0), "settings: size: 0, must be from 16 to 2048"),
    "size": (lambda d: d["settings"].update(size=4096), "settings: size: 4096, must be from 16 to 2048"),
    "no size": (lambda d: d["settings"].pop("size"), "settings: size is missing"),
    "codec": (
        lambda d: d["settings"].update(codec="gif"),
        'codec: "gif" is unknown, expected jpeg, png or raw',
    ),
    "jpeg alpha": (
        lambda d: d["settings"].update(codec="jpeg", background="alpha"),
        "codec: 'jpeg', though background is 'alpha'",
    ),
    "source": (lambda d: d.update(source=3), "'source' is a table"),
    "photos": (lambda d: d["source"].update(photos=-3), "source: photos: -3, must be 0 or more"),
    "parts": (lambda d: d["source"].update(parts=[part()]), "shards: 2, though the parts of source have 1"),
    "shift": (lambda d: d["source"].update(parts=[part(shift=-1)]), "shift: -1, must be 0 or more"),
    "labels": (lambda d: d.update(labels={"name": "a", "factors": [1]}), "its labels lack a name or factors"),
    "no shards": (lambda d: d.update(shards=[]), "more than shards of 0 bytes can hold"),
    "upwards": (
        lambda d: d["shards"][1].update(name="../../../etc/passwd"),
        "shards[1]: name: '../../../etc/passwd' is no name of a shard",
    ),
    "control": (
        lambda d: d["shards"][1].update(name="\x1b]0;x\x07\x9b2J00001.tar"),
        r"shards[1]: name: '\x1b]0;x\x07\x9b2J00001.tar' is no name",
    ),
    "a line": (lambda d: d["shards"][1].update(name="00001.tar\n"), r"'00001.tar\n' is no name of a shard"),
    "twice": (lambda d: d["shards"][1].update(name="00000.tar"), "'00000.tar' comes after '00000.tar'"),
    "bytes": (lambda d: d["shards"][0].update(bytes=-5), "shards[0]: bytes: -5, must be 1024 or more"),
    "hash": (lambda d: d["shards"][0].update(sha256="A" * 64), "is no sha256 of 64 hex digits"),
    "no hash": (lambda d: d["shards"][0].pop("sha256"), "shards[0].sha256 is missing"),
    "files": (lambda d: d["files"].update({"../x": "0" * 64}), "files: '../x' is none of index.parquet, rej"),
    "file": (lambda d: d["files"].update({"rejects.csv": 3}), "files.rejects.csv: 3 is a whole number"),
}


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_a_field_that_cannot_be_is_named_with_its_value_and_the_cure(
    whole: Cache, tmp_path: Path, case: str, sealed: bool
) -> None:
    """Nothing else of the cache is looked at: there is none."""
    edit, said = CASES[case]
    description = described(whole, edit)
    if sealed:
        write_document(tmp_path / "cache.json", description)
    else:
        (tmp_path / "cache.json").write_text(json.dumps(description))
    line = refused(tmp_path)
    assert line.startswith(f"{tmp_path / 'cache.json'}: ") and said in line


@pytest.mark.parametrize("name", ["cache.json", "unfinished.json"])
def test_a_flipped_bit_anywhere_in_a_description_is_noticed(whole: Cache, tmp_path: Path, name: str) -> None:
    plan = {key: whole.description[key] for key in ("version", "settings", "source")}
    description = whole.description if name == "cache.json" else plan
    write_document(tmp_path / name, description)
    good = (tmp_path / name).read_bytes()
    assert read_plan(tmp_path) == description
    for place in range(0, len(good), 7):
        (tmp_path / name).write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(CacheError, match=rf"{name}: .*delete {tmp_path} and preprocess again"):
            read_plan(tmp_path)


def test_what_is_no_table_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, said in (("", "empty"), ("[1]", "holds no table"), ("[" * 10**5, "without end"), ("{", "JSON")):
        (tmp_path / "cache.json").write_text(text)
        assert said in refused(tmp_path)
    monkeypatch.setattr(documents, "MOST_BYTES", 3)
    assert "1 bytes are beyond" not in refused(tmp_path)
    (tmp_path / "cache.json").write_text("{   ")
    assert "4 bytes are beyond any document" in refused(tmp_path)


def test_a_cache_of_before_has_no_seal_and_opens(cache: Cache) -> None:
    before = json.dumps(cache.description, indent=1) + "\n"
    (cache.folder / "cache.json").write_text(before)
    assert Cache.open(cache.folder).description == cache.description


def test_settings_of_other_versions_are_let_pass(cache: Cache) -> None:
    description = described(cache, lambda d: d["settings"].update(of_tomorrow=[1, {"a": None}]))
    write_document(cache.folder / "cache.json", description)
    assert Cache.open(cache.folder).size == SIZE


def test_an_index_of_more_rows_or_bytes_than_told_is_not_unpacked(cache: Cache) -> None:
    """Millions of equal rows pack to some kilobytes."""
    index = cache.folder / "index.parquet"
    for table, said in (
        (
            pa.table({"key": pa.array(np.zeros(5_000_000, np.int8))}),
            "5000000 rows where cache.json counts 37",
        ),
        (
            pa.table({"key": ["x" * 100_000 + str(row) for row in range(37)]}),
            "bytes unpacked are beyond any index",
        ),
    ):
        parquet.write_table(table, index, compression="zstd")
        files = {**cache.description["files"], "index.parquet": file_sha256(index)}
        write_document(cache.folder / "cache.json", {**cache.description, "files": files})
        assert index.stat().st_size < 100_000 and said in refused(cache.folder)


PLACES: dict[str, tuple[dict[str, object], str]] = {
    "beyond": (
        {"offset": 2**62},
        r"\(shard 00000.tar, 6,912 bytes from byte .*its shard ends before that; 37 of 37",
    ),
    "before": ({"offset": -1}, "no crop lies there"),
    "negative": ({"length": -1}, "no crop lies there"),
    "shard": ({"shard": 2}, r"\(shard 2, .*this cache has shards 0 to 1"),
    "no shard": ({"shard": -1}, "this cache has shards 0 to 1"),
    "length": ({"length": 6911}, "raw crops of this cache have 6,912"),
    "codec": ({"codec": "png"}, "its codec is not raw"),
    "text": ({"shard": "../.."}, "column shard of the index holds no whole numbers"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_that_cannot_be_is_named_before_any_byte_is_read(cache: Cache, case: str) -> None:
    changed, said = PLACES[case]
    edited = with_index(cache, cache.index.assign(**changed))  # type: ignore[arg-type]
    for read in (edited.check_places, lambda: edited.image(3), lambda: edited.encoded(np.array([3]))):
        with pytest.raises(CacheError, match=rf"cache: key key-0 .*{said}.*; delete {cache.folder} and"):
            read()


@pytest.mark.parametrize("column", ["key", "position"])
def test_what_occurs_twice_is_named_with_its_shard(cache: Cache, column: str) -> None:
    index = cache.index.copy()
    index.loc[5, column] = index.loc[2, column]
    value = index.loc[5, column]
    with pytest.raises(
        CacheError, match=rf"index.parquet: {column} {value}.* \(shard 0\) occurs more than once"
    ):
        _ = with_index(cache, index).index


def test_a_table_that_vanishes_or_is_damaged_in_use_ends_in_one_line(cache: Cache) -> None:
    path = cache.folder / "index.parquet"
    good = path.read_bytes()
    for data, said in ((good[:-4], "not readable"), (b"", "not readable"), (None, "no such cache any more")):
        path.unlink() if data is None else path.write_bytes(data)
        for read in (Cache.columns, Cache.index.func, Cache.check_places):  # type: ignore[attr-defined]
            with pytest.raises(CacheError, match=said) as caught:
                read(cache)
            assert "\n" not in str(caught.value)
    path.write_bytes(good)
    with pytest.raises(CacheError, match=r"index\.parquet: .*nowhere"):
        cache.columns("nowhere")
    (cache.folder / "rejects.csv").write_text("a,b\n")
    with pytest.raises(CacheError, match=r"rejects\.csv: not readable"):
        _ = cache.rejects


def test_a_crop_of_another_size_is_not_shown(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg", damaged=[4])
    with pytest.raises(
        CacheError, match=r"key key-4 \(shard 00000\.tar, .*: damaged \(image file is truncated"
    ):
        cache.image(4)
    small = Cache(cache.folder, described(cache, lambda d: d["settings"].update(size=32)))
    with pytest.raises(CacheError, match=r"key key-3 .*48 x 48 pixels, not 32 x 32"):
        small.image(3)
    assert isinstance(cache.index, pd.DataFrame) and cache.image(3).shape == (SIZE, SIZE, 3)
