"""`python -m serve.one.explain --photo FILE --ensemble FILE`: where the networks look on a photo's face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class ExplainSettings:
    """Draw the face that a photo is about and, for each factor, where the networks looked for their answer:
    Grad-CAM, the mean of those that tell the factor.

    Example: make explain PHOTO=photo.jpg ENSEMBLE=ensembles/quick.toml, or with RUN=runs/quick/fold0
    """

    photo: Path
    """The photo."""
    ensemble: Path | None = None
    """Ensemble file (TOML) of trained runs; or give a run."""
    run: Path | None = None
    """Folder of one trained fold, runs/<recipe>/fold<k>."""
    runs: Path = Path("runs")
    """Folder of all runs, for an ensemble."""
    out: Path = Path("explain.png")
    """Picture to write."""

    def __post_init__(self) -> None:
        if (self.run is None) == (self.ensemble is None):
            raise ValueError("give either ENSEMBLE=ensembles/<name>.toml or RUN=runs/<recipe>/fold<k>")


def explain(settings: ExplainSettings) -> None:
    """Answer, look, print and draw.

    Raises:
        ValueError: no photo, no such run, or networks whose backbones keep no map of places.
    """
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from serve.one.explained import explain_photo

    for line in explain_photo(settings.photo, settings.ensemble, settings.run, settings.runs, settings.out):
        print(line)


def main() -> None:
    """The command line."""
    run_command(ExplainSettings, explain)


if __name__ == "__main__":
    main()
