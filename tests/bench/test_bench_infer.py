"""The measurement of prediction: its form and its arithmetic; no speed is asserted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from bench.infer import loop as bench_loop
from bench.infer import race as bench_race
from bench.infer import setting as bench_setting
from bench.infer import ways as bench_ways
from bench.infer.command import BenchInferSettings, bench
from bench.infer.loop import one_by_one
from bench.infer.process import WayProcess
from bench.infer.report import InferRow, goals_of, make_row
from bench.infer.setting import (
    FILES,
    PHOTOS,
    Job,
    Turn,
    draw_photos,
    lay_out,
    link_photos,
    random_run,
    write_files,
)
from bench.infer.ways import (
    CROP_LOOP,
    FLIPPED,
    FROM_PHOTOS,
    PHOTO_LOOP,
    all_ways,
    exported,
    model_only,
    ours,
    ours_from_photos,
)
from bench.measure import Round, Row
from faces.cache.reader import Cache
from infer.predict.networks import load_network
from tests.helpers.crops import write_cache
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=32, precision="fp32")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("job")
    write_files(write_cache(folder / "cache", "jpeg"), folder / "files")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_setting, "DISTINCT", 2)
        draw_photos(folder / "drawn")
    link_photos(sorted((folder / "drawn").iterdir()), 9, folder / "photos")
    runs = tuple(folder / "runs" / f"fold{k}" / "best.safetensors" for k in range(bench_setting.FOLDS))
    for seed, path in enumerate(runs):
        random_run(RECIPE, seed, path)
    return Job(
        photos=folder / "photos",
        cache=folder / "cache",
        files=folder / "files",
        runs=runs,
        device="cpu",
        cores=1,
        loader_threads=1,
        batch_size=10,
    )


class InThisProcess(WayProcess):
    """A way without a process of its own: starting seven takes a minute."""

    def __init__(self, make: Any, job: Job) -> None:
        self._turn, self.load_s, self.rounds = make(job), 0.5, []

    def run(self) -> Round:
        self.rounds.append(Round(images=self._turn(), wall=0.01 * (1 + len(self.rounds)), cpu=0.02))
        return self.rounds[-1]

    def peak_mb(self) -> float:
        return 100.0

    def stop(self) -> None:
        pass


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Photos of every forward pass of our networks."""
    seen: list[int] = []

    def watched(path: Path, device: str) -> Any:
        member = load_network(path, device)

        def model(images: torch.Tensor) -> Any:
            seen.append(len(images))
            return member.model(images)

        return type(member)(model=model, form=member.form, codings=member.codings)

    monkeypatch.setattr(bench_ways, "load_network", watched)
    return seen


@pytest.mark.parametrize(("folds", "views"), [(1, ("original",)), (5, ("original",)), (5, FLIPPED)])
def test_the_bare_networks_do_the_forward_passes_of_ours(
    job: Job, passes: list[int], folds: int, views: tuple[str, ...]
) -> None:
    assert ours(job, folds=folds, views=views)() == 37
    mine = sorted(passes)
    passes.clear()
    bare = model_only(job, folds=folds, views=views)
    assert bare() == 37 and sorted(passes) == mine
    assert mine == [7] * (folds * len(views)) + [10] * (3 * folds * len(views))
    assert bare() == 37 and len(passes) == 2 * len(mine)


def test_bare_networks_use_their_batches_again(
    job: Job, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_ways, "_READY_BATCHES", 2)
    assert model_only(job, folds=1, views=("original",))() == 37
    assert passes == [10, 10, 10, 7]


