"""The command that turns runs into one file that needs neither FaceFold nor torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faces.command import run_command
from faces.files import write_atomically
from infer.ensemble.file import read_ensemble

ViewName = Literal["original", "flip", "crops", "scales", "light"]


@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """Export a trained run, or a whole ensemble with its views and its votes, for use without FaceFold.

    Writes exports/<name>/model.onnx (ONNX), model.pt2 (torch.export) and predict.py, which finds, crops and
    answers photos with model.onnx on the CPU and needs only onnxruntime, numpy, OpenCV and Pillow. Both
    models are then loaded again and compared with the runs; probabilities that differ by more than 0.0001 are
    an error. model_card.md says what must be known before they are used.

    Example: make export ENSEMBLE=ensembles/quick.toml, or make export RUN=runs/quick/fold0 for one fold
    """

    run: Path | None = None
    """Folder of one trained fold, runs/<recipe>/fold<k>; or give an ensemble."""
    ensemble: Path | None = None
    """Ensemble file (TOML)."""
    runs: Path = Path("runs")
    """Folder of all runs, for an ensemble."""
    views: tuple[ViewName, ...] = ("original",)
    """Test-time views of a single run; an ensemble's file names its own."""
    predictions: Path = Path("predictions")
    """Folder of all predictions, where `make evaluate` left an ensemble's scores for its card."""
    out: Path | None = None
    """Folder to write; exports/<ensemble> or exports/<recipe>-fold<k> if not given."""
    predictor: bool = True
    """Put the face detector into model.onnx and predict.py beside it. Without, whoever uses the model gives
    it crops of `make preprocess`, whatever their settings."""
    cache: Path | None = None
    """Finished cache whose crops the exported models are checked on; made-up pictures if not given."""
    format: Literal["files", "triton"] = "files"
    """files: those above. triton: also a model repository for NVIDIA Triton, in the folder triton/ beside
    them, which answers photos."""

    def __post_init__(self) -> None:
        if (self.run is None) == (self.ensemble is None):
            raise ValueError("give either --run runs/<recipe>/fold<k> or --ensemble ensembles/<name>.toml")
        if not self.views or len(set(self.views)) < len(self.views):
            raise ValueError(f"views={list(self.views)}: name at least one, each once")
        if self.format == "triton" and not self.predictor:
            raise ValueError("format=triton: its models search faces; leave --no-predictor out")


def run(settings: ExportSettings) -> None:
    """Read what is to be exported, export and check it."""
    ensemble = read_ensemble(settings.ensemble) if settings.ensemble else None
    # pandas takes half a second to import, which --help should not wait for.
    from faces.cache.reader import Cache

    cache = Cache.open(settings.cache) if settings.cache else None
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from infer.cards.runs import card_of_ensemble, card_of_folds
    from infer.cards.text import CARD
    from infer.export.files import export
    from infer.export.subject import subject_of_ensemble, subject_of_run

    if ensemble:
        subject = subject_of_ensemble(ensemble, settings.runs)
    else:
        assert settings.run is not None
        subject = subject_of_run(settings.run, settings.views)
    folder = settings.out or Path("exports") / subject.name
    export(subject, folder, predictor=settings.predictor, cache=cache)
    if settings.format == "triton":
        from infer.export.triton import write_repository

        write_repository(folder / "model.onnx", folder / "triton", subject.name)
        print(f"model repository: {folder / 'triton'}; tritonserver --model-repository {folder / 'triton'}")
    if ensemble:
        card = card_of_ensemble(ensemble, subject.runs, settings.predictions)
    else:
        card = card_of_folds(subject.runs[0].name, subject.runs)
    write_atomically(folder / CARD, card.encode())
    print(f"what must be known before it is used: {folder / CARD}")


def main() -> None:
    """`python -m infer.export`."""
    run_command(ExportSettings, run)
