"""Training on a cache with damaged crops: stopped with a name, or gone through without them."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from pipeline.loader import Loader
from tests.helpers.coloured import SETTINGS, SIZE, coloured_sample
from tests.helpers.runs.undrawn import undrawn
from train.assemble import FoldPlan
from train.command import TrainSettings, run
from train.damage_notes import DamageNotes, without_damaged
from train.data.rows import fold_rows
from train.engine.compute import Compute
from train.engine.state import load_state
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")

RECIPE = Recipe(
    tasks=("mask",),
    backbone="test_resnet",
    image_size=32,
    augment="light",
    epochs=2,
    batch_size=8,
    precision="fp32",
    optimiser=Optimiser(lr=4e-3),
)
PEOPLE, FOLD, FOLDS = 24, 1, 3


def write_jpegs(folder: Path, damaged: Collection[int] = ()) -> Cache:
    """72 labelled JPEG crops in one shard, row i being photo i; the damaged ones are stored cut in half."""
    samples = []
    for position in range(3 * PEOPLE):
        sample = coloured_sample(position, position // 3, position % 3, labelled=True)
        buffer, pixels = io.BytesIO(), np.frombuffer(sample.data or b"", np.uint8)
        Image.fromarray(pixels.reshape(SIZE, SIZE, 3)).save(buffer, "JPEG", quality=95)
        data = buffer.getvalue()
        data = data[: len(data) // 2] if position in damaged else data
        samples.append(dataclasses.replace(sample, data=data))
    writer = CacheWriter(
        folder, settings={**SETTINGS, "codec": "jpeg"}, labels=CONTEST, source={}, shard_count=1
    )
    writer.write(0, samples)
    return writer.finish()


class Lines(Watch):
    """Keeps the lines, and may interrupt after so many batches."""

    def __init__(self, batches: int = 10**9) -> None:
        self.lines: list[str] = []
        self.left = batches

    def advance(self, photos: int, loss: float = float("nan")) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, int]:
    """A row of the fold's training side and one of its validation side."""
    cache = write_jpegs(tmp_path_factory.mktemp("caches") / "whole")
    rows = fold_rows(cache, RECIPE.tasks, fold=FOLD, folds=FOLDS, seed=0)
    return int(rows.training[4]), int(rows.validation[3])


