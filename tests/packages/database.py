"""pip-audit, in an environment of its own, where its database answers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERSION: Final = "2.10.0"
SERVICES: Final = ("pypi", "osv")
_SECONDS: Final = 600
Run = Callable[[Sequence[str]], str]
"""Runs a command and gives what it printed, "" where it failed to run."""


@dataclass(frozen=True)
class Told:
    """What the database says of a lock."""

    audited: int
    """Packages that it knows."""
    skipped: int
    """Packages that it does not know, or did not tell of."""
    holes: tuple[str, ...]
    """A line each."""


def run_tool(options: Sequence[str]) -> str:
    """Run pip-audit by uv, in an environment that is no project's; what it printed."""
    uvx = str(Path(sys.executable).with_name("uvx"))
    command = [uvx, "--quiet", "--python", sys.executable, "--from", f"pip-audit=={VERSION}", "pip-audit"]
    try:
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def audit(lock: Path, run: Run = run_tool) -> Told | None:
    """What the database knows of the versions of a lock; None where it does not answer.

    One package is asked for before all others. A service that knows none of a lock's packages counts as one
    that does not answer, though pip-audit itself would say that it found no holes.

    Args:
        lock: with hashes, which keeps pip-audit from installing what it lists.
        run: runs pip-audit with some options.
    """
    for service in SERVICES:
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as one:
            one.write("pillow==9.0.0\n")  # of which many holes are known
            one.flush()
            probe = _ask(run, service, ["--no-deps", "-r", one.name])
        if probe and probe.holes:
            return _ask(run, service, ["--require-hashes", "-r", str(lock)])
    return None


def _ask(run: Run, service: str, options: Sequence[str]) -> Told | None:
    quiet = ("--disable-pip", "--format", "json", "--progress-spinner", "off")
    try:
        packages = json.loads(run([*quiet, "--vulnerability-service", service, *options]))["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    known = [package for package in packages if "skip_reason" not in package]
    holes = tuple(
        f"{package['name']} {package['version']}: {hole['id']}"
        + (f", fixed in {', '.join(hole['fix_versions'])}" if hole["fix_versions"] else "")
        for package in known
        for hole in package["vulns"]
    )
    return Told(len(known), len(packages) - len(known), holes) if known else None
