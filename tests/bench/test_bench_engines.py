"""What is measured of the engines of stage 1."""

import importlib.util
import json
from pathlib import Path

import pytest

from bench.engines.command import BenchEnginesSettings, bench
from bench.engines.work import middle_speed
from faces.sample.dataset import write_sample


def test_the_speed_of_the_middle_in_numbers() -> None:
    """Ten shards of 4 photos, two seconds each, after a start of a minute and with a slow last one."""
    written = [60.0 + 2 * number for number in range(9)] + [500.0]
    assert middle_speed(written[::-1], photos=40) == pytest.approx(2)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra ray is not installed; make setup EXTRAS=ray"
)
def test_all_engines_make_one_cache(tmp_path: Path) -> None:
    write_sample(tmp_path / "data", people=6, seed=0, workers=1)
    out = tmp_path / "engines.json"
    data = tmp_path / "data" / "train"
    bench(BenchEnginesSettings(data=data, photos=20, shard_size=2, workers=2, repetitions=1, out=out))
    report = json.loads(out.read_text())
    assert len(report["sha256"]) == 64 and len(report["rows"]) == 3
    assert report["rows"][0]["ratio"] == 1
