"""Photos of several people: the one that each is about, or everybody."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.data import astronaut

from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from preprocess.detect.search import Finder
from preprocess.faults import find_faults
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from tests.helpers.extras import joined
from tests.helpers.pictures import group, picture, save
from tests.helpers.shown import fields, write
from tests.helpers.stage1 import content, small

SEARCH = {"min_face": 30, "size": 32, "codec": "raw", "steps": ("mtcnn",)}
"""The astronaut's face in a group is 50 to 115 pixels high."""
CENTRES = np.array([(213.5, 138), (430.4, 102.5), (-5.3, 91)])
"""Of the faces in `group`, in the order of their weight."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of a group, a portrait and a photo of nobody, each of a person and labelled."""
    folder = tmp_path_factory.mktemp("several") / "data"
    save(folder / "group.png", group())
    save(folder / "one.png", astronaut()[:256, 110:330])
    save(folder / "zero.png", picture(90, 120))
    table = {"path": ["group.png", "one.png", "zero.png"], "person": ["a", "b", "c"], "age": [30, 40, 50]}
    pd.DataFrame({**table, "mask": "normal", "gender": "female"}).to_csv(folder / "all.csv", index=False)
    return folder / "all.csv"


def settings(data: Path, cache: Path, faces: str = "all", **changed: object) -> PreprocessSettings:
    return small(data, cache, faces=faces, **{**SEARCH, **changed})


