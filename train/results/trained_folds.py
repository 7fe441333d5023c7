"""Folders of trained recipes, read without torch: what each fold answered to photos it had not seen."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import safe_open

from faces.command import flat_table, to_table
from faces.labelling.kept import differences
from faces.labels import UNKNOWN, LabelSet
from faces.projection import project
from train.engine.card import BEST_FILE, CURE, OOF_FILE, read_card
from train.recipe.request import REQUEST_FILE, Request, read_request
from train.results.head_scores import judges_headline
from train.results.metrics import METRICS_FILE, read_metrics
from train.results.oof import check_labels, heads_of
from train.results.together import check_there, read_checked_oof

_SEEDED = re.compile(r"(.+)_seed\d+")
_NO_PARAMETERS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, kw_only=True)
class TrainedFold:
    """What is on disk of one trained fold."""

    request: Request
    """Recipe, cache and how people are divided."""
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
        asked = self.request
        return {"scheme": asked.scheme, "folds": asked.folds, "fold_seed": asked.fold_seed}


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
        ValueError: none has, a photo is validated twice, their photos do not have the same factors, or a
            folder holds files that are damaged or of several trainings.
    """
    for best in folder.glob(f"fold*/{BEST_FILE}"):
        check_there(best, read_card(best), OOF_FILE, METRICS_FILE)
    there = [p for p in folder.glob("fold*") if all((p / n).is_file() for n in (OOF_FILE, METRICS_FILE))]
    requests = {path: read_request(path / REQUEST_FILE) for path in there}
    paths = sorted(there, key=lambda path: requests[path].fold)
    tables = {path: read_checked_oof(path) for path in paths}
    if not any(map(len, tables.values())):
        raise ValueError("no fold has validated a photo yet")
    labels = _common_labels({path: requests[path].label_set(path / REQUEST_FILE) for path in paths})
    for path, table in tables.items():
        check_labels(table, labels, path / OOF_FILE)
    photos = pd.concat([table[[*labels.names]] for table in tables.values()])
    headline = judges_headline(photos, heads_of(tables[paths[0]], labels), labels)
    folds = tuple(_read_fold(path, requests[path], tables[path], labels, headline) for path in paths)
    _check_answers(folds)
    return folds


def _common_labels(sets: Mapping[Path, LabelSet]) -> LabelSet:
    """The set of factors that all folds were trained with."""
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
    folder: Path, request: Request, table: pd.DataFrame, labels: LabelSet, headline: bool
) -> TrainedFold:
    return TrainedFold(
        request=request,
        labels=labels,
        answers=_answers(table, labels, headline),
        history=read_metrics(folder, "seconds"),
        parameters=count_parameters(folder / BEST_FILE),
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
    """Trained numbers in a safetensors file, by its header, less the statistics of batch normalisation.

    Raises:
        ValueError: it is not one.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (not a dict)
    except Exception as error:  # safetensors raises an exception type of its own for every kind of damage
        raise ValueError(f"{path}: not a whole safetensors file ({error}); {CURE}") from error
    return sum(int(math.prod(shape)) for name, shape in shapes.items() if not name.endswith(_NO_PARAMETERS))


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
        tables = [flat_table(to_table(recipes[name][0].request.recipe)) for name in names]
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


def _division_text(division: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in division.items())
