"""The lock beside what is installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.utils import canonicalize_name

LOCK: Final = Path(__file__).parents[1] / "requirements.lock"
_LINE: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", re.MULTILINE)


def locked(lock: Path) -> dict[str, str]:
    """Versions by package that a lock lists for this Python and machine."""
    found = _LINE.findall(lock.read_text(encoding="utf-8"))
    return {
        canonicalize_name(name): version
        for name, version, marker in found
        if not marker or Marker(marker.strip()).evaluate()
    }


def differing(wanted: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Packages of another version than wanted: name, version found ("" where it is missing), version wanted.

    A version's local part, behind its +, says who built it and is not compared.
    """
    wrong = []
    for name, version in wanted.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = ""
        if found.partition("+")[0] != version.partition("+")[0]:
            wrong.append((name, found, version))
    return wrong
