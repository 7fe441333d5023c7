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
from faces.label_file import differences, labels_stored
from faces.labels import UNKNOWN, LabelSet
from faces.projection import project
from train.recipe.recipe import Recipe
from train.results.head_scores import judges_headline
from train.results.oof import OOF_FILE, heads_of, read_oof

_SEEDED = re.compile(r"(.+)_seed\d+")
_NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, kw_only=True)
class TrainedFold:
    """What is on disk of one trained fold."""

    request: Mapping[str, Any]
    """The fold's request.json: recipe, cache and how people are divided."""
    labels: LabelSet
    """The factors of the photos it was trained on."""
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
        ValueError: none has, a photo is validated twice, or their photos do not have the same factors.
    """
    there = [p for p in folder.glob("fold*") if all((p / n).is_file() for n in (OOF_FILE, "metrics.csv"))]
    requests = {path: json.loads((path / "request.json").read_text()) for path in there}
    paths = sorted(there, key=lambda path: int(requests[path]["fold"]))
    tables = {path: read_oof(path) for path in paths}
    if not any(map(len, tables.values())):
        raise ValueError("no fold has validated a photo yet")
    labels = _common_labels({path: requests[path].get("labels") for path in paths})
    photos = pd.concat([table[[*labels.names]] for table in tables.values()])
    headline = judges_headline(photos, heads_of(tables[paths[0]], labels), labels)
    folds = tuple(_read_fold(path, requests[path], tables[path], labels, headline) for path in paths)
    _check_answers(folds)
    return folds


def _common_labels(stored: Mapping[Path, Any]) -> LabelSet:
    """The set of factors that all folds were trained with, of what each one's request keeps of its own."""
    sets = {path: labels_stored(kept, path / "request.json") for path, kept in stored.items()}
    (first, labels), *others = sets.items()
    for path, other in others:
        if differing := differences(other, labels):
            raise ValueError(
                f"{path.name} was trained on photos of other labels than {first.name}, which is there: "
                f"{'; '.join(differing)}; train all folds on one cache"
            )
    return labels


def _check_answers(folds: Sequence[TrainedFold]) -> None:
    """Refuse photos that two folds validate, and those of which no head's label is known."""
    answers = pd.concat([fold.answers for fold in folds])
    twice = answers.index[answers.index.duplicated()]
    if len(twice):
        divisions = "; ".join(dict.fromkeys(_division_text(fold.division) for fold in folds))
        raise ValueError(
            f"{len(twice)} photos are validated twice, {twice[0][1]!r} is one; folds come from {divisions}"
        )
    tasks = answered_tasks(answers)
    if not any((answers[f"{task} true"] != UNKNOWN).any() for task in tasks):
        raise ValueError(f"none of its {len(answers)} validated photos is labelled for {', '.join(tasks)}")


def _read_fold(
    folder: Path, request: Mapping[str, Any], table: pd.DataFrame, labels: LabelSet, headline: bool
) -> TrainedFold:
    return TrainedFold(
        request=request,
        labels=labels,
        answers=_answers(table, labels, headline),
        history=pd.read_csv(folder / "metrics.csv"),
        parameters=count_parameters(folder / "best.safetensors"),
    )


def _answers(table: pd.DataFrame, labels: LabelSet, headline: bool) -> pd.DataFrame:
    """True and guessed classes of an out-of-fold table: of the labels' headline, or of each head by name."""
    heads = heads_of(table, labels)
    if headline:
        heads = {labels.headline: project(heads, labels.headline, labels)}
    answers = pd.DataFrame(index=pd.MultiIndex.from_frame(table[["person", "image_id"]]))
    for name in sorted(heads):
        answers[f"{name} true"] = labels.task(name).encode(table)
        answers[f"{name} guess"] = heads[name].argmax(1)
    return answers


def answered_tasks(answers: pd.DataFrame) -> list[str]:
    """The tasks of a table of answers."""
    return [str(name).removesuffix(" true") for name in answers.columns if str(name).endswith(" true")]


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
        sets = [recipes[name][0].labels for name in names]
        differing += [each for labels in sets[1:] for each in differences(labels, sets[0])][:1]
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
