"""Caches joined to one: the same crops under unique keys, sound to the last byte, and usable as any other."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.folds import EXTRA, SPLIT
from pipeline.damage import FileGuard
from preprocess import join_caches
from preprocess.faults import find_faults
from preprocess.join import JoinSettings
from tests.helpers.crops import collect, loader, write_cache
from tests.helpers.extras import joined, write_extra
from tests.helpers.own_labels import OWN, write_own
from tests.helpers.shown import fields, page_of, write
from tests.helpers.stage1 import content


@pytest.fixture
def two(make_cache: Callable[..., Cache]) -> tuple[Cache, Cache]:
    """12 labelled photos, and 6 others with a reject."""
    return make_cache("a", people=4), make_cache("b", people=2, labelled=False, rejects=1)


def test_a_joined_cache_is_sound_and_has_every_crop_and_reject_once(
    two: tuple[Cache, Cache], tmp_path: Path
) -> None:
    all_ = joined(tmp_path / "all", *two)
    assert [*find_faults(all_.folder)] == []
    assert (len(all_), len(all_.rejects)) == (18, 1)
    assert not {*all_.index["position"]} & {*all_.rejects["position"]}
    assert all_.index["position"].is_unique and all_.index["key"].is_unique
    assert all_.description["status"] == {"detected": 16, "fallback": 2, "rejected": 1}
    assert (all_.index[EXTRA] == "").all()


def test_what_works_on_caches_works_on_a_joined_one(two: tuple[Cache, Cache], tmp_path: Path) -> None:
    all_ = joined(tmp_path / "all", *two)
    FileGuard(all_).check()
    all_.check_places()
    assert page_of(all_).number("crops") == "18"
    assert [*find_faults(all_.folder)] == []


def test_only_keys_that_an_earlier_cache_has_too_are_changed(
    two: tuple[Cache, Cache], tmp_path: Path
) -> None:
    first, second = two
    keys = joined(tmp_path / "all", *two).index["key"].tolist()
    assert keys[:12] == first.index["key"].tolist()
    assert keys[12:] == [f"b-{key}" for key in second.index["key"]]


@pytest.mark.parametrize("codec", ["jpeg", "raw"])
def test_every_crop_is_loaded_to_the_bits_it_had(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for written in ("write_sheet", "write_data_card"):  # of caches whose index tells no photos
        monkeypatch.setattr(join_caches, written, lambda cache: None)
    caches = [write_cache(tmp_path / name, codec) for name in ("a", "b")]
    all_ = joined(tmp_path / "all", *caches)
    rows = np.arange(len(all_))
    images, order = collect(loader(all_, rows).epoch(0))
    apart = [collect(loader(cache).epoch(0))[0] for cache in caches]
    assert order.tolist() == rows.tolist()
    assert np.array_equal(images.numpy(), np.concatenate([part.numpy() for part in apart]))
    for row, data in zip(rows, all_.encoded(rows), strict=True):
        cache, place = divmod(int(row), len(caches[0]))
        assert data.tobytes() == caches[cache].encoded(np.array([place]))[0].tobytes()
    assert [*find_faults(all_.folder)] == []


def test_joined_caches_can_be_joined(two: tuple[Cache, Cache], tmp_path: Path) -> None:
    made = write_extra(tmp_path / "made", persons=["g0", "g1"], folds=["fold1", "all"])
    once = joined(tmp_path / "once", *two)
    for name, caches in (("last", (once, made)), ("first", (made, once))):
        twice = joined(tmp_path / name, *caches)
        assert [*find_faults(twice.folder)] == []
        assert twice.index["key"].is_unique and len(twice) == 24
        assert sorted(twice.index[EXTRA]) == [""] * 18 + ["all"] * 3 + ["fold1"] * 3
        assert len(twice.description["source"]["parts"]) == 3


def test_extra_caches_train_in_every_fold_unless_they_say_otherwise(
    two: tuple[Cache, Cache], tmp_path: Path
) -> None:
    silent = write_extra(tmp_path / "silent", persons=["g0"])
    telling = write_extra(tmp_path / "telling", persons=["h0", "h1"], folds=["fold0", "all"])
    all_ = joined(tmp_path / "all", two[0], extra=[silent, telling])
    found = all_.index.groupby("person")[EXTRA].first()
    assert found[["p000", "g0", "h0", "h1"]].tolist() == ["", "all", "fold0", "all"]
    assert [*find_faults(all_.folder)] == []


def test_labels_and_people_are_those_of_the_caches(two: tuple[Cache, Cache], tmp_path: Path) -> None:
    all_ = joined(tmp_path / "all", *two)
    names = ["image_id", "person", "mask", "gender", "age", "status"]
    apart = pd.concat([cache.index[names] for cache in two], ignore_index=True)
    pd.testing.assert_frame_equal(all_.index[names], apart)


def test_columns_that_one_cache_lacks_are_empty_there(tmp_path: Path) -> None:
    plain = write_cache(tmp_path / "plain", "raw")  # knows no people and no labels
    other = write_extra(tmp_path / "other", persons=["g0"], margin=None)
    assert {"person", "mask"} - {*plain.index.columns} == {"person", "mask"}
    settings = {**other.description["settings"]}
    assert settings.pop("margin") is None and settings.pop("seed") == 0
    all_ = joined(tmp_path / "all", plain, other)
    assert set(all_.index["person"]) == {"", "g0"}
    assert (all_.labels("mask")[: len(plain)] == -1).all()
    assert [*find_faults(all_.folder)] == []


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"margin": 0.5}, "margin: 0.3 there, 0.5 here"),
        ({"align": True}, "align: None there, True here"),
        ({"background": "alpha"}, "background: None there, 'alpha' here; channels: 3 there, 4 here"),
    ],
)
def test_caches_cropped_differently_are_refused_with_both_values(
    make_cache: Callable[..., Cache], tmp_path: Path, changed: dict[str, object], difference: str
) -> None:
    one, other = make_cache("one", people=2), make_cache("other", people=2, **changed)
    with pytest.raises(ValueError, match=rf"other: cropped differently from .*one \({difference}\)"):
        joined(tmp_path / "all", one, other)
    assert not (tmp_path / "all").exists()


def test_a_joined_cache_keeps_the_labels_of_its_factors(tmp_path: Path) -> None:
    one, other = (write_own(tmp_path / name, people=people) for name, people in (("one", 4), ("other", 3)))
    all_ = joined(tmp_path / "all", one, other)
    assert all_.label_set == OWN
    apart = pd.concat([one.photos(), other.photos()], ignore_index=True)
    pd.testing.assert_frame_equal(all_.photos(), apart)
    assert [*find_faults(all_.folder)] == []
    twice = joined(tmp_path / "twice", all_, write_own(tmp_path / "third", people=2))
    assert twice.label_set == OWN and [*find_faults(twice.folder)] == []


def test_caches_of_other_factors_are_refused_with_both_sides_and_a_cure(
    make_cache: Callable[..., Cache], tmp_path: Path
) -> None:
    contest, own = make_cache("contest", people=2), write_own(tmp_path / "own", people=2)
    with pytest.raises(ValueError, match=r"own: labelled with other factors than .*contest \(") as refused:
        joined(tmp_path / "all", contest, own)
    message = str(refused.value)
    assert "mask: wear, incorrect, normal there, none here" in message
    assert "helmet: none there, yes, no, unsure here" in message
    assert "LABELS=" in message and "\n" not in message
    assert not (tmp_path / "all").exists()


def test_a_split_that_only_one_cache_knows_is_empty_in_the_other(tmp_path: Path) -> None:
    rows = [fields(n, split=("train", "val")[n % 2]) for n in range(4)]
    divided, plain = write(tmp_path / "divided", rows), write(tmp_path / "plain", [fields(9), fields(10)])
    all_ = joined(tmp_path / "all", plain, divided)
    assert all_.index[SPLIT].tolist() == ["", "", "train", "val", "train", "val"]
    assert [*find_faults(all_.folder)] == []


def test_settings_that_do_not_cut_faces_are_free(make_cache: Callable[..., Cache], tmp_path: Path) -> None:
    free = {"seed": 7, "shard_size": 9, "quality": 80, "max_megapixels": 12}
    one, other = make_cache("one", people=2), make_cache("other", people=2, **free)
    assert len(joined(tmp_path / "all", one, other)) == 12


def test_caches_of_one_name_or_none_to_join_are_refused(two: tuple[Cache, Cache], tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "a"
    for extra in ((tmp_path / "a",), (again,)):
        with pytest.raises(ValueError, match="are both called 'a'"):
            JoinSettings(caches=(tmp_path / "a", tmp_path / "b"), cache=tmp_path / "all", extra_caches=extra)
    with pytest.raises(ValueError, match="name two or more"):
        JoinSettings(caches=(tmp_path / "a",), cache=tmp_path / "all")


def test_shards_are_linked_and_copied_only_where_linking_fails(
    two: tuple[Cache, Cache], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = joined(tmp_path / "linked", *two)

    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(join_caches.os, "link", refuse)
    copied = joined(tmp_path / "copied", *two)
    original = two[0].folder / "shards" / "00000.tar"
    assert original.samefile(linked.folder / "shards" / "00000.tar")
    assert not original.samefile(copied.folder / "shards" / "00000.tar")
    assert content(linked.folder) == content(copied.folder)


def test_a_stopped_join_goes_on_to_the_same_bytes(
    two: tuple[Cache, Cache], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = joined(tmp_path / "whole", *two)
    link, calls = join_caches._link, iter(range(5))

    def stop(source: Path, target: Path) -> None:
        if next(calls) == 4:
            raise KeyboardInterrupt
        link(source, target)

    monkeypatch.setattr(join_caches, "_link", stop)
    with pytest.raises(KeyboardInterrupt):
        joined(tmp_path / "stopped", *two)
    assert not (tmp_path / "stopped" / "cache.json").exists()
    monkeypatch.setattr(join_caches, "_link", link)
    assert content(joined(tmp_path / "stopped", *two).folder) == content(whole.folder)
    assert content(joined(tmp_path / "stopped", *two).folder) == content(whole.folder)


def test_another_join_into_the_same_folder_is_refused(two: tuple[Cache, Cache], tmp_path: Path) -> None:
    joined(tmp_path / "all", *two)
    for other in (lambda: joined(tmp_path / "all", two[1], two[0]), lambda: joined(two[0].folder, *two)):
        with pytest.raises(ValueError, match="holds a cache made otherwise"):
            other()
    with pytest.raises(ValueError, match="holds a cache made otherwise"):
        joined(tmp_path / "all", two[0], extra=[two[1]])


def test_verification_of_a_joined_cache_still_finds_what_is_wrong(
    two: tuple[Cache, Cache], tmp_path: Path
) -> None:
    all_ = joined(tmp_path / "all", *two)
    index = all_.index
    index.loc[15, "mask"] = 2
    index.to_parquet(all_.folder / "index.parquet", index=False)
    key = index["key"][15].removeprefix("b-")
    assert any(f"sample {key}: mask in its JSON differs" in found for found in find_faults(all_.folder))
