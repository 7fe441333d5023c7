"""Published sets of photos and labels of people's own, from their folder to a sound cache."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from faces.labelling.kept import labels_text
from preprocess.detect.search import Finder, Found
from preprocess.engines import start
from preprocess.faults import find_faults
from preprocess.labels import LabelsSettings, propose
from preprocess.run import preprocess as run
from preprocess.sources.scan import propose_labels, scan
from tests.helpers import published
from tests.helpers.pictures import picture, save
from tests.helpers.stage1 import content, small

MAKERS = {
    make.__name__: make
    for make in (
        published.masks,
        published.afdb,
        published.maskedface,
        published.utkface,
        published.fairface,
        published.adience,
        published.celeba,
    )
}


@pytest.fixture
def unsearched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nothing is found in any photo; the number of photos of each search."""
    searched: list[int] = []

    def find_nothing(_: Finder, photos: list[np.ndarray]) -> list[Found]:
        searched.append(len(photos))
        return [()] * len(photos)

    monkeypatch.setattr(Finder, "first", find_nothing)
    monkeypatch.setattr(Finder, "rest", lambda _, photos, faces: faces)
    return searched


@pytest.mark.usefixtures("unsearched")
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_cache_has_the_labels_people_and_parts_of_its_source(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    data = make(tmp_path / "data")
    proposed, _ = propose_labels(data)
    assert proposed is not None
    (data / "labels.toml").write_text(labels_text(proposed))
    listing = scan(data)
    cache = run(small(data, tmp_path / "cache", shard_size=2))
    assert [*find_faults(tmp_path / "cache")] == []
    assert cache.label_set.factors == proposed.factors and cache.rejects.empty
    index = cache.index.sort_values("position").reset_index(drop=True)
    same = ["position", "image_id", "source", "person", *proposed.names, *({"split"} & {*listing.photos})]
    pd.testing.assert_frame_equal(index[same], listing.photos[same])
    assert ("split" in index) == (make.__name__ in ("fairface", "adience", "celeba"))
    assert cache.description["source"]["layout"] == listing.layout
    assert (index[[*proposed.names]].notna() & (index[[*proposed.names]] != -1)).any().all()


def test_faces_whose_boxes_are_given_are_cut_without_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Finder, "first", lambda *_: pytest.fail("searched"))
    data = published.masks(tmp_path / "data")
    cache = run(small(data, tmp_path / "cache", codec="raw", margin=0, size=20))
    rows = cache.index.set_index("image_id")
    assert [*rows.status.unique()] == ["detected"] and [*rows.detector.unique()] == ["given"]
    assert (rows.score == 1).all() and [*rows.landmarks] == [None] * 3
    assert [rows.faces[f"images/{name}"] for name in ("a.png#1", "a.png#2", "b.png#1")] == [2, 2, 1]
    assert [*rows.face_box["images/a.png#1"]] == [0, 0, 10, 10]
    assert rows.key.is_unique and rows.position.is_unique
    # The box is as wide as the crop, whose centre lies a twentieth of a side higher: a copy of the pixels.
    at = int(np.flatnonzero(cache.index.image_id == "images/a.png#2")[0])
    pixels = np.asarray(Image.open(data / "images" / "a.png"))
    np.testing.assert_array_equal(cache.image(at)[:, :10], pixels[9:29, 20:30])


def test_faces_of_given_boxes_and_found_faces_are_not_mixed_up(tmp_path: Path, unsearched: list[int]) -> None:
    data = published.masks(tmp_path / "data")
    alone = run(small(data, tmp_path / "alone" / "boxes"))
    run(small(data, tmp_path / "caches" / "boxes"))
    run(small(data / "images", tmp_path / "caches" / "plain"))
    assert sum(unsearched) == 2, "given boxes are none that a search found"
    again = run(small(data, tmp_path / "caches" / "again"))
    assert again.identity == alone.identity, "nor are those of a search taken where boxes are given"


