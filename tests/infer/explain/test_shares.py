"""How much of where heads look is face: regions, shares and answers that are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces.cache.reader import Cache
from infer.ensemble.tree import Ensemble, Leaf
from infer.explain.overlay import GLOW, lit
from infer.explain.regions import REGIONS, box_in_crop, person_of, regions_of
from infer.explain.shares import draw_sample, mean_of, rank_correlations, region_shares
from infer.explain.work import face_shares
from infer.predict.out_of_fold import plan_out_of_fold
from tests.helpers.coloured import write_coloured
from tests.helpers.runs.fold_runs import write_runs

BOX = (20.0, 24.0, 44.0, 52.0)


def test_regions_cover_a_crop_once_and_the_face_is_an_ellipse() -> None:
    masks = regions_of(BOX, 64)
    assert (masks.sum(0) == 1).all()
    face, hair, below, beside = masks
    assert face.sum() == pytest.approx(np.pi / 4 * 24 * 28, rel=0.02)
    assert face[38, 32]
    assert hair[20, 32]
    assert below[60, 5]
    assert below[54, 32]
    assert beside[5, 5]
    assert len(REGIONS) == len(masks)


def test_a_face_lies_in_its_crop_as_it_lay_in_its_photo() -> None:
    found = box_in_crop((110, 220, 150, 270), (100, 200, 200, 300), 64)
    assert found == pytest.approx((6.4, 12.8, 32.0, 44.8))


def test_who_stays_without_background_is_told_by_the_matte_where_there_is_one() -> None:
    masks = regions_of(BOX, 64)
    assert (person_of(masks, np.zeros((64, 64, 3), np.uint8)) == masks[:2].any(0)).all()
    matte = np.zeros((64, 64, 4), np.uint8)
    matte[:, :10, 3] = 255
    assert np.argwhere(person_of(masks, matte)).max(0)[1] == 9


def test_shares_of_a_map_are_the_parts_of_its_sum() -> None:
    masks = np.stack([regions_of(BOX, 64)] * 3)
    on_face = np.where(masks[0, 0], 0.5, 0).astype(np.float32)
    half = on_face + np.where(masks[0, 3], 0.5 * masks[0, 0].sum() / masks[0, 3].sum(), 0)
    maps = np.stack([on_face, half, np.zeros((64, 64))]).astype(np.float32)
    found = region_shares(maps, masks)
    assert found[0].tolist() == pytest.approx([1, 0, 0, 0], abs=1e-6)
    assert found[1].tolist() == pytest.approx([0.5, 0, 0, 0.5], abs=1e-6)
    assert np.isnan(found[2]).all()


def test_rank_correlation_is_that_of_the_ranks() -> None:
    rng = np.random.default_rng(0)
    maps = rng.random((3, 128, 128), np.float32)
    others = np.stack([maps[0] ** 3, 1 - maps[1], np.zeros((128, 128))])
    found = rank_correlations(maps, others)
    assert found[:2].tolist() == pytest.approx([1, -1])
    assert np.isnan(found[2])


def test_the_interval_of_a_mean_is_of_its_standard_error() -> None:
    found = mean_of(np.array([0.0, 1, np.nan, 0, 1]))
    assert (found.value, found.people) == (0.5, 4)
    assert found.high - found.value == pytest.approx(1.96 * np.sqrt(1 / 3) / 2)


def test_a_map_lights_up_its_crop_where_it_is() -> None:
    strength = np.array([[0.0, 1.0]])
    [[dark, bright]] = lit(np.full((1, 2, 3), 100.0), strength)
    assert dark.tolist() == [55, 55, 55]
    assert bright.tolist() == [round(0.3 * 100 + 0.7 * level) for level in GLOW]


def placed(cache: Cache) -> Cache:
    """The cache, knowing that its crops are whole photos."""
    cache.index["crop_box"] = [[0.0, 0.0, 48.0, 48.0]] * len(cache)
    cache.index["crop_angle"] = 0.0
    return cache


def test_people_are_looked_at_by_networks_that_did_not_see_them(coloured: Cache, tmp_path: Path) -> None:
    cache = Cache.open(coloured.folder)
    write_runs(tmp_path, cache, "both")
    plan = plan_out_of_fold(["both"], tmp_path, cache)
    with pytest.raises(ValueError, match="crop_box"):
        draw_sample(plan, 10)
    sample = draw_sample(plan_out_of_fold(["both"], tmp_path, placed(cache)), 10)
    index = cache.index
    people = index["person"].iloc[sample.rows]
    assert people.is_unique
    assert len(people) == 10
    left_out = plan.photos.set_index("row")["fold"]
    assert (left_out[sample.rows].to_numpy() == sample.folds).all()
    assert (index["status"].iloc[sample.rows] == "detected").all()
    outside = ~sample.regions[:, :2].any(1)
    assert (sample.bare[outside] == 128).all()
    assert (sample.bare[~outside] == sample.crops[~outside]).all()


def test_the_table_and_the_picture_of_a_folder_of_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = placed(write_coloured(tmp_path / "cache", people=9))
    write_runs(tmp_path / "runs", cache, "both")
    ensemble = Ensemble(name="both", root=Leaf("both"))
    out = tmp_path / "shares.png"
    found = face_shares(ensemble, cache, runs=tmp_path / "runs", people=6, out=out)
    assert [head.task for head in found] == ["mask", "gender", "age3"]
    for head in found:
        np.testing.assert_allclose(head.area.sum(1), 1)
        np.testing.assert_allclose(head.shares[~np.isnan(head.shares[:, 0])].sum(1), 1, atol=1e-6)
        assert head.right.shape == (6, 2)
    told = capsys.readouterr().out
    assert "for want of a matte" in told
    assert "6 photos of as many people" in told
    assert Image.open(out).size[0] > 600
