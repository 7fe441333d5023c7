"""How threads wait: what every command sets before torch is loaded, and the benchmark of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.train.busy import BESIDE, DEFAULT, OURS, BenchBusySettings, bench
from faces.cache.reader import Cache

WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
RECIPE = """
tasks = ["mask"]
backbone = "test_resnet"
image_size = 32
epochs = 1
batch_size = 8
"""


def spins(package: str, **more: str) -> str:
    """The turns that threads wait for in a process that imports a package first, "" where libgomp decides."""
    script = f"import {package}, os, sys; print('torch' in sys.modules, os.environ.get('GOMP_SPINCOUNT', ''))"
    clean = {name: value for name, value in os.environ.items() if name not in WAITING}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**clean, **more}
    )
    loaded, number = done.stdout.rstrip("\n").split(" ")
    assert loaded == "False"
    return number


@pytest.mark.parametrize("package", ["faces", "train", "infer", "bench"])
def test_waiting_is_settled_before_torch_is_loaded(package: str) -> None:
    assert spins(package) == "5000"


def test_what_a_user_has_set_stays() -> None:
    assert spins("train", GOMP_SPINCOUNT="7") == "7"
    assert spins("train", OMP_WAIT_POLICY="ACTIVE") == ""


def test_a_cache_of_too_few_people_is_refused_before_a_process_starts(unseen: Cache, tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    with pytest.raises(ValueError, match="no photo of this cache is labelled"):
        bench(BenchBusySettings(recipe=recipe, cache=unseen.folder, out=tmp_path / "busy.json"))


@pytest.mark.slow
def test_both_ways_are_measured_alone_and_beside_a_busy_process(coloured: Cache, tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.toml", tmp_path / "busy.json"
    recipe.write_text(RECIPE)
    before = {name: os.environ.get(name) for name in WAITING}
    rows = bench(BenchBusySettings(recipe=recipe, cache=coloured.folder, out=out, steps=1, repetitions=1))
    assert [row.name for row in rows] == [OURS, OURS + BESIDE, DEFAULT, DEFAULT + BESIDE]
    assert all(row.images_per_s > 0 for row in rows) and rows[2].ratio == 1
    assert [row["name"] for row in json.loads(out.read_text())["rows"]] == [row.name for row in rows]
    assert out.with_suffix(".png").is_file()
    assert before == {name: os.environ.get(name) for name in WAITING}
