"""The benchmark's form, its arithmetic, and that every rival does the work; no speed is asserted."""

from __future__ import annotations

import io
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import measure
from bench.loaders import command, install, race
from bench.loaders.cpu import tree_cpu_seconds
from bench.loaders.process import RivalProcess
from bench.loaders.race import stored_as
from bench.loaders.report import reached_goals
from bench.loaders.rivals import opencv
from bench.loaders.table import GOALS, PEERS_FILE, RIVALS, Goal, RivalLoader
from bench.loaders.task import MEAN, STD, Task
from bench.measure import Row
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from pipeline.augment import POLICIES
from pipeline.loader import Loader

SIDE = 32


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    random, samples = np.random.default_rng(0), []
    for i in range(5):
        buffer = io.BytesIO()
        coarse = random.integers(0, 255, (8, 8, 3), np.uint8)
        smooth = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        smooth.save(buffer, "JPEG")
        fields = {"key": str(i), "position": i, "height": SIDE, "width": SIDE, "status": "detected"}
        samples.append(Sample(fields=fields, data=buffer.getvalue()))
    settings = {"codec": "jpeg", "size": SIDE}
    writer = CacheWriter(tmp_path / "cache", settings=settings, labels=CONTEST, source={}, shard_count=1)
    writer.write(0, samples)
    return writer.finish()


def task_for(cache: Cache, folder: Path, policy: str) -> Task:
    return Task(
        jpeg=cache.folder,
        raw=cache.folder,
        codec=cache.codec,
        folder=folder,
        images=4,
        crop=SIDE,
        image_size=24,
        batch_size=2,
        workers=1,
        policy=policy,
    )


def row(name: str, speed: float, cpu: float = 1.0) -> Row:
    return Row(name=name, images_per_s=speed, min=speed, max=speed, cpu_us=cpu, ratio=1)


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


def test_times_of_another_process_are_taken_as_they_are_and_a_failing_rival_has_no_row() -> None:
    round_ = measure.Round(images=10, wall=2.0, cpu=0.5)
    answers = iter([round_, round_, None])
    rivals = [
        measure.Rival(name="whole", work=lambda: round_),
        measure.Rival(name="dies", work=lambda: next(answers)),
    ]
    (only,) = measure.measure(rivals, repetitions=2, compared_with="whole")
    assert (only.name, only.images_per_s, only.cpu_us) == ("whole", 5, 50_000)
    with pytest.raises(ValueError, match="dies, with which the others are compared, failed"):
        measure.measure([measure.Rival(name="dies", work=lambda: None)], repetitions=1, compared_with="dies")


@pytest.mark.parametrize(
    ("goal", "ratio"),
    [
        (Goal(ours="ours raw", theirs=("a", "b"), least=2), 3.0),  # the faster of the two counts
        (Goal(ours="ours raw", theirs=("a", "absent"), least=2), 6.0),
        (Goal(ours="ours raw", theirs=("a",), least=2, by="cpu_us"), 2.5),
        (Goal(ours="ours raw", theirs=("b",), least=1, by="cpu_us", times=2), 1.0),
        (Goal(ours="ours raw", theirs=("absent",), least=2), None),
        (Goal(ours="absent", theirs=("a",), least=2), None),
    ],
)
def test_goals_are_ratios_to_the_best_that_was_measured(goal: Goal, ratio: float | None) -> None:
    rows = [row("a", 100, 50), row("b", 200, 10), row("ours raw", 600, 20)]
    assert goal.ratio({one.name: one for one in rows}) == ratio
    assert reached_goals({"strong": rows}, [goal]) == ([] if ratio is None else [(goal, ratio)])
    assert reached_goals({"light": rows}, [goal]) == []


def test_every_goal_is_about_rivals_and_policies_that_there_are() -> None:
    names = {rival.name for rival in RIVALS}
    assert len(names) == len(RIVALS)
    for goal in GOALS:
        assert {goal.ours, *goal.theirs} <= names and goal.policy in POLICIES
    listed = set(map(install.name_of, install.requirements_in(install.ROOT / PEERS_FILE)))
    assert {package for rival in RIVALS for package in rival.packages} <= listed


def test_rivals_may_replace_only_what_they_name() -> None:
    kept = install.kept_packages(["albumentations==2.0.8", "huggingface_hub<1"])
    assert {"torch", "numpy", "opencv-python", "opencv-python-headless"} <= kept
    assert "huggingface-hub" not in kept


