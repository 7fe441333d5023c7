import importlib.machinery
import importlib.util
import json
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from faces.cache.reader import Cache
from faces.command import to_table
from faces.labels import TASKS
from faces.storage.documents import DamagedError
from train.recipe.recipe import Recipe
from train.results.tracker_backends import _mlflow_name
from train.results.trackers import check_installed, open_trackers

RECIPE = to_table(Recipe(backbone="resnet18", epochs=3))
CLASS = "wear male >=60"


def epoch_row(epoch: int, f1: float = 0.5) -> dict[str, float]:
    scores = {"macro_f1": f1, "mask": 0.75, f"f1 {CLASS}": 0.25, "f1 normal male <30": float("nan")}
    return {
        "epoch": float(epoch),
        "lr": 0.125,
        "loss": 2.0 - epoch,
        **scores,
        "images_per_s": 64.0,
        "seconds": 8.0,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "runs" / "resnet18" / "fold1"
    run.mkdir(parents=True)
    return run


@pytest.fixture(autouse=True)
def _nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_CONFIG_DIR", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)


def predictions(cache: Cache, *tasks: str) -> pd.DataFrame:
    """An out-of-fold table of 30 photos that says the first class of everyone."""
    known = cache.index.loc[:29, ["position", "image_id", "person", "mask", "gender", "age"]].assign(fold=1)
    columns = {
        f"{t}:{name}": np.full(30, float(i == 0), np.float32)
        for t in tasks
        for i, name in enumerate(TASKS[t].classes)
    }
    return pd.concat([known, pd.DataFrame(columns)], axis=1)


def events(folder: Path) -> EventAccumulator:
    read = EventAccumulator(str(folder / "events"))
    read.Reload()
    return read


def test_tensorboard_groups_scalars_and_leaves_out_what_is_not_finite(folder: Path) -> None:
    with open_trackers((), folder, RECIPE, 0) as tracker:
        tracker.epoch(epoch_row(0))
    read = events(folder)
    found = {tag: [(s.step, s.value) for s in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert found == {
        "train/lr": [(0, 0.125)],
        "train/loss": [(0, 2.0)],
        "train/images_per_s": [(0, 64.0)],
        "train/seconds": [(0, 8.0)],
        "score/macro_f1": [(0, 0.5)],
        "score/mask": [(0, 0.75)],
        f"class_f1/{CLASS}": [(0, 0.25)],
    }


def test_scalars_can_be_seen_while_training_goes_on(folder: Path) -> None:
    with open_trackers((), folder, RECIPE, 0) as tracker:
        for epoch in range(2):
            tracker.epoch(epoch_row(epoch))
        assert [s.value for s in events(folder).Scalars("train/loss")] == [2.0, 1.0]


def test_a_run_without_validation_has_training_scalars_only(folder: Path) -> None:
    with open_trackers((), folder, RECIPE, 0) as tracker:
        tracker.epoch({"epoch": 0.0, "lr": 0.1, "loss": 1.0, "images_per_s": 5.0, "seconds": 1.0})
    assert {tag.split("/")[0] for tag in events(folder).Tags()["scalars"]} == {"train"}


@pytest.mark.parametrize("tasks", [("class18",), ("age6", "senior")])
def test_the_last_best_epoch_leaves_its_pictures(
    folder: Path, coloured: Cache, tasks: tuple[str, ...]
) -> None:
    table = predictions(coloured, *tasks)
    with open_trackers((), folder, RECIPE, 0) as tracker:
        for epoch in range(2):
            tracker.epoch(epoch_row(epoch))
            tracker.kept(table, coloured, epoch)
    read = events(folder)
    assert {*read.Tags()["images"]} == {"confusion", "worst"}
    # Two epochs of no length: the first one's pictures would have taken longer than training.
    assert [image.step for image in read.Images("confusion")] == [1]
    assert all(image.encoded_image_string.startswith(b"\x89PNG") for image in read.Images("worst"))


def test_a_long_epoch_has_its_pictures_at_once(
    folder: Path, coloured: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, *np.arange(100.0, 1e4, 10)])
    monkeypatch.setattr("train.results.trackers.time.perf_counter", lambda: next(clock))
    table = predictions(coloured, "age3")
    with open_trackers((), folder, RECIPE, 0) as tracker:
        tracker.kept(table, coloured, 0)
        assert len(tracker._backends) == 1
        tracker._backends[0]._events.flush()  # type: ignore[attr-defined]
        assert [image.step for image in events(folder).Images("confusion")] == [0]


def test_an_interrupted_epoch_is_replaced_in_tensorboard(folder: Path) -> None:
    with open_trackers((), folder, RECIPE, 0) as tracker:
        tracker.epoch(epoch_row(0, 0.25))
        tracker.epoch(epoch_row(1, 0.5))
    with open_trackers((), folder, RECIPE, 1) as tracker:
        tracker.epoch(epoch_row(1, 0.75))
    assert [(s.step, s.value) for s in events(folder).Scalars("score/macro_f1")] == [(0, 0.25), (1, 0.75)]


def test_a_missing_package_is_named_with_the_cure(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlflow" else found(name))
    with pytest.raises(ValueError, match=r"'mlflow'.*extra \[mlflow\].*pip install mlflow-skinny"):
        open_trackers(("wandb", "mlflow"), folder, RECIPE, 0)
    assert not [*folder.iterdir()]


def test_a_folder_named_wandb_is_not_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = importlib.machinery.ModuleSpec("wandb", None, is_package=True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: empty)
    with pytest.raises(ValueError, match="pip install wandb"):
        check_installed(["wandb"])


def records(path: Path) -> Iterator[Any]:
    """Records of a .wandb file: after a 7-byte header, LevelDB's log format of blocks of 32 KiB."""
    from wandb.proto import wandb_internal_pb2 as proto

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = proto.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def wandb_rows(path: Path) -> list[dict[str, Any]]:
    """What was logged, call by call."""
    rows = []
    for record in records(path):
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
    return rows


@pytest.mark.slow
def test_wandb_keeps_a_run_on_disk_and_goes_on_with_it_under_the_same_id(
    folder: Path, coloured: Cache
) -> None:
    with open_trackers(["wandb"], folder, RECIPE, 0) as tracker:
        tracker.epoch(epoch_row(0))
        tracker.kept(predictions(coloured, "age3"), coloured, 0)
    with open_trackers(["wandb"], folder, RECIPE, 1) as tracker:
        tracker.epoch(epoch_row(1))
    number = json.loads((folder / "trackers.json").read_text())["wandb"]
    lives = sorted(folder.glob(f"wandb/offline-run-*-{number}/run-{number}.wandb"))
    assert len(lives) == 2
    rows = [row for life in lives for row in wandb_rows(life)]
    losses = [(row["epoch"], row["train/loss"]) for row in rows if "train/loss" in row]
    assert losses == [(0, 2.0), (1, 1.0)]
    assert rows[0][f"class_f1/{CLASS}"] == 0.25
    assert {"confusion", "worst"} <= {key.split("/")[0] for row in rows for key in row}
    assert [*folder.glob("wandb/offline-run-*/files/media/images/worst_*.png")]
    [run] = [r.run for r in records(lives[0]) if r.WhichOneof("record_type") == "run"]
    assert (run.project, run.display_name, run.run_group) == ("facefold", "resnet18/fold1", "resnet18")
    config = {item.key: item.value_json for item in run.config.update}
    assert json.loads(config["backbone"]) == "resnet18"


@pytest.fixture
def mlflow_run(folder: Path) -> Callable[[], tuple[Any, Any]]:
    """The client and the only run of the store beside the recipes' folders."""
    from mlflow.tracking import MlflowClient

    def only() -> tuple[Any, Any]:
        client = MlflowClient(f"sqlite:///{folder.parents[1] / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("facefold")
        assert experiment is not None
        [run] = client.search_runs([experiment.experiment_id])
        return client, run

    return only


@pytest.mark.slow
def test_mlflow_keeps_a_run_beside_the_others_and_goes_on_with_it(
    folder: Path, coloured: Cache, mlflow_run: Callable[[], tuple[Any, Any]]
) -> None:
    with open_trackers(["mlflow"], folder, RECIPE, 0) as tracker:
        tracker.epoch(epoch_row(0))
        tracker.epoch(epoch_row(1))
        tracker.kept(predictions(coloured, "age3"), coloured, 1)
    # Training goes on from a state before the second epoch ended.
    with pytest.raises(KeyboardInterrupt), open_trackers(["mlflow"], folder, RECIPE, 1) as tracker:
        tracker.epoch(epoch_row(1))
        tracker.epoch(epoch_row(2))
        raise KeyboardInterrupt
    client, run = mlflow_run()
    assert run.info.run_name == "resnet18/fold1"
    assert run.info.status == "FAILED"
    assert run.data.params["optimiser.lr"] == "0.001"
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(metric.step, metric.value) for metric in history] == [(0, 2.0), (1, 1.0), (2, 0.0)]
    assert run.data.metrics["class_f1/wear male from 60"] == 0.25
    [picture] = client.list_artifacts(run.info.run_id, "confusion")
    assert picture.path == "confusion/epoch0001.png"
    assert (folder.parents[1] / "mlartifacts" / run.info.run_id / "artifacts" / picture.path).is_file()


@pytest.mark.slow
def test_a_run_whose_mlflow_store_is_gone_begins_anew(
    folder: Path, mlflow_run: Callable[[], tuple[Any, Any]]
) -> None:
    (folder / "trackers.json").write_text(json.dumps({"mlflow": "0" * 32, "wandb": "kept"}))
    with open_trackers(["mlflow"], folder, RECIPE, 0) as tracker:
        tracker.epoch(epoch_row(0))
    _, run = mlflow_run()
    assert run.info.status == "FINISHED"
    kept = json.loads((folder / "trackers.json").read_text())
    assert (kept["mlflow"], kept["wandb"]) == (run.info.run_id, "kept")


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"wandb": 5}', '{"wandb": "a", "seal": "facefold-sha256:0"}']
)
def test_ids_that_are_damaged_are_refused(folder: Path, text: str) -> None:
    (folder / "trackers.json").write_text(text)
    with pytest.raises(DamagedError, match=r"trackers.json: .*; move it away, and the run is followed"):
        open_trackers(["wandb"], folder, RECIPE, 0)


def test_no_two_metrics_share_a_name_in_mlflow() -> None:
    names = [
        f"class_f1/{name}"
        for name in (CLASS, "c++", "c#", "\N{GRINNING FACE}", "\N{CRYING FACE}", "sehr jung")
    ]
    plain = [_mlflow_name(name) for name in (*names, "score/age[20, 40]_f1", "score/mask*gender_f1")]
    assert len({*plain}) == len(plain)
    assert plain[0] == "class_f1/wear male from 60"
    assert plain[-2:] == ["score/age_20_ 40__f1", "score/mask_gender_f1"]
    assert all(re.fullmatch(r"[/\w.\- :]*", name) for name in plain)
