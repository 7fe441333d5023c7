"""Folders of trained recipes, read without torch: what each fold answered to photos it had not seen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faces.command import flat_table, from_table, to_table
from faces.labels import TASKS, compose, covers_classes
from train.recipe.recipe import Recipe
from train.results.oof import OOF_FILE, heads_of, read_oof

_SEEDED = re.compile(r"(.+)_seed\d+")
_NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, kw_only=True)
class TrainedFold:
    """What is on disk of one trained fold."""

    request: Mapping[str, Any]
    """The fold's request.json: recipe, cache and how people are divided."""
    answers: pd.DataFrame
    """One row a validation photo, by (person, image_id): `<task> true` and `<task> guess` of each judged
    task, `UNKNOWN` true where the photo is not the task's."""
    history: pd.DataFrame
    """metrics.csv: one row an epoch."""
    parameters: int | None
    """Trained numbers in best.safetensors; None where the file is gone."""

    @property
    def division(self) -> dict[str, Any]:
        """How people were divided into folds."""
        scheme = self.request.get("scheme", "person")
        return {"scheme": scheme, "folds": self.request["folds"], "fold_seed": self.request["fold_seed"]}


def find_recipes(roots: Sequence[Path]) -> dict[str, Path]:
    """Folders of trained recipes by name: each root is one, or holds some.

    Raises:
        ValueError: a root that is not there or holds none.
    """
    found: dict[Path, None] = {}
    for root in roots:
        if not root.is_dir():
            raise ValueError(f"{root}: no such folder of runs; give runs/<recipe>, or a folder of such")
        inside = [root] if _is_recipe(root) else [p for p in sorted(root.iterdir()) if _is_recipe(p)]
        if not inside:
            raise ValueError(f"{root}: no trained recipe is in it (fold<k>/request.json); see `make train`")
        found |= dict.fromkeys(path.resolve() for path in inside)
    names = [path.name for path in found]
    return {p.name if names.count(p.name) == 1 else f"{p.parent.name}/{p.name}": p for p in found}


def _is_recipe(folder: Path) -> bool:
    return any(folder.glob("fold*/request.json"))


def read_folds(folder: Path) -> tuple[TrainedFold, ...]:
    """The folds of a recipe that have scores, in their order.

    Raises:
        ValueError: none has, or a photo is validated twice.
    """
    there = [p for p in folder.glob("fold*") if all((p / n).is_file() for n in (OOF_FILE, "metrics.csv"))]
    folds = sorted((_read_fold(path) for path in there), key=lambda fold: int(fold.request["fold"]))
    if not any(len(fold.answers) for fold in folds):
        raise ValueError("no fold has validated a photo yet")
    tables = pd.concat([fold.answers for fold in folds])
    twice = tables.index[tables.index.duplicated()]
    if len(twice):
        divisions = "; ".join(dict.fromkeys(_division_text(fold.division) for fold in folds))
        raise ValueError(
            f"{len(twice)} photos are validated twice, {twice[0][1]!r} is one; folds come from {divisions}"
        )
    return tuple(folds)


def _read_fold(folder: Path) -> TrainedFold:
    return TrainedFold(
        request=json.loads((folder / "request.json").read_text()),
        answers=_answers(read_oof(folder)),
        history=pd.read_csv(folder / "metrics.csv"),
        parameters=count_parameters(folder / "best.safetensors"),
    )


def _answers(table: pd.DataFrame) -> pd.DataFrame:
    """True and guessed classes of an out-of-fold table."""
    heads = heads_of(table)
    if covers_classes(tuple(heads)):
        heads = {"class18": compose(heads)}
    answers = pd.DataFrame(index=pd.MultiIndex.from_frame(table[["person", "image_id"]]))
    for name in [task for task in TASKS if task in heads]:
        answers[f"{name} true"] = TASKS[name].encode(table["mask"], table["gender"], table["age"])
        answers[f"{name} guess"] = heads[name].argmax(1)
    return answers


def count_parameters(path: Path) -> int | None:
    """Trained numbers in a safetensors file, by its header, less the statistics of batch normalisation."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        int(np.prod(tensor["shape"]))
        for name, tensor in header.items()
        if name != "__metadata__" and not name.endswith(_NO_PARAMETERS)
    )


def group_seeds(
    recipes: Mapping[str, tuple[TrainedFold, ...]],
) -> tuple[dict[str, list[tuple[TrainedFold, ...]]], list[str]]:
    """Recipes `<name>`, `<name>_seed1`, `<name>_seed2` that differ in nothing but their seed as one.

    Args:
        recipes: folds by the recipe's name.

    Returns:
        The seeds' folds by name, and a line on each that could not be joined.
    """
    stems: dict[str, list[str]] = {}
    base = {name: seeded[1] if (seeded := _SEEDED.fullmatch(name)) else name for name in recipes}
    several = {stem for name, stem in base.items() if stem != name}
    for name, stem in base.items():
        stems.setdefault(f"{stem} (seeds)" if stem in several else name, []).append(name)
    groups: dict[str, list[tuple[TrainedFold, ...]]] = {}
    notes = []
    for stem, names in stems.items():
        tables = [_recipe_table(recipes[name][0].request["recipe"]) for name in names]
        keys = sorted({key for table in tables for key in table} - {"about", "seed"})
        differing = [key for key in keys if any(table.get(key) != tables[0].get(key) for table in tables)]
        if differing:
            notes.append(f"{', '.join(names)}: not joined as seeds, they differ in {', '.join(differing)}")
        if differing or len(names) == 1:
            groups |= {name: [recipes[name]] for name in names}
        else:
            groups[stem.replace("(", f"({len(names)} ")] = [recipes[name] for name in names]
    return groups, notes


def _recipe_table(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A request's recipe, with what recipes did not know when it was made as it is when left out."""
    return flat_table(to_table(from_table(Recipe, recipe, Path("request.json"))))


def _division_text(division: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in division.items())