def test_the_loop_opens_a_file_for_every_fold_and_predicts_an_eighth(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    image_open = Image.open
    monkeypatch.setattr(bench_loop.Image, "open", lambda path: opened.append(path) or image_open(path))
    assert one_by_one(job, detector=False)() == 4
    assert opened == sorted(job.files.iterdir())[:4] * 5


def test_the_loop_over_photos_shows_the_face_that_it_found(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[int, int]] = []
    resize = bench_loop.transforms.Resize.forward

    def watched(self: Any, image: Image.Image) -> Any:
        shown.append(image.size)
        return resize(self, image)

    monkeypatch.setattr(bench_loop.transforms.Resize, "forward", watched)
    assert one_by_one(job, detector=True)() == 1  # of nine
    whole = Image.open(next(job.photos.iterdir())).size
    assert len(shown) == 5 and all(
        side < limit for size in shown for side, limit in zip(size, whole, strict=True)
    )


def test_ours_from_photos_finds_every_face_once_for_all_networks(job: Job, passes: list[int]) -> None:
    found: list[int] = []
    photos_turn = ours_from_photos(job, folds=2, views=FLIPPED)
    assert photos_turn() == 9 and passes == [9] * 4
    with pytest.MonkeyPatch.context() as patch:
        crop = bench_ways.crop_photos

        def watched(tools: Any, cache: Path) -> Cache:
            made = crop(tools, cache)
            found.extend(made.index.status == "detected")
            return made

        patch.setattr(bench_ways, "crop_photos", watched)
        assert photos_turn() == 9
    assert found == [True] * 9


def test_photos_are_linked_again_from_the_first(job: Job) -> None:
    assert [path.resolve().name for path in sorted(job.photos.iterdir())] == [
        "000000.jpg",
        "000001.jpg",
    ] * 4 + ["000000.jpg"]


@pytest.mark.slow
def test_an_exported_file_answers_all_photos(job: Job) -> None:
    assert exported(job, folds=2, views=FLIPPED)() == 37


def test_files_are_the_crops(job: Job) -> None:
    cache = Cache.open(job.cache)
    for row, path in enumerate(sorted(job.files.iterdir())):
        assert np.array_equal(np.asarray(Image.open(path)), cache.image(row))


@pytest.mark.slow
def test_a_way_runs_in_a_process_of_its_own_with_its_cores(job: Job) -> None:
    process = WayProcess(_count_cores, job)
    try:
        done = [process.run(), process.run()]
        assert [one.images for one in done] == [1000, 1001]  # the same process, on one core
        assert process.rounds == done and all(one.wall > 0 and one.cpu > 0 for one in done)
        assert process.load_s > 0 and process.peak_mb() > 50
    finally:
        process.stop()


def _count_cores(job: Job) -> Turn:
    calls = iter(range(10))
    return lambda: 1000 * len(os.sched_getaffinity(0)) * torch.get_num_threads() * job.cores + next(calls)


def rounds(*walls: float) -> list[Round]:
    return [Round(images=10, wall=wall, cpu=1.0) for wall in walls]


PLAIN = Row(name="ours, x", images_per_s=5.0, min=1.0, max=9.0, cpu_us=3.0, ratio=2.5)


def test_ratios_are_to_the_bare_networks_in_the_turn_beside() -> None:
    row = make_row(PLAIN, rounds(2, 4, 8), rounds(8, 10, 12), rounds(1, 3, 8), peak_mb=123.4, load_s=1.234)
    assert (row.of_model_min, row.of_model, row.of_model_max) == (0.5, 0.75, 1.0)
    assert (row.peak_mb, row.load_s, row.ratio, row.name) == (123, 1.23, 2.5, "ours, x")
    assert make_row(PLAIN, rounds(2), rounds(2), None, peak_mb=1, load_s=1).of_model is None


def test_goals_are_for_ours_beside_the_bare_networks_and_from_photos_beside_the_loop() -> None:
    def row(name: str, of_model: float | None, ratio: float) -> InferRow:
        fields = vars(PLAIN) | {"name": name, "of_model": of_model, "ratio": ratio}
        return InferRow(**fields, peak_mb=1, load_s=1)

    rows = [
        row(PHOTO_LOOP, None, 1.0),
        row(FROM_PHOTOS, None, 2.9),
        row(CROP_LOOP, None, 1.0),
        row("ours, one", 0.94, 20.0),
        row("bare", None, 9.0),
        row("ours", 0.95, 1.9),
    ]
    goals = goals_of("net", rows)
    assert [(goal.value, goal.wanted, goal.reached) for goal in goals] == [
        (0.94, 0.95, False),
        (0.95, 0.95, True),
        (2.9, 3.0, False),
    ]
    assert goals[-1].text == f"net: {FROM_PHOTOS}, times the loop"


def test_photos_of_ones_own_are_cropped_and_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_setting, "DISTINCT", 2)
    draw_photos(tmp_path / "mine")
    (tmp_path / "mine" / "broken.jpg").write_text("no photo")
    (tmp_path / "work").mkdir()
    cache = lay_out(tmp_path / "mine", 8, tmp_path / "work")  # good good broken, good good broken, good good
    assert len(cache) == 6 and (cache.codec, cache.size) == ("jpeg", 256)
    first, second, third = (cache.image(row) for row in range(3))
    assert np.array_equal(first, third) and not np.array_equal(first, second)
    for part in (FILES, PHOTOS):
        assert len([*(tmp_path / "work" / part).iterdir()]) == 6


@pytest.mark.slow
def test_bench_writes_the_stated_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_race, "WayProcess", InThisProcess)
    monkeypatch.setattr(bench_setting, "DISTINCT", 3)
    out = tmp_path / "made" / "infer.json"
    sizes = {"image_size": 32, "photos": 16, "batch_size": 8, "repetitions": 2, "cores": 1}
    bench(BenchInferSettings(backbones=("test_resnet",), device="cpu", out=out, **sizes))
    report = json.loads(out.read_text())
    assert {"machine", "versions", "command", "conditions", "rows", "goals"} == set(report)
    assert [row["name"] for row in report["rows"]] == [way.name for way in all_ways("cpu")]
    for row, way in zip(report["rows"], all_ways("cpu"), strict=True):
        assert 0 < row["min"] <= row["images_per_s"] <= row["max"]
        assert (row["of_model"] is None) == (way.full == "") and row["backbone"] == "test_resnet"
        assert row["of_model"] in (None, 1)
    assert report["conditions"]["cores and network threads of each way"] == 1
    assert report["conditions"]["photos"] == "16 drawn"
    assert len(report["goals"]) == 4 and out.with_suffix(".png").stat().st_size > 1000


def test_recipes_take_the_place_of_backbones(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('tasks = ["age6"]\nbackbone = "test_resnet"\nimage_size = 48\npretrained = true\n')
    (recipe,) = bench_race.recipes_of([path], [], image_size=32, precision="bf16").values()
    assert (recipe.backbone, recipe.image_size, recipe.tasks) == ("test_resnet", 48, ("age6",))
    assert recipe.precision == "bf16" and not recipe.pretrained


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"photos": 0}, "photos must be at least 1, got 0"),
        ({"cores": 9999}, "cores=9999: this process may use"),
        ({"backbones": ()}, "at least one backbone"),
        ({"backbones": ("resnet18", "resnet18")}, "each once"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BenchInferSettings(**options)


def test_unknown_backbones_are_named() -> None:
    with pytest.raises(ValueError, match="'resnet81' is unknown: did you mean 'resnet"):
        bench(BenchInferSettings(backbones=("resnet81",)))
