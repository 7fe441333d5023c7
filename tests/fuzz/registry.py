"""The targets by name."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from tests.fuzz.target import Target

_FILES: Final = {
    "images": "images",
    "caches": "caches",
    "documents": "stored",
    "tables": "stored",
    "cards": "cards",
    "weights": "cards",
    "requests": "cards",
    "states": "cards",
    "recipes": "settings",
    "ensembles": "settings",
    "sweeps": "settings",
    "labels": "settings",
    "listings": "listings",
    "models": "models",
    "broken": "broken",
}
"""The file in `tests/fuzz/targets` that has a function of each target's name."""
NAMES: Final = tuple(name for name in _FILES if name != "broken")
"""Those that read files of ours; the broken one is there to test what finds failures."""


def build(name: str) -> Target:
    """A target, its sound files made. Imports no library that the target does not need."""
    module = import_module(f"tests.fuzz.targets.{_FILES[name]}")
    target: Target = getattr(module, name)()
    return target
