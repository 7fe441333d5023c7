"""Files that people write: recipes, ensembles, sweeps, labels."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import tomli_w

from faces.labelling.label_file import read_labels
from infer.ensemble.file import read_ensemble
from tests.fuzz.mutate import mutate
from tests.fuzz.structure import changed
from tests.fuzz.target import ROOT, Case, Target, placed
from train.recipe.file import read_recipe
from train.sweep.file import read_sweep

LABELS = b"""
glasses = ["yes", "no"]
gender = "contest"

[mask]
categories = ["worn", "wrong", "none"]
words = { worn = ["1", "getragen"], none = ["0", "ohne"] }
column = "Wears mask"

[age]
edges = [18, 40, 65]
unit = "years"
range = [0, 110]
per = "person"
"""
RECIPE = b"""
base = "small.toml"
about = "other augmentation"
tasks = ["mask", "gender", "age3"]

[augment]
base = "strong"
degrees = 20.0

[optimiser]
lr = 2e-3
"""


def _target(seeds: dict[str, bytes], read: Callable[[Path], object]) -> Target:
    """A target of TOML files; the others of the folder lie beside the changed one."""
    texts = [*seeds.values()]

    def make(random: Random) -> Case:
        name = random.choice([*seeds])
        if random.random() < 0.6:
            data = _written(changed(tomllib.loads(seeds[name].decode()), random))
        else:
            data = mutate(seeds[name], texts, random)
        return Case(name, data)

    def place_and_read(case: Case, folder: Path) -> None:
        for name, data in seeds.items():
            (folder / name).write_bytes(data)
        read(placed(case, folder))

    return Target(make=make, read=place_and_read)


def _written(table: dict[str, Any]) -> bytes:
    """A table as TOML, without what TOML has no word for."""
    return tomli_w.dumps(_known(table)).encode(errors="surrogatepass")


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _known(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_known(inner) for inner in value]
    return "" if value is None else value


def _files(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((ROOT / folder).glob("*.toml"))}


def recipes() -> Target:
    """`read_recipe`."""
    return _target({**_files("recipes"), "own.toml": RECIPE}, read_recipe)


def ensembles() -> Target:
    """`read_ensemble`."""
    return _target(_files("ensembles"), read_ensemble)


def sweeps() -> Target:
    """`read_sweep`."""
    return _target(_files("sweeps"), read_sweep)


def labels() -> Target:
    """`read_labels`."""
    return _target({"labels.toml": LABELS}, read_labels)
