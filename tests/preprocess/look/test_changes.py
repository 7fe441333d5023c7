"""What changed since a cache was begun is said in words, and another cache beside it takes over the faces."""

import json
from pathlib import Path

import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from preprocess.run import preprocess
from tests.helpers.pictures import picture, save
from tests.helpers.stage1 import small

WORDS = ["mask", "mask", "no mask", "no mask", "mask", "no mask"]


def table(folder: Path, words: list[str] = WORDS, names: list[str] | None = None, **more: object) -> Path:
    """A table of photos with whether a mask is worn, and the photos."""
    names = names or [f"{number}.png" for number in range(len(words))]
    for number, name in enumerate(names):
        save(folder / name, picture(19, 18, seed=number))
    path = folder / "photos.csv"
    pd.DataFrame({"path": names, "mask": words, "gender": "female", **more}).to_csv(path, index=False)
    return path


def error(data: Path, cache: Path) -> str:
    with pytest.raises(ValueError) as caught:
        preprocess(small(data, cache, shard_size=2))
    return str(caught.value)


CURE = "; give another CACHE beside it, which takes over the faces (seconds), or delete this one"


def test_labels_that_changed_are_counted_with_the_first_of_each(tmp_path: Path) -> None:
    cache = tmp_path / "caches" / "a"
    preprocess(small(table(tmp_path), cache, shard_size=2))
    before = {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}
    other = ["mask", "no mask", "no mask", "mask", "mask", ""]
    assert error(table(tmp_path, other), cache) == (
        f"{cache}: since it was begun, the labels of 3 photos changed (mask of 3, the first 1.png: wear "
        "there, normal now)" + CURE
    )
    two = error(table(tmp_path, ["no mask", *WORDS[1:]], gender=["male", "male", *["female"] * 4]), cache)
    assert two == (
        f"{cache}: since it was begun, the labels of 2 photos changed (mask of 1, the first 0.png: wear "
        "there, normal now; gender of 2, the first 0.png: female there, male now)" + CURE
    )
    assert before == {path: path.read_bytes() for path in cache.rglob("*") if path.is_file()}


def test_photos_that_are_new_gone_or_in_another_order_are_named(tmp_path: Path) -> None:
    cache = tmp_path / "caches" / "a"
    preprocess(small(table(tmp_path), cache, shard_size=2))
    names = ["0.png", "1.png", "2.png", "a.png", "b.png", "5.png", "c.png"]
    assert error(table(tmp_path, [*WORDS, "mask"], names), cache) == (
        f"{cache}: since it was begun, 3 photos are new (the first a.png), and 2 photos are gone (the first "
        "3.png)" + CURE
    )
    turned = error(table(tmp_path, WORDS[::-1], [f"{number}.png" for number in range(6)][::-1]), cache)
    assert turned == f"{cache}: since it was begun, the photos come in another order{CURE}"


def test_a_reject_is_compared_too(tmp_path: Path) -> None:
    cache, data = tmp_path / "caches" / "a", table(tmp_path)
    (tmp_path / "1.png").write_bytes(b"no photo")
    preprocess(small(data, cache, shard_size=2))
    words = ["mask", "no mask", *WORDS[2:]]
    pd.DataFrame({"path": [f"{n}.png" for n in range(6)], "mask": words, "gender": "female"}).to_csv(
        data, index=False
    )
    assert "mask of 1, the first 1.png: wear there, normal now" in error(data, cache)


def test_an_unfinished_cache_tells_what_it_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, data = tmp_path / "caches" / "a", table(tmp_path)
    whole = CacheWriter.write

    def two_shards(self: CacheWriter, shard: int, samples: object) -> None:
        if shard == 2:
            raise KeyboardInterrupt
        whole(self, shard, samples)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(CacheWriter, "write", two_shards)
        with pytest.raises(KeyboardInterrupt):
            preprocess(small(data, cache, shard_size=2))
    parts = pd.concat(map(pd.read_parquet, (cache / "parts").glob("*.parquet")))
    done = [*parts.position.sort_values()]
    assert len(done) == 4
    [waiting, _] = sorted({*range(6)} - {*done})

    def flipped(position: int) -> list[str]:
        flip = {"mask": "no mask", "no mask": "mask"}
        return [flip[word] if number == position else word for number, word in enumerate(WORDS)]

    assert f"mask of 1, the first {done[0]}.png: " in error(table(tmp_path, flipped(done[0])), cache)
    assert error(table(tmp_path, flipped(waiting)), cache) == (
        f"{cache}: since it was begun, the labels of photos that were not done yet changed{CURE}"
    )
    names = ["z.png" if number == waiting else f"{number}.png" for number in range(6)]
    assert error(table(tmp_path, WORDS, names), cache) == (
        f"{cache}: since it was begun, photos that were not done yet changed{CURE}"
    )
    assert len(preprocess(small(table(tmp_path), cache, shard_size=2))) == 6


@pytest.mark.parametrize("name", ["cache.json", "unfinished.json"])
def test_a_damaged_description_is_named(tmp_path: Path, name: str) -> None:
    cache = tmp_path / "caches" / "a"
    cache.mkdir(parents=True)
    (cache / name).write_text("{")
    assert error(table(tmp_path), cache).startswith(f"{cache / name}: not readable as JSON (")


def test_a_cache_of_before_is_the_same(tmp_path: Path) -> None:
    """It knows one hash of its photos and labels, and none of their names."""
    cache, data = tmp_path / "caches" / "a", table(tmp_path)
    preprocess(small(data, cache, shard_size=2))
    path = cache / "cache.json"
    description = json.loads(path.read_text())
    assert {*description["source"]} == {"folder", "layout", "photos", "fingerprint", "names"}
    del description["source"]["names"], description["seal"]
    path.write_text(json.dumps(description))
    assert len(preprocess(small(data, cache, shard_size=2))) == 6
    assert "the labels of 1 photo changed" in error(table(tmp_path, ["no mask", *WORDS[1:]]), cache)


def test_another_cache_beside_it_takes_over_the_faces(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = preprocess(small(table(tmp_path), tmp_path / "caches" / "a"))
    capsys.readouterr()
    second = preprocess(small(table(tmp_path, ["no mask", *WORDS[1:]]), tmp_path / "caches" / "b"))
    assert "6 100.0%  searched before: their faces are taken over" in capsys.readouterr().out
    assert second.labels("mask").tolist() != first.labels("mask").tolist()
    columns = ["source_sha256", "status", "length"]
    pd.testing.assert_frame_equal(first.index[columns], second.index[columns])
    assert Cache.open(first.folder).identity == first.identity
