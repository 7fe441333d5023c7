"""Check that the files of an export answer as the module that they were made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from faces.cache.reader import Cache
from faces.labels import FloatArray
from infer.export.network import CHOICE, Exported
from infer.export.onnx import OnnxModel, quiet
from infer.export.program.crops import look, resize

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
        each.name: np.stack([look(crop, each.size, each.centre) for crop in crops])
        for each in model.inputs
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
        ValueError: a probability differs by more than `TOLERANCE`, or a choice differs.
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
                off = np.abs(values - expected[name][:count]).max()
                difference = max(difference, float(off if name != CHOICE else off > 0))
        size = path.stat().st_size / 1e6
        console.print(f"{path}: {size:.1f} MB, largest difference from the runs {difference:.1e}")
        if not difference <= TOLERANCE:
            raise ValueError(
                f"{path}: answers otherwise than the runs it was made of (by {difference:.2g}, where "
                f"{TOLERANCE:g} is allowed); do not use it"
            )


def _named(model: Exported, outputs: tuple[torch.Tensor, ...]) -> dict[str, NDArray[Any]]:
    return {name: values.numpy() for name, values in zip(model.outputs, outputs, strict=True)}