@pytest.fixture(scope="module")
def damaged(sides: tuple[int, int], tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_jpegs(tmp_path_factory.mktemp("caches") / "damaged", sides)


def plan(cache: Cache, folder: Path, **changed: object) -> FoldPlan:
    settings: dict = {
        "recipe": RECIPE,
        "cache": cache,
        "fold": FOLD,
        "folds": FOLDS,
        "fold_seed": 0,
        "folder": folder,
        "device": "cpu",
        "threads": 1,
        "checkpoint_minutes": 0.0,
        "on_damage": "skip",
    }
    return FoldPlan(**(settings | changed))


def test_by_default_training_stops_and_names_the_crop(
    damaged: Cache, sides: tuple[int, int], tmp_path: Path
) -> None:
    with pytest.raises(
        ValueError, match=rf"key ({sides[0]:08d}|{sides[1]:08d}) \(shard 00000.tar, .*--on-damage skip"
    ):
        train_fold(plan(damaged, tmp_path, on_damage="stop"), Watch())


def test_skipping_trains_and_validates_on_the_others_and_lists_both(
    damaged: Cache, sides: tuple[int, int], tmp_path: Path
) -> None:
    watch = Lines()
    train_fold(plan(damaged, tmp_path), watch)
    noted = pd.read_csv(tmp_path / "skipped.csv", dtype={"key": str})
    assert noted.side.tolist() == ["validation", "training"]
    assert noted.key.tolist() == [f"{sides[1]:08d}", f"{sides[0]:08d}"]
    assert noted.reason.str.contains("truncated").all() and set(noted.shard) == {"00000.tar"}
    told = [line for line in watch.lines if "are damaged" in line]
    assert all(str(tmp_path) in line for line in told)
    assert len(told) == 2, "each is noted once, not every epoch"
    answered = pd.read_parquet(tmp_path / "oof.parquet").position
    rows = fold_rows(damaged, RECIPE.tasks, fold=FOLD, folds=FOLDS, seed=0)
    assert answered.tolist() == [row for row in rows.validation if row != sides[1]]


@pytest.mark.parametrize(("device", "decoder"), [("cpu", "cpu"), ("cuda", "gpu")])
def test_validation_crops_are_judged_by_the_decoder_that_validation_has(
    damaged: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str, decoder: str
) -> None:
    """Decoded by the CPU here, whatever they ask for: what is found is left out."""
    asked = []

    def on_the_cpu(*arguments: Any, **settings: Any) -> Loader:
        asked.append(settings.pop("device"))
        return Loader(*arguments, **settings)

    monkeypatch.setattr("train.damage_notes.Loader", on_the_cpu)
    rows = fold_rows(damaged, RECIPE.tasks, fold=FOLD, folds=FOLDS, seed=0)
    kept = without_damaged(damaged, rows, 32, device, DamageNotes(tmp_path, damaged, Watch()))
    assert asked == [decoder]
    assert len(kept.validation) == len(rows.validation) - 1
    assert np.array_equal(kept.training, rows.training)


@pytest.mark.gpu
def test_a_gpu_trains_and_validates_without_what_its_decoder_refuses(
    damaged: Cache, sides: tuple[int, int], tmp_path: Path
) -> None:
    """It may forgive cut JPEGs: what is noted must be what is left out of validation, and nothing end it."""
    train_fold(plan(damaged, tmp_path, device="cuda"), Watch())
    path = tmp_path / "skipped.csv"
    noted = {*pd.read_csv(path, dtype={"key": str}).key} if path.is_file() else set()
    answered = pd.read_parquet(tmp_path / "oof.parquet").position.tolist()
    rows = fold_rows(damaged, RECIPE.tasks, fold=FOLD, folds=FOLDS, seed=0)
    assert answered == [row for row in rows.validation if f"{row:08d}" not in noted]
    assert noted <= {f"{row:08d}" for row in sides}


@pytest.fixture(scope="module")
def whole_skipped(damaged: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the damaged crops that was never cut."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with undrawn():
        train_fold(plan(damaged, folder), Watch())
    return folder


@pytest.mark.parametrize("batches", [*(pytest.param(n, marks=pytest.mark.slow) for n in (2, 5, 7)), 11])
def test_skipping_resumes_to_the_same_bits(
    damaged: Cache, whole_skipped: Path, tmp_path: Path, batches: int
) -> None:
    whole, cut = whole_skipped, tmp_path
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(damaged, cut), Lines(batches))
    train_fold(plan(damaged, cut), Watch())
    states = [load_state(folder / "last.pt") for folder in (whole, cut)]
    assert states[0] is not None and states[1] is not None
    for name, tensor in states[0]["model"].items():
        assert torch.equal(tensor, states[1]["model"][name]), name
    for name in ("best.safetensors", "oof.parquet", "skipped.csv"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on undamaged crops that was never cut, and would have left damaged ones out."""
    folder = tmp_path_factory.mktemp("undamaged")
    with undrawn():
        train_fold(plan(write_jpegs(folder / "cache"), folder / "whole"), Watch())
    return folder / "whole"


def test_an_undamaged_cache_trains_to_the_same_bits_with_skip(whole: Path, tmp_path: Path) -> None:
    train_fold(plan(write_jpegs(tmp_path / "cache"), tmp_path / "stop", on_damage="stop"), Watch())
    stop, skip = (folder / "best.safetensors" for folder in (tmp_path / "stop", whole))
    assert stop.read_bytes() == skip.read_bytes()
    assert not (whole / "skipped.csv").exists()


def test_the_command_skips_crops_of_a_shard_that_was_overwritten_in_part(
    tmp_path: Path, sides: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    cache = write_jpegs(tmp_path / "cache")
    shard, place = tmp_path / "cache" / "shards" / "00000.tar", cache.index.loc[sides[0]]
    data = bytearray(shard.read_bytes())
    data[place.offset : place.offset + place.length] = bytes(place.length)
    shard.write_bytes(data)
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'tasks = ["mask"]\nbackbone = "test_resnet"\nimage_size = 32\nepochs = 1\nbatch_size = 8\n'
        'precision = "fp32"\n'
    )
    shared: dict = {"recipe": recipe, "cache": cache.folder, "fold": (FOLD,), "folds": FOLDS}
    settings = TrainSettings(
        **shared, runs=tmp_path / "runs", compute=Compute(device="cpu"), on_damage="skip"
    )
    with pytest.raises(ValueError, match=r"00000\.tar: content differs"):
        run(dataclasses.replace(settings, on_damage="stop"))
    run(settings)
    assert "00000.tar differ from their recorded sha256" in capsys.readouterr().err
    noted = pd.read_csv(tmp_path / "runs" / "tiny" / f"fold{FOLD}" / "skipped.csv", dtype={"key": str})
    assert noted.key.tolist() == [f"{sides[0]:08d}"]


@pytest.mark.parametrize("name", [pytest.param("cache.json", marks=pytest.mark.slow), "shards/00000.tar"])
def test_a_cache_deleted_while_training_is_named_and_training_goes_on_once_it_is_back(
    whole: Path, tmp_path: Path, name: str
) -> None:
    cache, cut, away = write_jpegs(tmp_path / "cache"), tmp_path / "cut", tmp_path / "away"

    class Deleter(Lines):
        def scored(self, *_: object) -> None:
            (cache.folder / name).rename(away)

    with pytest.raises(
        ValueError, match=rf"changed while it was in use: .*{Path(name).name}.*the same command"
    ):
        train_fold(plan(cache, cut), Deleter())
    away.rename(cache.folder / name)
    train_fold(plan(cache, cut), Watch())
    assert (whole / "best.safetensors").read_bytes() == (cut / "best.safetensors").read_bytes()
