"""Which model answers: the one that is named, or the newest that was trained or exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faces.command import typed
from serve.photo.exported import EXPORTS, exported, exported_run
from serve.photo.model import MODEL

BEST: Final = "best.safetensors"
DEMO_RUNS: Final = Path("demo/runs")
"""Where `make demo` trains."""
_NONE: Final = """no trained or exported model in {places}, so nobody can answer yet. Either
  make demo                      trains in minutes on drawn people: it shows how all works, and no more
or, with labelled photos of your own,
  make preprocess DATA=photos CACHE=caches/mine
  make weights NAME=face
  make train-all RECIPE=recipes/quick.toml CACHE=caches/mine
  make try PHOTO={photo} ENSEMBLE=ensembles/quick.toml
or, with what somebody else exported,
  make try PHOTO={photo} MODEL=its-folder"""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A model that answers."""

    model: Path
    """model.onnx, or the folder of an export."""
    words: str
    """Which it is, and why this one."""


def choose(model: Path | None, ensemble: Path | None, runs: Path) -> Chosen | None:
    """The model that is named, else the newest there is, None of none; what is not exported yet is exported.

    Args:
        model: an export, or None.
        ensemble: file of one, or None.
        runs: folder of all runs.

    Raises:
        ValueError: both named, or one that cannot be used.
    """
    if model and ensemble:
        raise ValueError("give either MODEL=exports/<name> or ENSEMBLE=ensembles/<name>.toml")
    if model:
        return Chosen(model=model, words=str(model))
    if ensemble:
        return Chosen(model=exported(ensemble, runs), words=f"{ensemble}, all its runs in {runs}")
    newest = newest_model((EXPORTS,), (runs, DEMO_RUNS))
    if newest is None:
        return None
    if newest.name == MODEL:
        return Chosen(model=newest, words=f"{newest.parent}, the newest model there is")
    folder = newest.parent
    return Chosen(
        model=exported_run(folder),
        words=f"{folder}, the newest run there is, alone; ENSEMBLE= lets all folds of a recipe vote",
    )


def how_to_have_one(photo: Path, runs: Path) -> str:
    """What to do where there is no model, in a few lines of commands."""
    places = ", ".join(dict.fromkeys(map(str, (runs, DEMO_RUNS, EXPORTS))))
    return _NONE.format(places=places, photo=typed(photo))


def newest_model(exports: tuple[Path, ...], runs: tuple[Path, ...]) -> Path | None:
    """The model.onnx of an export or the best.safetensors of a run that was written last; None of none.

    Args:
        exports: folders of exports.
        runs: folders of runs.
    """
    found = [path for place in exports for path in place.glob(f"*/{MODEL}")]
    found += [path for place in runs for path in place.glob(f"*/fold*/{BEST}")]
    return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)
