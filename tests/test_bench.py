"""The benchmark's form, and its arithmetic; no speed is asserted."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces import measure
from faces.cache import Cache
from faces.tar import Sample
from faces.writer import CacheWriter
from pipeline import bench, look, peers
from pipeline.augment import POLICIES


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    random, samples = np.random.default_rng(0), []
    for i in range(5):
        buffer = io.BytesIO()
        Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).save(buffer, "JPEG")
        fields = {"key": str(i), "position": i, "height": 32, "width": 32, "status": "detected"}
        samples.append(Sample(fields=fields, data=buffer.getvalue()))
    writer = CacheWriter(tmp_path / "cache", settings={"codec": "jpeg", "size": 32}, source={}, shard_count=1)
    writer.write(0, samples)
    return writer.finish()


def ticking(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], int]:
    """A clock that stands still but for the work that is done; returns how to work."""
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(measure, "_cpu_seconds", lambda: now["cpu"])

    def work(wall: float, cpu: float) -> int:
        now["wall"] += wall
        now["cpu"] += cpu
        return 100

    return work


def test_medians_leave_out_the_warm_up_and_rivals_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    work, seen = ticking(monkeypatch), []
    durations = {"slow": iter([99.0, 2.0, 4.0, 2.0]), "fast": iter([99.0, 0.5, 0.4, 1.0])}

    def rival(name: str) -> measure.Rival:
        def one() -> int:
            seen.append(name)
            return work(next(durations[name]), 0.001)

        return measure.Rival(name=name, work=one)

    slow, fast = measure.measure([rival("slow"), rival("fast")], repetitions=3, compared_with="slow")
    assert seen == ["slow", "fast"] * 4
    assert (slow.images_per_s, slow.min, slow.max, slow.ratio) == (50, 25, 50, 1)
    assert (fast.images_per_s, fast.min, fast.max, fast.ratio) == (200, 100, 250, 4)
    assert fast.cpu_us == 10


def test_stored_copies_hold_the_same_pixels_in_either_codec(cache: Cache, tmp_path: Path) -> None:
    raw = bench.stored_as(cache, "raw", tmp_path / "raw", images=7)
    jpeg = bench.stored_as(cache, "jpeg", tmp_path / "jpeg", images=3)
    assert (raw.codec, len(raw), jpeg.codec, len(jpeg)) == ("raw", 7, "jpeg", 3)
    for row, crop in enumerate(raw.encoded(np.arange(7))):
        (file,) = cache.encoded(np.array([row % 5]))
        np.testing.assert_array_equal(crop, np.asarray(Image.open(io.BytesIO(file.tobytes()))))
    assert jpeg.encoded(np.array([2]))[0].tobytes() == cache.encoded(np.array([2]))[0].tobytes()
    back = bench.stored_as(raw, "jpeg", tmp_path / "back", images=1)
    assert Image.open(io.BytesIO(back.encoded(np.array([0]))[0].tobytes())).size == (32, 32)


def test_bench_writes_the_stated_form(cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Spawning the DataLoader's workers would import torch anew: here it loads in this process.
    in_process = {"num_workers": 0, "persistent_workers": False, "multiprocessing_context": None}
    loader = peers.DataLoader
    monkeypatch.setattr(peers, "DataLoader", lambda *a, **k: loader(*a, **{**k, **in_process}))
    out = tmp_path / "made" / "loader.json"
    settings = bench.Settings(
        cache=cache.folder, out=out, images=8, batch_size=4, image_size=32, threads=1, repetitions=2
    )
    bench.bench(settings)
    report = json.loads(out.read_text())
    assert set(report) == {"machine", "versions", "command", "conditions", "rows"}
    assert [row["name"] for row in report["rows"]] == ["torchvision", "ours jpeg", "ours raw", "synthetic"]
    for row in report["rows"]:
        assert set(row) == {"name", "images_per_s", "min", "max", "cpu_us", "ratio"}
        assert 0 < row["min"] <= row["images_per_s"] <= row["max"] and row["ratio"] > 0
    assert report["rows"][0]["ratio"] == 1
    assert "core" in report["machine"] and "nvidia-dali" in report["versions"]
    assert out.with_suffix(".png").stat().st_size > 1000


def test_bench_without_a_cache_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="make demo"):
        bench.bench(bench.Settings(cache=tmp_path / "none"))


@pytest.mark.parametrize("changed", [{"images": 0}, {"threads": 0}, {"policy": "fll"}])
def test_bad_settings_are_named(changed: dict) -> None:
    with pytest.raises(ValueError, match=r"at least 1, got 0|did you mean 'full'"):
        bench.Settings(**changed)


def test_contact_sheet_shows_every_crop_beside_its_augmentations(cache: Cache, tmp_path: Path) -> None:
    look.augment_sheet(cache, POLICIES["full"], tmp_path / "sheet.png", image_size=32)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (5 * 36, (1 + look.COLUMNS) * 36, 3)
    shown = sheet[2:34, 2:34].astype(int)
    crops = [np.asarray(Image.open(io.BytesIO(data.tobytes()))) for data in cache.encoded(np.arange(5))]
    assert min(np.abs(shown - crop).max() for crop in crops) <= 1
