"""Stage 1 on Ray: the bytes of a local run, whatever is killed. Ray is an extra, and slow to start."""

import importlib.util
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from faces.sample.dataset import write_sample
from preprocess.engines import on_ray, start
from preprocess.run import preprocess
from preprocess.shard import make_samples
from tests.helpers.stage1 import content, program, small, small_photos

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra ray is not installed; make setup EXTRAS=ray"
)
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


def test_without_the_extra_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(on_ray.importlib, "import_module", missing)
    settings = small(small_photos(tmp_path / "data", 3), tmp_path / "cache", engine="ray")
    with pytest.raises(
        ValueError, match=r"^ENGINE=ray: the extra ray is not installed; make setup EXTRAS=ray$"
    ):
        preprocess(settings)


def test_what_does_not_go_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^shard=0/2: engine=ray deals out the shards itself"):
        small(tmp_path / "data", tmp_path / "cache", engine="ray", shard="0/2")
    with pytest.raises(ValueError, match=r"^ray_address=auto: needs --engine ray"):
        small(tmp_path / "data", tmp_path / "cache", ray_address="auto")


class Inline:
    """Ray's calls that are used of actors, done at once in this process, and what was asked of them."""

    exceptions = SimpleNamespace(RayTaskError=KeyError, RayError=OSError)

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.started = 0

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 8.0, "GPU": 2.0}

    def remote(self, kind: Any) -> Any:
        def options(**asked: Any) -> Any:
            self.asked.append(asked)
            return SimpleNamespace(remote=lambda *arguments: actor(kind(*arguments)))

        def actor(maker: Any) -> Any:
            self.started += 1
            return SimpleNamespace(
                make=SimpleNamespace(remote=lambda *arguments: Answer(maker.make(*arguments)))
            )

        return SimpleNamespace(options=options)

    def put(self, value: Any) -> Any:
        return value

    def wait(self, references: list[Any], timeout: float) -> tuple[list[Any], list[Any]]:
        return references[-1:], references[:-1]

    def get(self, reference: Any) -> Any:
        return reference.made


class Answer:
    def __init__(self, made: on_ray.Made) -> None:
        self.made = made


def test_gpus_are_shared_by_actors_that_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two a GPU, started once, which come back whole from a lost machine; the bytes are a local run's."""
    data, ray = small_photos(tmp_path / "data", 8), Inline()
    whole = content(preprocess(small(data, tmp_path / "local" / "cache", shard_size=1)).folder)
    searched = []

    def on_the_cpu(rows: Any, tools: Any, report: Any) -> Any:
        searched.append(tools.device)
        return make_samples(rows, replace(tools, device="cpu"), report)

    monkeypatch.setattr(on_ray, "make_samples", on_the_cpu)
    monkeypatch.setattr(start, "cluster", lambda *_: nullcontext(ray))
    preprocess(small(data, tmp_path / "cache", shard_size=1, engine="ray", device="cuda"))
    assert searched == ["cuda"] * 8 and ray.started == 4
    assert ray.asked == [{"num_gpus": 0.5, "max_restarts": 5, "max_task_retries": 5}]
    assert content(tmp_path / "cache") == whole


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """42 drawn photos."""
    data = tmp_path_factory.mktemp("ray") / "data"
    write_sample(data, people=10, seed=0, workers=1)
    return data / "train"


def command(people: Path, cache: Path, *more: object) -> list[str]:
    return program("--data", people, "--cache", cache, "--shard-size", 3, *more)


@pytest.fixture(scope="module")
def whole(people: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    cache = tmp_path_factory.mktemp("local") / "cache"
    subprocess.run(command(people, cache, "--workers", 1), check=True, capture_output=True)
    return content(cache)


@pytest.fixture
def raylets() -> Iterator[Any]:
    """Two machines, as far as Ray knows; the second may be lost."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="make setup EXTRAS=ray")
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


def wait_for(count: int, cache: Path, running: subprocess.Popen[str]) -> None:
    while running.poll() is None and len([*(cache / "parts").glob("*.parquet")]) < count:
        time.sleep(0.01)
    assert running.poll() is None, running.communicate()[1]


@needs_ray
@pytest.mark.slow
def test_a_ray_of_its_own_makes_the_same_bytes(people: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    arguments = command(people, tmp_path / "cache", "--engine", "ray", "--workers", 2)
    subprocess.run(arguments, check=True, capture_output=True)
    assert content(tmp_path / "cache") == whole


@needs_ray
@pytest.mark.slow
def test_a_lost_machine_and_a_killed_driver_change_no_byte(
    people: Path, whole: dict[str, bytes], tmp_path: Path, raylets: Any
) -> None:
    """First the driver is killed, with both machines at work; then one machine, half-way."""
    cache = tmp_path / "cache"
    arguments = command(people, cache, "--engine", "ray", "--ray-address", raylets.address)
    driver = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(2, cache, driver)
    os.kill(driver.pid, signal.SIGKILL)
    driver.communicate()
    assert len([*(cache / "parts").glob("*.parquet")]) < 14
    driver = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(7, cache, driver)
    raylets.remove_node(next(iter(raylets.worker_nodes)), allow_graceful=False)
    _, errors = driver.communicate(timeout=300)
    assert driver.returncode == 0, errors
    assert content(cache) == whole


@needs_ray
@pytest.mark.slow
def test_what_goes_wrong_in_a_task_is_one_line(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 12)
    for number in range(6):
        (data / f"{number:03d}.png").write_bytes(b"no photo")
    same = ("--data", data, "--shard-size", 2, "--engine", "ray", "--workers", 1, "--cache", tmp_path / "c")
    ended = subprocess.run(program(*same), capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1, ended.stderr
    assert "of 12 photos are rejected already" in ended.stderr


@needs_ray
@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:port"])
def test_an_address_without_a_cluster_is_named_at_once(address: str) -> None:
    with (
        pytest.raises(ValueError, match=f"^ray_address={address}: .*; see `ray status`$"),
        on_ray.cluster(address, 1),
    ):
        pytest.fail("connected")
