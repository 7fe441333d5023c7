"""Trained weights that are whole files, and not what was trained."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.faults.mutations import Fault
from train.engine.checkpoint import load_best, save_best

RUN, OTHER_FOLD, OTHER_RECIPE = "runs/tiny/fold0", "runs/tiny/fold1", "runs/other/fold0"
BEST = f"{RUN}/best.safetensors"


def weight_faults() -> Iterator[Fault]:
    """NaN weights with all digests right, folds exchanged, files of another recipe."""
    yield Fault(BEST, "NaN weights", "one NaN, all digests right", _with_nan)
    yield Fault(BEST, "folds exchanged", "fold0 and fold1 exchanged", _exchange)
    for name in ("best.safetensors", "oof.parquet", "request.json", "recipe.toml", "last.pt"):
        for other in (OTHER_FOLD, OTHER_RECIPE):
            yield Fault(f"{RUN}/{name}", "of another run", f"{name} of {other}", _take(other, name))
    yield Fault(BEST, "of another run", "the whole folder of another recipe's fold", _take_all)


def _with_nan(folder: Path) -> None:
    network, card = load_best(folder / BEST)
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] = float("nan")
    save_best(network, card, folder / BEST)


def _exchange(folder: Path) -> None:
    aside = folder / "aside"
    (folder / RUN).rename(aside)
    (folder / OTHER_FOLD).rename(folder / RUN)
    aside.rename(folder / OTHER_FOLD)


def _take(other: str, name: str):  # type: ignore[no-untyped-def]
    def take(folder: Path) -> None:
        (folder / RUN / name).unlink()
        shutil.copy(folder / other / name, folder / RUN / name)

    return take


def _take_all(folder: Path) -> None:
    shutil.rmtree(folder / RUN)
    shutil.copytree(folder / OTHER_RECIPE, folder / RUN)