def test_a_box_outside_of_its_picture_is_a_reject_that_stays_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    things = [("with_mask", 1, 1, 41, 31), ("with_mask", 30, 1, 60, 10), ("with_mask", 9, 9, 8, 20)]
    data = published.voc(tmp_path / "data", {"a": things, "b": [("without_mask", 1, 1, 9, 9)]})

    def stopped(*_: object) -> Cache:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CacheWriter, "finish", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(small(data, tmp_path / "cache"))
    monkeypatch.setattr(start, "run_shards", lambda *_: pytest.fail("done again"))
    cache = run(small(data, tmp_path / "cache"))
    assert [*cache.index.sort_values("position").image_id] == ["images/a.png#1", "images/b.png#1"]
    assert [*cache.rejects.reason] == [
        "box outside of the picture: images/a.png#2 is from 29, 0 to 60, 10 in 40 x 30",
        "empty box: a.xml, object 3 (with_mask) is from 9, 9 to 8, 20",
    ]
    assert [*cache.rejects["mask"]] == [0, 0]


def test_a_resumed_run_of_several_faces_a_photo_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = published.masks(tmp_path / "data")
    run(small(data, tmp_path / "whole", shard_size=1))
    write = CacheWriter.write

    def stop_at_the_last(self: CacheWriter, shard: int, samples: list) -> None:
        if shard == 2:
            raise KeyboardInterrupt
        write(self, shard, samples)

    with monkeypatch.context() as patch:
        patch.setattr(CacheWriter, "write", stop_at_the_last)
        with pytest.raises(KeyboardInterrupt):
            run(small(data, tmp_path / "stopped", shard_size=1))
    run(small(data, tmp_path / "stopped", shard_size=1))
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")
    assert len(run(small(data, tmp_path / "stopped", shard_size=1))) == 3, "and is found finished"


def test_given_boxes_have_no_landmarks_to_align_by(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"align: .*boxes, without the landmarks that are needed; leave"):
        run(small(published.masks(tmp_path / "data"), tmp_path / "cache", align=True))
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("unsearched")
def test_another_label_file_is_refused_with_the_factor_and_both_sides(tmp_path: Path) -> None:
    data = published.photos(tmp_path / "data", "happy/a.png", "sad/b.png")
    file = tmp_path / "mine.toml"
    file.write_text('emotion = ["happy", "sad"]\n')
    run(small(data, tmp_path / "cache", labels=file))
    before = content(tmp_path / "cache")
    file.write_text('emotion = ["sad", "happy"]\n')
    with pytest.raises(
        ValueError, match=r"labels.emotion: happy, sad there, sad, happy here.*choose another"
    ):
        run(small(data, tmp_path / "cache", labels=file))
    assert content(tmp_path / "cache") == before


def test_a_person_of_two_values_stops_the_run_unless_corrected(tmp_path: Path, unsearched: list[int]) -> None:
    data = published.photos(tmp_path / "data", "a.png", "b.png")
    (data / "t.csv").write_text("path,person,gender\na.png,p,male\nb.png,p,female\n")
    with pytest.raises(
        ValueError, match=r"person p has two values of gender, male in a.png and female in b.png"
    ):
        run(small(data / "t.csv", tmp_path / "cache"))
    assert not (tmp_path / "cache").exists() and unsearched == []
    (data / "corrections.csv").write_text("path,column,value,why\nb.png,gender,male,asked\n")
    assert [*run(small(data / "t.csv", tmp_path / "cache")).index.gender] == [0, 0]


def test_a_run_says_what_it_does_not_take(
    tmp_path: Path, unsearched: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    data = published.photos(tmp_path / "data", "a.png", "b.png")
    (data / "t.csv").write_text("path,person,mask,glasses\na.png,p,wear,yes\nb.png,q,normal,no\n")
    cache = run(small(data / "t.csv", tmp_path / "cache"))
    assert "glasses" not in cache.index and unsearched
    shown = capsys.readouterr().out
    assert 'mask = "contest"\nglasses = ["no", "yes"]\n' in shown and "OUT=labels.toml" in shown


def test_a_proposal_is_printed_and_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = published.celeba(tmp_path / "data")
    out = tmp_path / "labels.toml"
    propose(LabelsSettings(data=data))
    shown = capsys.readouterr().out
    assert (
        'gender = "contest"\n' in shown
        and "Eyeglasses" not in shown
        and 'eyeglasses = ["no", "yes"]' in shown
    )
    propose(LabelsSettings(data=data, out=out))
    assert out.read_text() == shown
    with pytest.raises(ValueError, match=r"labels.toml: is there already; name another file, or remove it"):
        propose(LabelsSettings(data=data, out=out))
    assert out.read_text() == shown


def test_where_nothing_may_be_a_label_none_is_proposed(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(9, 9))
    with pytest.raises(ValueError, match="no column, folder or object that may be a label"):
        propose(LabelsSettings(data=tmp_path))
