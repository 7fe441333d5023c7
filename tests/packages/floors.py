"""Locked versions, and the lowest ones without a known hole."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name
from packaging.version import Version

FLOORS: Final = Path(__file__).with_name("floors.csv")
_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")


@dataclass(frozen=True)
class Floor:
    """A hole of a package, and the first version without it."""

    package: str
    version: Version
    reference: str
    """The number of the hole."""
    below: str
    """What can happen with older versions."""


@dataclass(frozen=True)
class Checked:
    """A floor, beside what is locked."""

    floor: Floor
    locked: Version
    lock: str
    """Name of the lock."""

    @property
    def is_safe(self) -> bool:
        """Whether the locked version is not below the floor."""
        return self.locked >= self.floor.version


def read_floors(path: Path = FLOORS) -> list[Floor]:
    """The table of floors."""
    with path.open(newline="") as file:
        return [
            Floor(row["package"], Version(row["floor"]), row["reference"], row["below"])
            for row in csv.DictReader(file)
        ]


def locked_versions(lock: Path) -> dict[str, list[Version]]:
    """The versions of each package of a lock, by its name; some have one for each of several Pythons."""
    found: dict[str, list[Version]] = {}
    for line in lock.read_text().splitlines():
        if match := _LOCKED.match(line):
            found.setdefault(canonicalize_name(match[1]), []).append(Version(match[2]))
    return found


def check(floors: Sequence[Floor], locks: Mapping[str, Mapping[str, Sequence[Version]]]) -> list[Checked]:
    """Each floor beside the lowest version that each lock has of its package.

    Args:
        floors: the table.
        locks: versions by package by lock.
    """
    return [
        Checked(floor, min(packages[floor.package]), lock)
        for floor in floors
        for lock, packages in locks.items()
        if floor.package in packages
    ]
