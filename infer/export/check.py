"""Check that the files of an export answer as the module that they were made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from faces.cache.reader import Cache
from faces.labels import FloatArray
from infer.export.network import Exported, RunOnViews
from infer.export.onnx import OnnxModel, quiet
from infer.export.program.crops import look, resize
from infer.predict.runs import Run
from train.engine.finite import CHANGE, FiniteOutputs

TOLERANCE = 1e-4
"""Largest difference of a probability from the runs' own."""
CHECKED = 16
"""Crops that both models are checked on."""


def pictures(model: Exported, cache: Cache | None) -> dict[str, FloatArray]:
    """Float32 [n, 3, S, S] photos, 0 to 255, for every input of a model, by name.

    Args:
        model: to be checked.
        cache: whose crops are shown, spread over its rows; random pictures of few colours if None.
    """
    if cache is not None and len(cache):
        rows = np.unique(np.linspace(0, len(cache) - 1, CHECKED).astype(int))
        crops = [np.asarray(cache.image(int(row)))[..., :3] for row in rows]
    else:
        rng = np.random.default_rng(0)
        crops = [resize(rng.integers(0, 256, (6, 6, 3), np.uint8), 256) for _ in range(CHECKED)]
    return {
        each.name: np.stack([look(crop, each.size, each.centre) for crop in crops]) for each in model.inputs
    }


@torch.inference_mode()
def check_export(model: Exported, folder: Path, photos: Mapping[str, FloatArray], console: Console) -> None:
    """Compare both files, loaded anew, with the module that they were made of.

    One photo alone is compared, too, since a batch of any size must do.

    Args:
        model: the module.
        folder: of model.onnx and model.pt2.
        photos: of `pictures`.
        console: a line for each file is printed to it.

    Raises:
        ValueError: a probability is not finite or differs by more than `TOLERANCE`, or a choice differs.
    """
    expected = _named(model, model(*map(torch.from_numpy, photos.values())))
    with quiet():
        program = torch.export.load(folder / "model.pt2").module()
    session = OnnxModel(folder / "model.onnx")

    def loaded(some: Mapping[str, FloatArray]) -> dict[str, NDArray[Any]]:
        return _named(model, program(*map(torch.from_numpy, some.values())))

    for path, answer in ((folder / "model.onnx", session), (folder / "model.pt2", loaded)):
        difference = 0.0
        for count in (1, len(next(iter(photos.values())))):
            outputs = answer({name: values[:count] for name, values in photos.items()})
            for name, values in outputs.items():
                difference = max(difference, difference_of(values, expected[name][:count]))
        size = path.stat().st_size / 1e6
        console.print(f"{path}: {size:.1f} MB, largest difference from the runs {difference:.1e}")
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: answers otherwise than the runs it was made of (by {difference:.2g}, where "
                f"{TOLERANCE:g} is allowed); do not use it"
            )


def difference_of(values: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference of two arrays: infinite where one holds a NaN or an infinity, or is of another
    shape, so that such answers are never taken for alike."""
    if values.shape != expected.shape or not (np.isfinite(values).all() and np.isfinite(expected).all()):
        return math.inf
    return float(np.abs(values.astype(np.float64) - expected).max())


@torch.inference_mode()
def check_finite(model: Exported, runs: Sequence[Run], photos: Mapping[str, FloatArray]) -> None:
    """Refuse runs that overflow: what they answer, here or in any file made of them, is no answer.

    Args:
        model: of the runs.
        runs: in its order.
        photos: of `pictures`.

    Raises:
        ValueError: outputs of a run are not finite; it is named.
    """
    inputs = [torch.from_numpy(values) for values in photos.values()]
    for run, place, member in zip(runs, model.places, model.members, strict=True):
        assert isinstance(member, RunOnViews)
        outputs, count = member.outputs(inputs[place]), len(inputs[place])
        finite = FiniteOutputs(count * len(member.looks))
        for task, coding in member.codings.items():
            finite.look(task, outputs[task], coding.probabilities(outputs[task]), slice(None))
        finite.check(
            f"{run.path}, in fp32",
            f"leave this run out of the export, or train its recipe under another name with {CHANGE}",
            lambda at, count=count: f"{at % count} of the {count} shown",  # type: ignore[misc]
        )


def _named(model: Exported, outputs: tuple[torch.Tensor, ...]) -> dict[str, NDArray[Any]]:
    return {name: values.numpy() for name, values in zip(model.outputs, outputs, strict=True)}
