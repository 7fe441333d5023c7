"""The command that answers photos over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from faces.command import run_command
from serve.limits import Limits


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Answer photos over HTTP, and show a page to drop them on, on this machine alone.

    `POST /predict` takes one or many photos and answers JSON; `/` is the page, `/docs` the documentation,
    `/health` and `/metrics` are for those who watch it. Nothing is stored and nothing of a photo is logged.
    An ensemble is exported once, into exports/<name>-<digest>, and served from there; with it and its runs
    the page also shows where the networks look.

    Example: make serve ENSEMBLE=ensembles/small.toml, then
    curl -F photos=@photo.jpg http://127.0.0.1:8000/predict
    """

    model: Path | None = None
    """model.onnx of `make export`, or its folder; or give an ensemble."""
    ensemble: Path | None = None
    """Ensemble file (TOML)."""
    runs: Path = Path("runs")
    """Folder of all runs, for an ensemble."""
    host: str = "127.0.0.1"
    """Address to listen at: this machine's own, which nobody else reaches. 0.0.0.0 lets all who reach this
    machine ask, without a password."""
    port: int = 8000
    """Port to listen at, 1 to 65535."""
    limits: Limits = field(default_factory=Limits)
    """What a request may ask for."""

    def __post_init__(self) -> None:
        if (self.model is None) == (self.ensemble is None):
            raise ValueError("give either MODEL=exports/<name> or ENSEMBLE=ensembles/<name>.toml")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port={self.port}: a port is 1 to 65535")


def run(settings: ServeSettings) -> None:
    """Find or export the model, and serve it."""
    # ONNX Runtime and FastAPI take a second to import, which neither --help nor a mistake should wait for.
    from serve.explain import Explainer, can_explain
    from serve.work import make_service, serve

    explainer, model = None, settings.model
    if settings.ensemble:
        from serve.photo.exported import exported

        model = exported(settings.ensemble, settings.runs)
        explainer = Explainer(settings.ensemble, settings.runs) if can_explain() else None
    assert model is not None
    serve(make_service(model, settings.limits, explainer), settings.host, settings.port)


def main() -> None:
    """`python -m serve`."""
    run_command(ServeSettings, run)
