"""`python -m doctor.installed`: versions and sizes of what `make setup` installs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Final

from rich.console import Console
from rich.table import Table

from doctor.lock import LOCK, locked
from faces.command import run_command

_OF_NVIDIA: Final = ("nvidia-", "cuda-", "triton")


@dataclass(frozen=True, kw_only=True)
class InstalledSettings:
    """List the packages of the lock that are installed here, with version and size, the largest first.

    Sizes are those that the packages' own lists of files tell, in MB (10^6 bytes), without what Python
    compiles of them. The lock is one for hosts with and without a GPU.

    Example: make installed ARGS="--least 0"
    """

    least: float = 10.0
    """MB from which a package has a line of its own; 0 lists all."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """An installed package."""

    name: str
    version: str
    size: int
    """Bytes."""


def installed() -> list[Package]:
    """The packages of the lock that are installed, the largest first."""
    found = []
    for name in locked(LOCK):
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        size = sum(file.size or 0 for file in package.files or ())
        found.append(Package(name=name, version=package.version, size=size))
    return sorted(found, key=lambda each: (-each.size, each.name))


def show(settings: InstalledSettings) -> None:
    """Print the table and what it sums up to."""
    packages = installed()
    large = [each for each in packages if each.size >= settings.least * 1e6]
    table = Table("package", "version")
    table.add_column("MB", justify="right")
    for each in large:
        table.add_row(each.name, each.version, f"{each.size / 1e6:,.1f}")
    if few := packages[len(large) :]:
        table.add_row(f"{len(few)} smaller ones", "", f"{_megabytes(few):,.1f}")
    table.add_row(f"all {len(packages)}", "", f"{_megabytes(packages):,.1f}", style="bold")
    console = Console(highlight=False, markup=False)
    console.print(table)
    of_nvidia = [each for each in packages if each.name.startswith(_OF_NVIDIA)]
    console.print(
        f"{len(of_nvidia)} of these, of NVIDIA's and triton, have {_megabytes(of_nvidia):,.0f} MB; "
        "hosts with and without a GPU get the same"
    )


def _megabytes(packages: list[Package]) -> float:
    return sum(each.size for each in packages) / 1e6


def main() -> None:
    """The command line."""
    run_command(InstalledSettings, show)


if __name__ == "__main__":
    main()