def spin(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def test_cpu_time_counts_children_that_live_and_that_have_ended() -> None:
    context = multiprocessing.get_context("fork")
    before = tree_cpu_seconds()
    ended = context.Process(target=spin, args=(0.1,))
    ended.start()
    ended.join()
    assert tree_cpu_seconds() - before >= 0.1
    done, stay = context.Event(), context.Event()

    def live() -> None:
        spin(0.1)
        done.set()
        stay.wait()

    living = context.Process(target=live)
    before = tree_cpu_seconds()
    living.start()
    done.wait()
    assert tree_cpu_seconds() - before >= 0.08  # ticks of 10 ms, cut off
    stay.set()
    living.join()


@pytest.mark.parametrize("policy", ["light", "strong"])
@pytest.mark.parametrize("codec", ["jpeg", "raw"])
def test_the_hand_written_loader_makes_our_own_pixels(
    cache: Cache, tmp_path: Path, policy: str, codec: str
) -> None:
    stored = stored_as(cache, codec, tmp_path / "stored", images=16)
    task = task_for(stored, tmp_path, policy)
    crops = opencv.Crops(Task(**{**vars(task), "images": 16}))
    theirs = np.stack([crops[place].numpy() for place in range(16)])
    rule = {"batch_size": 16, "image_size": 24, "mean": MEAN, "std": STD, "policy": policy}
    loader = Loader(stored, np.arange(16), **rule)
    ((ours, _),) = loader.epoch(0)
    grey = 255 * np.asarray(STD, np.float32)[:, None, None]
    apart = np.abs((ours.numpy() - theirs) * grey)
    assert apart.max() <= 1.5  # one grey level, times what colour jitter makes of it
    assert apart.mean() < 0.3  # it rounds after its warp, on average by a quarter


def test_stored_copies_hold_the_same_pixels_in_either_codec(cache: Cache, tmp_path: Path) -> None:
    raw = stored_as(cache, "raw", tmp_path / "raw", images=7, shards=3)
    jpeg = stored_as(cache, "jpeg", tmp_path / "jpeg", images=3)
    assert (raw.codec, len(raw), jpeg.codec, len(jpeg)) == ("raw", 7, "jpeg", 3)
    assert len(raw.description["shards"]) == 3
    for place, crop in enumerate(raw.encoded(np.arange(7))):
        (file,) = cache.encoded(np.array([place % 5]))
        np.testing.assert_array_equal(crop, np.asarray(Image.open(io.BytesIO(file.tobytes()))))
    assert jpeg.encoded(np.array([2]))[0].tobytes() == cache.encoded(np.array([2]))[0].tobytes()
    back = stored_as(raw, "jpeg", tmp_path / "back", images=1)
    assert Image.open(io.BytesIO(back.encoded(np.array([0]))[0].tobytes())).size == (SIDE, SIDE)


@pytest.mark.slow
def test_a_rival_in_its_own_process_runs_epochs_and_one_that_fails_says_why(
    cache: Cache, tmp_path: Path
) -> None:
    python, task = Path(sys.executable), task_for(cache, tmp_path, "strong")
    rival = RivalProcess(python, "torchvision_pil", task, ("torchvision",))
    absent = RivalProcess(python, "no_such_rival", task, ())
    try:
        assert set(rival.ready()) == {"torchvision"} and not rival.problem
        for _ in range(2):
            done = rival.run()
            assert done is not None
            assert done.images == 4 and done.wall > 0 and done.cpu > 0
        assert absent.ready() == {} and "no_such_rival" in absent.problem
        assert absent.run() is None
    finally:
        rival.stop()
        absent.stop()
    assert rival.run() is None


@pytest.mark.slow
def test_bench_writes_the_stated_form_and_goes_on_without_a_missing_rival(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = tmp_path / "failed.json"
    failed.write_text(json.dumps({"ffcv": "no compiler"}))
    monkeypatch.setattr(race, "FAILED", failed)
    monkeypatch.setattr(race, "usable_gpu", lambda: "no GPU in this test")
    broken = RivalLoader(name="broken", module="no_such_rival")
    monkeypatch.setattr(command, "RIVALS", (*RIVALS, broken))
    out = tmp_path / "made" / "loader.json"
    rule = {"images": 8, "batch_size": 2, "image_size": 24, "threads": 1, "repetitions": 1}
    rivals = ("ours raw", "ours raw, GPU", "synthetic", "FFCV raw", "broken")
    command.bench(command.BenchLoadersSettings(cache=cache.folder, out=out, rivals=rivals, **rule))
    report = json.loads(out.read_text())
    assert {"machine", "versions", "command", "conditions", "rows", "goals", "missing"} == set(report)
    assert [one["name"] for one in report["rows"]] == ["torchvision", "ours raw", "synthetic"]
    for one in report["rows"]:
        assert set(one) == {"policy", "name", "images_per_s", "min", "max", "cpu_us", "ratio"}
        assert 0 < one["min"] <= one["images_per_s"] <= one["max"] and one["policy"] == "strong"
    assert report["rows"][0]["ratio"] == 1
    assert report["missing"]["FFCV raw"] == "ffcv could not be installed: no compiler"
    assert "no_such_rival" in report["missing"]["broken"]
    assert report["missing"]["ours raw, GPU"] == "no GPU in this test"
    assert [goal["goal"] for goal in report["goals"]] == ["strong: ours raw at least 9 times torchvision"]
    assert "core" in report["machine"] and "nvidia-dali" in report["versions"]
    assert out.with_suffix(".png").stat().st_size > 1000


@pytest.mark.gpu
def test_our_loader_on_a_gpu_is_a_rival(cache: Cache, tmp_path: Path) -> None:
    rival = RivalProcess(Path(sys.executable), "ours_gpu", task_for(cache, tmp_path, "strong"), ())
    try:
        rival.ready()
        done = rival.run()
        assert done is not None and done.images == 4, rival.problem
    finally:
        rival.stop()


def test_bench_without_a_cache_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="make bench"):
        command.bench(command.BenchLoadersSettings(cache=tmp_path / "none"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": 0}, "at least 1, got 0"),
        ({"threads": 0}, "at least 1, got 0"),
        ({"policies": ("strng",)}, "did you mean 'strong'"),
        ({"rivals": ("ours rw",)}, "did you mean 'ours raw'"),
    ],
)
def test_bad_settings_are_named(changed: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        command.BenchLoadersSettings(**changed)
