"""The benchmark of stage 1: its parts on few photos, and what they say."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from skimage.data import astronaut

from bench.preprocess import stage
from bench.preprocess.command import BenchPreprocessSettings, report_stage
from bench.preprocess.detect import compare_boxes, overlap, time_detectors
from bench.preprocess.facenet import crop_one_by_one, facenet_stage
from bench.preprocess.memory import run_program
from bench.preprocess.stage import FACENET, Round, run_stage
from preprocess.detect.search import Device
from preprocess.settings import PreprocessSettings
from preprocess.sources.scan import scan
from tests.helpers.pictures import save
from tests.helpers.stage1 import small, small_photos


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(50 / 150)
    assert overlap((0, 0, 10, 10), (20, 20, 30, 30)) == 0


def test_boxes_of_a_portrait_are_facenets() -> None:
    same = compare_boxes([astronaut(), np.full((100, 100, 3), 128, np.uint8)], 60)
    assert (same.photos, same.faces, same.other_counts) == (2, 1, 0)
    assert same.overlaps[1] > 0.99 and same.landmarks < 0.5


@pytest.mark.slow
def test_every_detector_is_timed_as_often_as_asked() -> None:
    times = time_detectors([astronaut()[:200, 100:300]], None, 2)
    assert {*times} == {f"{name}, min_face {m}" for name in ("facenet-pytorch", "ours") for m in (20, 60)}
    assert all(len(own) == 2 and min(own) > 0 for own in times.values())


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_round_of_the_stage_gives_its_speed_and_split(tmp_path: Path, workers: int) -> None:
    data = small_photos(tmp_path / "data", 300)
    rows = scan(data).photos.to_dict("records")
    settings = replace(small(data, tmp_path / "cache"), workers=workers)
    own = run_stage(rows, data, settings)
    assert own.speed > 0
    assert {*own.split} == {"read and decode", "detect", "crop and encode", "write"}
    assert own.cpu == pytest.approx(sum(own.split.values()))


@pytest.mark.slow
def test_facenet_crops_every_photo(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "photos" / f"{number}.jpg", astronaut()[:220, 100:300])
    (tmp_path / "crops").mkdir()
    speed, cpu = facenet_stage(sorted((tmp_path / "photos").iterdir()), tmp_path / "crops", 64, 1, "cpu")
    assert len([*(tmp_path / "crops").iterdir()]) == 3
    assert speed > 0 and cpu > 0


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_all_ways_of_the_stage_search_on_the_same_device(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    class Detector:
        def __init__(self, *, keep_all: bool, device: object) -> None:
            made.append(device)

    def facenet(photos: object, folder: Path, size: int, workers: int, device: str) -> tuple[float, float]:
        crop_one_by_one([], folder, size, device, SimpleNamespace(put=lambda _: None))
        return 1.0, 1.0

    def ours(photos: object, folder: Path, settings: PreprocessSettings, device: str) -> Round:
        made.append(device)
        return Round(1.0, 1.0, {})

    monkeypatch.setattr("facenet_pytorch.MTCNN", Detector)
    monkeypatch.setattr(stage, "facenet_stage", facenet)
    monkeypatch.setattr(stage, "run_stage", ours)
    (tmp_path / "yunet.onnx").touch()
    ways = stage.measure_stage([], tmp_path, device=device, yunet=tmp_path / "yunet.onnx", repetitions=1)
    assert made == [device] * len(ways)
    # OpenCV's detector has no GPU here, and is not set beside those that have one.
    assert ("ours, YuNet only, 1 w." in ways) == (device == "cpu")
    assert {"facenet-pytorch one by one, 2 w.", "ours, min_face 60, 2 w."} <= ways.keys()


@pytest.mark.slow
def test_a_long_run_is_watched_to_its_end(tmp_path: Path) -> None:
    photos = sorted(small_photos(tmp_path / "data", 3).iterdir())
    run = run_program(photos, 10, ["--size", "16", "--workers", "1"])
    assert run.photos == 10 and run.seconds > 0 and run.peak > 20
    with pytest.raises(RuntimeError, match="margin=9"):
        run_program(photos, 10, ["--margin", "9"])


def test_the_report_has_a_row_for_each_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rounds = {
        f"{FACENET}, 1 w.": [Round(10.0, 100.0, {})],
        f"{FACENET}, 2 w.": [Round(19.0, 100.0, {})],
        "ours, 1 w.": [Round(90.0, 11.0, {"detect": 8.0, "write": 3.0})],
        "ours, 2 w.": [Round(180.0, 11.0, {"detect": 8.0, "write": 3.0})],
    }
    report_stage(rounds, BenchPreprocessSettings(out=tmp_path / "report.json"), "cuda")
    rows = {row["name"]: row for row in json.loads((tmp_path / "report.json").read_text())["rows"]}
    assert rows["ours, 2 w."]["ratio"] == 18 and rows["ours, 1 w."]["cpu_us"] == 11_000
    printed = capsys.readouterr().out
    assert "faces searched on the GPU" in " ".join(printed.split()) and "device cuda" in printed
    assert "ours: 2.00 times as fast with 2 workers" in printed and f"{FACENET}: 1.90 times" in printed
    assert (tmp_path / "report.png").stat().st_size > 1000
