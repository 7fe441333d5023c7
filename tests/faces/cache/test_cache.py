import json
import math
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faces.cache.crops import crop_cure, crop_differences
from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.files import exclusive, write_atomically
from faces.labels import CONTEST, Categories, LabelSet, Number
from faces.storage.documents import write_document

SIZE = 16
SETTINGS = {"codec": "raw", "size": SIZE}
SOURCE = {"folder": "photos", "photos": 10}


def crop(position: int) -> np.ndarray:
    return np.random.default_rng(position).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def photo(position: int, *, rejected: bool = False) -> Sample:
    fields = {
        "key": f"{position:08d}",
        "position": position,
        "image_id": f"{position}.jpg",
        "source": f"images/{position}.jpg",
        "source_sha256": "",
        "person": f"p{position // 2}",
        "mask": position % 3,
        "gender": position % 2,
        "age": float("nan") if position == 3 else 20.0 + 5 * position,
        "status": "rejected" if rejected else "detected",
    }
    if rejected:
        return Sample(fields={**fields, "reason": "broken, badly"}, data=None)
    found = {"height": SIZE, "width": SIZE, "landmarks": None}
    return Sample(fields={**fields, **found}, data=crop(position).tobytes())


def write(
    folder: Path, shards: tuple[int, ...] = (0, 1), settings: dict[str, object] = SETTINGS
) -> CacheWriter:
    writer = CacheWriter(folder, settings=settings, labels=CONTEST, source=SOURCE, shard_count=2)
    for shard in shards:
        writer.write(shard, [photo(p, rejected=p == 7) for p in range(shard * 5, shard * 5 + 5)])
    return writer


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return write(tmp_path / "cache").finish()


def test_round_trip(cache: Cache) -> None:
    assert len(cache) == 9
    assert [*cache.index.position] == [0, 1, 2, 3, 4, 5, 6, 8, 9]
    rows = np.array([8, 0, 4])
    for row, view in zip(rows, cache.encoded(rows), strict=True):
        np.testing.assert_array_equal(view, crop(cache.index.position[row]))
        assert not view.flags.writeable
    assert cache.labels("mask").tolist() == [0, 1, 2, 0, 1, 2, 0, 2, 0]
    assert cache.labels("age3").tolist() == [0, 0, 1, -1, 1, 1, 1, 2, 2]
    [reject] = cache.rejects.to_dict("records")
    assert (reject["position"], reject["image_id"], reject["reason"]) == (7, "7.jpg", "broken, badly")


def test_resumed_cache_is_byte_identical_and_finishing_twice_changes_nothing(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    write(whole).finish()
    killed = tmp_path / "killed"
    assert write(killed, shards=(1,)).pending() == [0]
    (killed / "shards" / "00000.tar.tmp").write_bytes(b"half a shard")
    assert write(killed, shards=(0,)).pending() == []
    write(killed, shards=()).finish()
    assert content(killed) == content(whole)
    again = write(whole, shards=())
    assert again.finished
    assert again.pending() == []
    again.finish()
    assert content(whole) == content(killed)


def test_other_tools_read_the_shards(cache: Cache) -> None:
    shard = cache.folder / "shards" / "00000.tar"
    with tarfile.open(shard) as tar:
        assert tar.getnames()[:2] == ["00000000.rgb", "00000000.json"]
        member = tar.extractfile("00000003.json")
        assert member is not None
        assert json.load(member)["age"] is None
    made = shard.with_suffix(".made")
    subprocess.run([sys.executable, "-m", "wds2idx", str(shard), str(made)], check=True, capture_output=True)
    assert made.read_text() == shard.with_suffix(".idx").read_text()


def test_unfinished_and_foreign_caches_are_refused(tmp_path: Path, cache: Cache) -> None:
    with pytest.raises(CacheError, match="no such cache"):
        Cache.open(tmp_path / "nowhere")
    write(tmp_path / "half", shards=(0,))
    with pytest.raises(CacheError, match="unfinished"):
        Cache.open(tmp_path / "half")
    with pytest.raises(CacheError, match=r"still to be written"):
        write(tmp_path / "half", shards=()).finish()
    path = cache.folder / "cache.json"
    write_document(path, {**cache.description, "version": 99})
    with pytest.raises(CacheError, match="format version 99"):
        Cache.open(cache.folder)


def test_damage_is_found(cache: Cache) -> None:
    shard = cache.folder / "shards" / "00001.tar"
    good = shard.read_bytes()
    shard.write_bytes(good[:-1])
    with pytest.raises(CacheError, match=r"00001.tar: shard is truncated"):
        Cache.open(cache.folder)
    shard.write_bytes(bytes([good[0] ^ 1]) + good[1:])
    with pytest.raises(CacheError, match=r"00001.tar: content differs from its recorded sha256"):
        Cache.open(cache.folder)
    shard.unlink()
    with pytest.raises(CacheError, match="missing"):
        Cache.open(cache.folder)


def test_other_settings_are_refused_with_the_keys(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"settings.size: 16 there, 32 now"):
        write(cache.folder, settings={**SETTINGS, "size": 32})
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="not empty and not a cache"):
        write(stranger)
    assert [p.name for p in stranger.iterdir()] == ["holiday.jpg"]