@pytest.fixture(scope="module")
def every(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return preprocess(settings(data, tmp_path_factory.mktemp("every") / "caches" / "every"))


def test_every_face_is_a_row_with_its_own_place_and_crop(every: Cache) -> None:
    rows = every.index.sort_values(["position", "face"], ignore_index=True)
    assert rows.source.tolist() == ["group.png"] * 3 + ["one.png", "zero.png"]
    assert rows.key.tolist() == ["00000000", "00000000-1", "00000000-2", "00000001", "00000002"]
    assert rows.image_id.tolist() == ["group.png#1", "group.png#2", "group.png#3", "one.png", "zero.png"]
    assert rows.face.tolist() == [0, 1, 2, 0, 0] and rows.faces.tolist() == [3, 3, 3, 1, 0]
    boxes = np.array(rows.face_box[:3].tolist())
    np.testing.assert_allclose((boxes[:, :2] + boxes[:, 2:]) / 2, CENTRES, atol=4)
    crops = np.array(rows.crop_box[:3].tolist())
    assert (crops[:, :2] >= 0).all() and (crops[:, 2:] <= (540, 300)).all()
    assert len({every.encoded(np.array([row]))[0].tobytes() for row in range(len(every))}) == 5
    assert (rows.true_pixels == 1).all() and (rows.turned == 0).all()
    assert [*find_faults(every.folder)] == []


def test_the_labels_of_a_photo_are_those_of_the_face_it_is_about(every: Cache) -> None:
    rows = every.index.sort_values(["position", "face"], ignore_index=True)
    assert rows.person.tolist() == ["a", "", "", "b", "c"]
    assert rows["mask"].tolist() == [2, -1, -1, 2, 2] and rows.gender.tolist() == [1, -1, -1, 1, 1]
    assert rows.age.fillna(-1).tolist() == [30, -1, -1, 40, 50]


def test_half_a_face_is_kept_with_its_share_of_the_photo(data: Path, tmp_path: Path) -> None:
    cache = preprocess(settings(data, tmp_path / "cache", clamp=False))
    rows = cache.index[cache.index.source == "group.png"].sort_values("face", ignore_index=True)
    left, top, right, _ = rows.crop_box[2]
    assert left < 0 < top and rows.true_pixels[2] == pytest.approx(right / (right - left), abs=1e-4)
    assert 0.1 < rows.true_pixels[2] < 0.6 and (rows.true_pixels[:2] == 1).all()
    assert [*find_faults(cache.folder)] == []


def test_best_is_the_first_of_all_and_takes_its_place_over_to_the_byte(
    every: Cache, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = preprocess(settings(data, tmp_path / "best", "best"))
    first = every.index[every.index.face == 0]
    names = [name for name in first if name not in ("image_id", "offset")]
    pd.testing.assert_frame_equal(fresh.index[names], first[names].reset_index(drop=True))
    for row, other in enumerate(first.index):
        crops = fresh.encoded(np.array([row])), every.encoded(np.array([other]))
        assert crops[0][0].tobytes() == crops[1][0].tobytes()
    monkeypatch.setattr(Finder, "first", lambda *_: pytest.fail("searched again"))
    preprocess(settings(data, every.folder.parent / "best", "best"))
    assert content(every.folder.parent / "best") == content(fresh.folder)


def test_half_a_face_does_not_end_the_search_for_a_turned_one(tmp_path: Path) -> None:
    """Of which nothing is known where the best is searched: both must find the same."""
    pixels = np.full((420, 420, 3), 120, np.uint8)
    pixels[:300, :100] = group()[:, :100]
    pixels[100:400, 110:410] = astronaut()[:300, 80:380][::-1, ::-1]
    found = {}
    for faces in ("all", "best"):
        finder = Finder(settings(tmp_path, Path("cache"), faces, steps=("mtcnn", "turned")))
        [found[faces]] = finder([pixels])
    assert found["all"] == found["best"] and found["all"][0].turned == 180
    [half] = Finder(settings(tmp_path, Path("cache")))([np.ascontiguousarray(pixels[:300, :100])])[0]
    assert half.is_half(300, 100) and half.score > 0.99


def test_best_is_not_taken_for_all(data: Path, every: Cache, tmp_path: Path) -> None:
    preprocess(settings(data, tmp_path / "caches" / "best", "best"))
    preprocess(settings(data, tmp_path / "caches" / "every"))
    assert content(tmp_path / "caches" / "every") == content(every.folder)


def test_a_stopped_run_goes_on_to_the_same_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = preprocess(settings(data, tmp_path / "whole", shard_size=1))
    write_shard = CacheWriter.write

    def stop(self: CacheWriter, shard: int, samples: list) -> None:
        if shard:
            raise KeyboardInterrupt
        write_shard(self, shard, samples)

    with monkeypatch.context() as patch:
        patch.setattr(CacheWriter, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            preprocess(settings(data, tmp_path / "stopped" / "cache", shard_size=1))
    preprocess(settings(data, tmp_path / "stopped" / "cache", shard_size=1))
    assert content(tmp_path / "stopped" / "cache") == content(whole.folder)
    before = content(whole.folder)
    preprocess(settings(data, whole.folder, shard_size=1))
    assert content(whole.folder) == before


def test_caches_of_every_face_and_of_the_best_can_be_joined(every: Cache, data: Path, tmp_path: Path) -> None:
    best = preprocess(settings(data, tmp_path / "best", "best"))
    for name, caches in (("one", (every, best)), ("other", (best, every))):
        both = joined(tmp_path / name, *caches)
        assert [*find_faults(both.folder)] == []
        assert len(both) == 8 and both.index.key.is_unique
        assert not both.index.duplicated(["position", "face"]).any()
        assert both.description["source"]["photos"] == 6


def test_a_cache_of_before_joins_one_of_several_faces(tmp_path: Path) -> None:
    old = write(tmp_path / "old", [fields(0), fields(1, crop_box=[-50.0, 0.0, 150.0, 200.0])])
    own = [{"face": n, "key": f"new-{n}", "true_pixels": 1.0, "turned": 0} for n in range(3)]
    both = joined(tmp_path / "both", old, write(tmp_path / "new", [fields(7, **each) for each in own]))
    assert both.index.face.tolist() == [0, 0, 0, 1, 2] and (both.index.turned == 0).all()
    assert both.index.true_pixels.tolist() == [1, 150 * 100 / 200**2, 1, 1, 1]
    assert [*find_faults(both.folder)] == []


def test_the_summary_counts_photos_and_says_whose_the_labels_are(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    preprocess(settings(data, tmp_path / "cache"))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3 photos in ")
    assert "       2  66.7%  with a face (normal 2/3 = 66.7%)" in lines
    assert "              2 by mtcnn" in lines, "photos, not faces"
    assert (
        "       2 further faces of these photos, without labels: a photo's are those of its first face; "
        "to label each face, give boxes of Pascal VOC (docs/layouts.md)" in lines
    )
    assert any(line.startswith("labelled: mask 3, gender 3, age 3 of 5 crops") for line in lines)
    save(tmp_path / "unknown" / "group.png", group())
    preprocess(settings(tmp_path / "unknown", tmp_path / "to-answer"))
    assert "       2 further faces of these photos" in capsys.readouterr().out.splitlines()


OBJECT = "<object><name>{}</name><bndbox>{}</bndbox></object>"


def test_boxes_that_the_source_gives_are_taken_as_they_are(tmp_path: Path) -> None:
    """Each with its own label, whatever faces are wanted; nothing is searched beside them."""
    save(tmp_path / "data" / "images" / "group.png", group())
    boxes = {"with_mask": (175, 80, 250, 190), "without_mask": (380, 60, 440, 140)}
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = [
        OBJECT.format(name, "".join(f"<{side}>{v}</{side}>" for side, v in zip(sides, corners, strict=True)))
        for name, corners in boxes.items()
    ]
    (tmp_path / "data" / "annotations").mkdir()
    text = f"<annotation><filename>group.png</filename>{''.join(objects)}</annotation>"
    (tmp_path / "data" / "annotations" / "group.xml").write_text(text)
    caches = [preprocess(settings(tmp_path / "data", tmp_path / faces, faces)) for faces in ("all", "best")]
    pd.testing.assert_frame_equal(caches[0].index, caches[1].index)
    assert caches[0].index["mask"].tolist() == [0, 2] and (caches[0].index.face == 0).all()
    assert {*caches[0].index.image_id} == {"images/group.png#1", "images/group.png#2"}


def test_a_table_that_wants_one_answer_a_photo_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "data" / "images" / "a.png", picture(19, 18))
    (tmp_path / "data" / "info.csv").write_text("ImageID,ans\na.png,0\n")
    with pytest.raises(ValueError, match=r"faces=all: .*data asks for one answer a photo; leave --faces out"):
        preprocess(settings(tmp_path / "data", tmp_path / "cache"))


def test_photos_that_are_crops_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Finder, "first", lambda *_: pytest.fail("searched"))
    wide = save(tmp_path / "data" / "wide.png", picture(90, 120))
    cache = preprocess(settings(wide.parent, tmp_path / "cache", "as_is", size=90))
    [row] = cache.index.to_dict("records")
    assert (row["detector"], row["status"], row["face"], row["turned"]) == ("as_is", "detected", 0, 0)
    assert [*row["face_box"]] == [0, 0, 120, 90] and [*row["crop_box"]] == [15, 0, 105, 90]
    assert row["true_pixels"] == 1 and row["image_id"] == "wide.png"
    np.testing.assert_array_equal(cache.image(0), picture(90, 120)[:, 15:105])
    assert [*find_faults(cache.folder)] == []
