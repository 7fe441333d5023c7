"""A fold that is killed in the middle and goes on, beside one that nothing disturbed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from safetensors.torch import load_file

from doctor.finding import Finding
from doctor.gpu_check.place import Place, drawn_cache, run_module
from doctor.process import ROOT

SAVES: Final = 3
"""Saved states after which the training is killed."""
_PATIENCE: Final = 60
_RECIPE: Final = """tasks = ["mask", "gender", "age3"]
backbone = "resnet10t"
image_size = 96
augment = "strong"
epochs = 2
batch_size = {batch}
precision = "{precision}"
"""


def resume(place: Place) -> Finding:
    """In fp16 on a GPU, with a save after every batch."""
    cache = drawn_cache(place)
    folder = place.folder / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    recipe = folder / "resumed.toml"
    precision = "fp16" if place.device == "cuda" else "fp32"
    recipe.write_text(_RECIPE.format(precision=precision, batch=max(8, len(cache) // 20)), encoding="utf-8")
    options = [f"--recipe={recipe}", f"--cache={cache.folder}", "--fold=0", f"--device={place.device}"]
    options += ["--checkpoint-minutes=0"]
    run_module("train", *options, f"--runs={folder / 'whole'}")
    _kill_in_the_middle([*options, f"--runs={folder / 'killed'}"], folder / "killed/resumed/fold0/last.pt")
    run_module("train", *options, f"--runs={folder / 'killed'}", "--resume")
    apart = _apart(*(folder / name / "resumed/fold0/best.safetensors" for name in ("whole", "killed")))
    how = "with the bits of one that nobody killed" if not apart else f"weights {apart:.2g} apart from one"
    return Finding(words=f"a fold in {precision}, killed after {SAVES} saves, went on to its end, {how}")


def _kill_in_the_middle(options: list[str], state: Path) -> None:
    """Begin a training and kill it at its third saved state.

    Raises:
        RuntimeError: it ended before that.
    """
    begun, saves, last = time.monotonic(), 0, 0
    with subprocess.Popen([sys.executable, "-m", "train", *options], cwd=ROOT) as training:
        while saves < SAVES and training.poll() is None and time.monotonic() - begun < _PATIENCE:
            time.sleep(0.005)
            now = state.stat().st_mtime_ns if state.is_file() else last
            saves, last = saves + (now != last), now
        ended = training.poll()
        training.kill()
    if ended is not None or saves < SAVES:
        raise RuntimeError(
            f"the training to be killed had {saves} saves, exit code {ended}; its log tells more"
        )


def _apart(first: Path, second: Path) -> float:
    """The largest difference of two networks' weights."""
    weights, others = load_file(first), load_file(second)
    return max(float((weights[name].double() - others[name].double()).abs().max()) for name in weights)
