"""Answers that are not finite never pass for alike."""

from pathlib import Path

import numpy as np
import pytest
import torch

from infer.export.check import TOLERANCE, difference_of
from infer.export.command import ExportSettings, run
from tests.helpers.runs.fold_runs import change_weights
from tests.helpers.runs.untrained_runs import write_run
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask",), backbone="test_resnet", image_size=32, precision="fp32", epochs=1)


def test_a_difference_is_the_largest_and_infinite_where_it_cannot_be_taken() -> None:
    ones = np.ones((2, 3), np.float32)
    assert difference_of(ones, ones) == 0
    assert difference_of(ones, ones * np.array([1, 0.75, 0.5])) == 0.5
    choices = np.array([0, 17])
    assert difference_of(choices, choices) == 0 and difference_of(choices, choices[::-1]) > TOLERANCE
    for bad in (np.nan, np.inf, -np.inf):
        wrong = ones.copy()
        wrong[1, 2] = bad
        for pair in ((wrong, ones), (ones, wrong), (wrong, wrong)):
            assert difference_of(*pair) == np.inf
    assert difference_of(ones, ones[:1]) == np.inf


@pytest.mark.parametrize(
    ("factor", "message"), [(1e30, "the outputs for 16 photos are not finite"), (np.nan, "NaN or")]
)
def test_a_run_that_overflows_is_not_exported(tmp_path: Path, factor: float, message: str) -> None:
    path = write_run(tmp_path / "runs" / "small", RECIPE)

    def grown(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {
            name: value * factor if name.startswith("heads") or name.endswith("bn1.weight") else value
            for name, value in state.items()
        }

    change_weights(path, grown, resealed=True)
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=rf"^{path}.*{message}.*; ") as found:
        run(ExportSettings(run=path.parent, out=out, predictor=False))
    assert "\n" not in str(found.value) and not out.exists()
