"""What can only be read: it answers without keeping, and nothing is computed that could not be written."""

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faces import files
from faces.cache.reader import Cache
from infer.command import InferSettings
from infer.command import run as run_infer
from infer.evaluate.command import EvaluateSettings
from infer.evaluate.command import run as run_evaluate
from infer.evaluate.standings import StandingsSettings
from infer.evaluate.standings import run as run_standings
from infer.export.command import ExportSettings
from infer.export.command import run as run_export
from infer.predict import networks, store
from infer.predict.out_of_fold import plan_out_of_fold
from infer.tune.command import TuneSettings
from infer.tune.command import run as run_tune
from infer.tune.select import SelectSettings
from infer.tune.select import run as run_select
from tests.helpers.runs.fold_runs import write_runs
from train.engine.compute import PredictCompute

COMPUTE = PredictCompute(device="cpu", threads=1)


@pytest.fixture(scope="module")
def place(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes, and an ensemble of both that looks twice, so that networks must answer."""
    folder = tmp_path_factory.mktemp("read_only")
    for seed, name in enumerate(("one", "two")):
        write_runs(folder / "runs", coloured, name, seed=seed)
    (folder / "both.toml").write_text('vote = ["one", "two"]\nviews = ["original", "flip"]')
    return folder


def refuse(*_: object, **__: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system", "writable")


def test_runs_that_can_only_be_read_answer_alike_and_it_is_said_once(
    coloured: Cache, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_out_of_fold(["one", "two"], place / "runs", coloured)
    lines: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(store, "write_atomically", refuse)
        unkept = plan.answered(("original", "flip"), COMPUTE, say=lines.append)
    [line] = lines
    assert line.startswith(f"{place / 'runs'}: its runs may only be read (Read-only file system): ")
    assert not [*place.glob("runs/*/*/predicted/*")]
    kept = plan.answered(("original", "flip"), COMPUTE, say=lines.append)
    assert len(lines) == 1 and len([*place.glob("runs/*/*/predicted/*")]) == 6
    for recipe, [heads] in kept.items():
        for task, values in heads.items():
            np.testing.assert_array_equal(values, unkept[recipe][0][task])


COMMANDS: dict[str, Callable[[Path, Cache], object]] = {
    "infer": lambda place, cache: run_infer(
        InferSettings(
            ensemble=place / "both.toml",
            cache=cache.folder,
            runs=place / "runs",
            predictions=place / "out",
            compute=COMPUTE,
        )
    ),
    "evaluate": lambda place, cache: run_evaluate(
        EvaluateSettings(
            ensemble=place / "both.toml",
            cache=cache.folder,
            runs=place / "runs",
            predictions=place / "out",
            compute=COMPUTE,
        )
    ),
    "tune": lambda place, cache: run_tune(
        TuneSettings(
            ensemble=place / "both.toml",
            cache=cache.folder,
            runs=place / "runs",
            out=place / "out" / "x.toml",
            compute=COMPUTE,
        )
    ),
    "select": lambda place, cache: run_select(
        SelectSettings(
            cache=cache.folder,
            runs=place / "runs",
            views=("flip",),
            out=place / "out" / "x.toml",
            compute=COMPUTE,
        )
    ),
    "standings": lambda place, cache: run_standings(
        StandingsSettings(
            ensembles=(place / "both.toml",),
            cache=cache.folder,
            runs=place / "runs",
            out=place / "out" / "x.png",
            compute=COMPUTE,
        )
    ),
    "export": lambda place, cache: run_export(
        ExportSettings(run=place / "runs" / "one" / "fold0", out=place / "out", predictor=False)
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_where_nothing_can_be_written_is_told_before_photos_are_computed(
    coloured: Cache, place: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    computed: list[str] = []

    def compute(*_: object, **__: object) -> None:
        computed.append(command)
        raise AssertionError("computed before it was known that nothing can be written")

    monkeypatch.setattr(networks.NetworkGroup, "predict", compute)
    monkeypatch.setattr("infer.export.files.to_program", compute)
    monkeypatch.setattr(files.tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="Read-only file system") as found:
        COMMANDS[command](place, coloured)
    assert str(place / "out") in str(found.value.filename) and not computed
    assert not [path for path in (place / "out").rglob("*") if path.is_file()]
