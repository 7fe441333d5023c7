"""What grows is told from what is flat; a short soak of real work; what a tree of processes holds."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bench.soak.command import BenchSoakSettings, bench
from bench.soak.probe import COUNTED, Sample, look, tree
from bench.soak.trend import LEAST_TURNS, trend, turn_medians

LOOKS = 5


def samples(values: np.ndarray) -> list[Sample]:
    """Five looks at each of some turns of a minute, of which the handles are these."""
    other = dict.fromkeys((name for name in COUNTED if name != "handles"), 100.0)
    return [
        Sample(seconds=60 * turn + 12 * part, turn=turn, handles=float(value) + part % 2, **other)
        for turn, value in enumerate(values)
        for part in range(LOOKS)
    ]


def test_what_grows_is_told_from_noise_and_from_a_warm_up() -> None:
    noise = np.random.default_rng(0).normal(0, 2, 60)
    warm = np.where(np.arange(60) < 9, 20.0, 100.0)
    assert trend(samples(warm + noise), "handles").verdict == "flat"
    grown = trend(samples(warm + noise + np.arange(60)), "handles")
    assert grown.verdict == "growing"
    assert grown.low < grown.an_hour < grown.high
    assert grown.an_hour == pytest.approx(60, abs=5), "one a minute"
    assert trend(samples(warm + noise - np.arange(60)), "handles").verdict == "flat"
    # Certain, but less than 2 % of what there is, or than one piece.
    assert trend(samples(1000 + np.arange(20) * 0.9), "handles").verdict == "flat"
    assert trend(samples(1000 + np.arange(60) * 0.9), "handles").verdict == "growing"
    assert trend(samples(np.arange(60) * 0.01), "handles").verdict == "flat"
    assert trend(samples(warm), "threads").an_hour == 0
    assert trend(samples(warm), "shared_mb").verdict == "not judged"


def test_few_turns_say_nothing_and_the_unfinished_one_is_not_counted() -> None:
    hours, values = turn_medians(samples(np.array([1, 2, 3])), "handles")
    assert values == [1, 2]
    assert np.allclose(hours, np.array([24, 84]) / 3600)
    assert trend(samples(np.arange(LEAST_TURNS)), "handles").verdict == "too few turns"
    assert trend([], "handles").verdict == "too few turns"


def test_the_whole_tree_of_processes_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "left").write_bytes(b"")
    inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", inner], stdin=subprocess.PIPE) as process:
        while len(tree(process.pid)) < 2:
            time.sleep(0.01)
        alone = look(os.getpid(), 1.0, 2, tmp_path)
        below = look(process.pid, 1.0, 2, tmp_path)
        process.communicate(b"\n")
    assert below.processes == 2
    assert alone.processes >= 3, "this one, and the two below it"
    assert 0 < below.own_mb < below.resident_mb < alone.resident_mb
    assert below.handles >= 6
    assert below.threads >= 2
    assert below.temporary == 1
    assert (below.seconds, below.turn) == (1.0, 2)
    assert tree(process.pid) == []


@pytest.mark.slow
def test_a_short_soak_trains_and_preprocesses_over_and_over(tmp_path: Path) -> None:
    out = tmp_path / "soak.json"
    report = bench(BenchSoakSettings(minutes=1.5, people=8, out=out))
    assert json.loads(out.read_text())["rule"] == report["rule"]
    assert out.with_suffix(".png").stat().st_size > 10_000
    for job in ("training", "preprocessing"):
        looks = report["samples"][job]
        assert len(looks) > 10
        assert max(each["resident_mb"] for each in looks) > 100
        assert {*report["trends"][job]} == {*COUNTED}
    assert max(each["processes"] for each in report["samples"]["preprocessing"]) >= 3, "two workers"
