"""`python -m tests.packages`: the locked versions against known holes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from faces.command import run_command
from tests.packages.database import audit
from tests.packages.floors import Checked, check, locked_versions, read_floors


@dataclass(frozen=True, kw_only=True)
class PackagesSettings:
    """Compare the locked versions with the lowest ones without a known hole, and ask pip-audit's database.

    The table of floors is kept by hand, in tests/packages/floors.csv; where the database does not answer
    it is all that is known. The exit code is 1 where a version lies below its floor or the database knows a
    hole.

    Example: make audit-packages ARGS=--offline
    """

    locks: tuple[Path, ...] = (Path("requirements.lock"), Path("requirements-weights.lock"))
    """Which locks."""
    offline: bool = False
    """Do not ask the database."""


def audit_packages(settings: PackagesSettings) -> None:
    """Print what is known, and exit with 1 where that is a hole."""
    console = Console(highlight=False, markup=False)
    locks = {lock.name: locked_versions(lock) for lock in settings.locks}
    checked = check(read_floors(), locks)
    console.print(floors_table(checked))
    without = sorted({*(name for packages in locks.values() for name in packages)} - _floored(checked))
    console.print(f"no hole is known here of {len(without)} further packages: {', '.join(without)}\n")
    low = [each for each in checked if not each.is_safe]
    for each in low:
        console.print(
            f"{each.lock}: {each.floor.package} {each.locked} is below {each.floor.version} "
            f"({each.floor.reference}); raise it in setup.cfg and run `make lock UPGRADE=--upgrade`"
        )
    holes = [] if settings.offline else _ask(settings.locks, console)
    console.print(f"{len(checked) - len(low)} of {len(checked)} locked versions are not below their floors")
    if low or holes:
        sys.exit(1)


def floors_table(checked: Sequence[Checked]) -> Table:
    """A row a hole; locks of the same version share it."""
    table = Table(title="Locked versions, and the lowest without each known hole")
    for name in ("package", "locked", "floor", "hole", "what older ones allow"):
        table.add_column(name, overflow="fold")
    for each in {(each.floor, each.locked): each for each in checked}.values():
        mark = "" if each.is_safe else "BELOW "
        floor = each.floor
        table.add_row(floor.package, f"{mark}{each.locked}", str(floor.version), floor.reference, floor.below)
    return table


def _floored(checked: Sequence[Checked]) -> set[str]:
    return {each.floor.package for each in checked}


def _ask(locks: Sequence[Path], console: Console) -> list[str]:
    """Print what the database says; the holes it knows."""
    holes: list[str] = []
    for lock in locks:
        told = audit(lock)
        if told is None:
            console.print("pip-audit's database does not answer here: only the table above was checked")
            break
        console.print(f"{lock}: pip-audit's database knows {told.audited} packages, not {told.skipped}")
        for hole in told.holes:
            console.print(f"{lock}: {hole}")
        holes += told.holes
    return holes


def main() -> None:
    """The command line."""
    run_command(PackagesSettings, audit_packages)
