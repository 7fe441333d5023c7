"""`python -m report.audit`: which labels of a cache are probably wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command
from infer.ensemble.file import read_ensemble
from infer.ensemble.tree import Ensemble, Leaf


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Find labels that are probably wrong, from answers out of fold: each photo's by networks that never saw
    its person.

    Writes a folder: audit.html to look at, audit.csv with every suggestion, and a draft of corrections.csv
    as `make preprocess` reads it. Nothing of it is applied; `make audit-confirm` asks a person, one photo or
    person after the other.

    Example: make audit CACHE=caches/mine RUNS=runs/quick DATA=photos
    """

    cache: Path
    """The cache that the runs were trained on."""
    runs: Path = Path("runs")
    """Folder of one recipe's folds, such as runs/quick; with an ensemble, the folder of all runs."""
    ensemble: Path | None = None
    """Ensemble file (TOML) whose vote judges, in place of one recipe."""
    data: Path | None = None
    """The photos that the cache was made of, for the command that comes next."""
    out: Path | None = None
    """Folder to write; audits/<cache> when this is not given."""


def run(settings: AuditSettings) -> None:
    """Judge, draw and write."""
    if settings.ensemble is None and not any(settings.runs.glob("fold*")):
        raise ValueError(
            f"{settings.runs}: no folder of one recipe's trained folds (fold0, fold1, ...); give "
            "RUNS=runs/<recipe>, or ENSEMBLE=file with RUNS= the folder of all runs"
        )
    if settings.data is not None and not settings.data.exists():
        raise ValueError(f"{settings.data}: no such folder or table; give the photos of the cache as DATA=")
    if settings.ensemble is None:
        name = settings.runs.resolve().name
        subject, runs = Ensemble(name=name, root=Leaf(name)), settings.runs.resolve().parent
    else:
        subject, runs = read_ensemble(settings.ensemble), settings.runs
    out = settings.out or Path("audits") / settings.cache.resolve().name
    # torch and cleanlab take seconds to import, which neither --help nor a mistake above should wait for.
    from rich.console import Console

    from report.audit.work import AuditPlan, audit

    plan = AuditPlan(subject=subject, runs=runs, cache=settings.cache, data=settings.data, out=out)
    audit(plan, Console(markup=False))


def main() -> None:
    """The command line."""
    run_command(AuditSettings, run)
