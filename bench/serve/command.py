"""How many requests a service answers, beside the predictor alone, and whether its memory grows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class BenchServeSettings:
    """Ask a service from 1, 8 and 32 clients on this machine, beside the predictor in one process.

    Clients, service and predictor share the same cores. Each client sends a photo, waits for its answer and
    sends the next. Then small photos are sent, and the service's memory is read on the way. Any request that
    is not answered ends in an error.

    Example: make bench-serve ENSEMBLE=ensembles/small.toml DATA=photos
    """

    model: Path | None = None
    """model.onnx of `make export`, or its folder; or give an ensemble."""
    ensemble: Path | None = None
    """Ensemble file (TOML), exported once."""
    runs: Path = Path("runs")
    """Folder of all runs, for an ensemble."""
    data: Path = Path("demo/data/train")
    """Folder of photos."""
    clients: tuple[int, ...] = (1, 8, 32)
    """How many ask at once."""
    requests: int = 128
    """Requests a turn."""
    repetitions: int = 3
    """Counted turns of each, after one to warm up."""
    small: int = 10_000
    """Requests with small photos, over which memory is looked at; 0 for none."""
    out: Path = Path("bench/results/serve.json")
    """The report; a picture is written beside it."""

    def __post_init__(self) -> None:
        if (self.model is None) == (self.ensemble is None):
            raise ValueError("give either MODEL=exports/<name> or ENSEMBLE=ensembles/<name>.toml")
        for name, least in (("requests", 1), ("repetitions", 1), ("small", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not self.clients or min(self.clients) < 1 or len(set(self.clients)) < len(self.clients):
            raise ValueError(f"clients={list(self.clients)}: name at least one number, each once")


def bench(settings: BenchServeSettings) -> None:
    """Measure and write the report."""
    # ONNX Runtime takes a second to import, which neither --help nor a mistake should wait for.
    from bench.serve.work import measure_service, write_results
    from serve.photo.model import model_file

    if settings.ensemble:
        from serve.photo.exported import exported

        model = model_file(exported(settings.ensemble, settings.runs))
    else:
        assert settings.model is not None
        model = model_file(settings.model)
    results = measure_service(
        model,
        settings.data,
        clients=settings.clients,
        requests=settings.requests,
        repetitions=settings.repetitions,
        small=settings.small,
    )
    write_results(settings.out, results)


def main() -> None:
    """The command line."""
    run_command(BenchServeSettings, bench)