def test_full_disk_leaves_the_shard_unwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = write(tmp_path / "cache", shards=(0,))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            writer.write(1, [photo(p) for p in range(5, 10)])
    assert writer.pending() == [1]
    assert not [*writer.folder.rglob("*.tmp")]
    writer.write(1, [photo(p) for p in range(5, 10)])
    assert len(writer.finish()) == 10


def test_all_rejected_is_an_error_with_the_reasons(tmp_path: Path) -> None:
    writer = CacheWriter(tmp_path / "cache", settings=SETTINGS, labels=CONTEST, source=SOURCE, shard_count=1)
    writer.write(0, [photo(p, rejected=True) for p in range(3)])
    with pytest.raises(CacheError, match=r"none of 3 photos could be used.*broken, badly"):
        writer.finish()


def test_own_factors_are_stored_with_the_cache_and_give_its_tasks(tmp_path: Path) -> None:
    helmet = Categories(name="helmet", categories=("on", "off"), words=(("si",), ("no",)))
    tall = Number(name="tall", edges=(160.0,), unit="cm", most=250.0, per="person")
    labels = LabelSet(name="site", factors=(helmet, tall))
    writer = CacheWriter(tmp_path, settings=SETTINGS, labels=labels, source=SOURCE, shard_count=1)
    own = [{"helmet": 1, "tall": 171.5}, {"helmet": -1, "tall": 150.0}, {"helmet": 0, "tall": math.nan}]
    samples = [photo(position, rejected=position == 2) for position in range(3)]
    kept = [{k: v for k, v in s.fields.items() if k not in ("mask", "gender", "age")} for s in samples]
    writer.write(
        0, [Sample(fields={**k, **o}, data=s.data) for k, o, s in zip(kept, own, samples, strict=True)]
    )
    cache = Cache.open(writer.finish().folder)
    assert cache.label_set == labels
    assert cache.labels("helmet*tall").tolist() == [3, -1]
    assert cache.known("tall").tolist() == [True, True] and cache.known("helmet").tolist() == [True, False]
    assert cache.labels("tall>=140[150, 165]").tolist() == [2, 1]
    [reject] = cache.rejects.to_dict("records")
    assert reject["helmet"] == 0 and math.isnan(reject["tall"]) and "mask" not in reject


def test_a_cache_of_other_factors_is_not_continued(tmp_path: Path) -> None:
    """Their difference alone is told, not that of the hash that follows them."""
    for name, values in (("one", ("yes", "no")), ("two", ("no", "yes"))):
        labels = LabelSet(name=name, factors=(Categories(name="glasses", categories=values),))
        if name == "one":
            CacheWriter(tmp_path, settings=SETTINGS, labels=labels, source=SOURCE, shard_count=1)
    with pytest.raises(
        CacheError, match=r"\(labels\.glasses: yes, no there, no, yes here\); choose another CACHE"
    ):
        source = {**SOURCE, "fingerprint": "of other labels"}
        CacheWriter(tmp_path, settings=SETTINGS, labels=labels, source=source, shard_count=1)


def test_a_contest_cache_says_nothing_of_its_factors(cache: Cache) -> None:
    assert "labels" not in cache.description
    assert cache.label_set is CONTEST


def test_two_that_write_one_file_at_once_leave_it_whole(tmp_path: Path) -> None:
    """Each writes under a name of its own until it is done."""
    path = tmp_path / "answers"
    contents = [bytes([number]) * 300_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(4):
            assert [*pool.map(lambda data: write_atomically(path, data), contents)] == [None] * 8
            assert path.read_bytes() in contents
    assert [*tmp_path.iterdir()] == [path]


def test_a_folder_is_held_by_one_and_made_if_need_be(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with exclusive(folder, doing="drawing"):
        said = f"^{folder}: another process is drawing; wait until that ends, or choose another folder$"
        for _ in range(2):  # who is refused takes nothing away
            with pytest.raises(ValueError, match=said), exclusive(folder, doing="drawing"):
                pass
    with exclusive(folder):
        pass
    assert not [*folder.iterdir()]


def test_the_cure_of_other_crops_names_the_options_that_differ_and_no_others() -> None:
    today: dict[str, Any] = {
        **{"rules": 2, "detection_rules": 1, "steps": ["mtcnn", "again", "turned"], "min_face": 60},
        **{"size": 64, "margin": 0.25, "clamp": True, "border": "blur", "codec": "jpeg"},
    }
    before = {**today, "steps": ["mtcnn", "again"], "border": "repeat", "codec": "png"}
    del before["clamp"]
    cure = "ARGS='--no-clamp --steps mtcnn again --border repeat'"
    assert crop_cure(before, today, ["codec"]) == cure
    searched = {"detection_rules", "steps", "min_face"}
    as_is = {key: value for key, value in today.items() if key not in searched} | {"faces": "as_is"}
    assert crop_cure(as_is, today, []) == "ARGS='--faces as_is'"
    only = ["faces: 'as_is' there, 'best' here"]
    assert crop_differences(as_is, today, [], ("there", "here")) == only
    back = "ARGS='--faces best --steps mtcnn again turned --min-face 60'"
    assert crop_cure(today, as_is, []) == back
    assert "ARGS" not in crop_cure({**before, "rules": 1}, today, [])
