"""Runs on disk as training leaves them, but not trained: their answers out of fold are drawn.

Also with other things in their files, as damage, copying and programs of before leave them.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file, save_file

from faces.cache.reader import Cache
from faces.labelling.kept import stored_labels
from faces.storage.documents import document
from infer.predict.heads import Panels
from infer.predict.out_of_fold import plan_out_of_fold
from train.data.rows import fold_rows
from train.engine.card import BEST_FILE, HEADER, RunCard
from train.engine.checkpoint import load_best, save_best
from train.engine.compute import PredictCompute
from train.network.model import build_model
from train.network.normalisation import Normalisation
from train.network.weights_file import METADATA, digest_of, header_of
from train.recipe.recipe import Recipe
from train.recipe.request import REQUEST_FILE, Request
from train.results.oof import oof_table, read_oof

Table = dict[str, Any]
FOLDS = 3
HEADS = ("mask", "gender", "age3")


def guesses(truth: np.ndarray, classes: int, *, skill: float, seed: int) -> np.ndarray:
    """float32 [n, classes] probabilities, the true class's tending to be the largest; -1 is never true."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1, (len(truth), classes))
    known = np.flatnonzero(truth >= 0)
    logits[known, truth[known]] += skill
    powers = np.exp(logits)
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def write_runs(
    folder: Path,
    cache: Cache,
    name: str,
    *,
    tasks: Sequence[str] = HEADS,
    folds: Sequence[int | tuple[int, ...]] = range(FOLDS),
    skill: float = 2.0,
    seed: int = 0,
    changes: Mapping[str, object] = {},
) -> Path:
    """Folds of a recipe below `folder / name`, or trainings that leave out several folds each; `changes` are
    fields of the card."""
    recipe = Recipe(tasks=tuple(tasks), backbone="test_resnet", image_size=32, precision="fp32", epochs=1)  # type: ignore[arg-type]
    labels = cache.label_set
    torch.manual_seed(seed)
    network = build_model(recipe, labels, initialise=False)
    for number, left_out in enumerate(folds):
        fold, *others = (left_out,) if isinstance(left_out, int) else left_out
        rows = fold_rows(cache, recipe.tasks, fold=fold, folds=FOLDS, seed=0, also_out=others)
        card = RunCard(
            recipe=recipe,
            normalisation=Normalisation(mean=(0.5,) * 3, std=(0.25,) * 3),
            classes={task: labels.task(task).classes for task in tasks},
            fold=fold,
            folds=FOLDS,
            fold_seed=0,
            scheme="person",
            epoch=0,
            score=0.5,
            crop=cache.description["settings"],
            labels=labels,
            prior=rows.prior,
            also_out=tuple(others),
            cache=cache.identity,
        )
        run = folder / name / f"fold{'-'.join(map(str, (fold, *others)))}"
        run.mkdir(parents=True)
        card = dataclasses.replace(card, **changes)  # type: ignore[arg-type]
        write_request(run, card)
        probabilities = {
            task: guesses(
                cache.labels(task)[rows.validation],
                len(labels.task(task).classes),
                skill=skill,
                seed=100 * seed + 10 * (number if others else fold) + place,
            )
            for place, task in enumerate(tasks)
        }
        save_best(network, card, run / BEST_FILE, oof_table(cache, rows.validation, probabilities, fold))
    return folder / name


def write_request(run: Path, card: RunCard) -> None:
    """request.json of a run of this card."""
    request = Request(
        recipe=card.recipe,
        cache=card.cache,
        fold=card.fold,
        folds=card.folds,
        fold_seed=card.fold_seed,
        scheme=card.scheme,
        also_out=card.also_out,
        labels=stored_labels(card.labels) or {},
    )
    (run / REQUEST_FILE).write_bytes(request.document())


def change_card(run: Path, **fields: object) -> None:
    """Rewrite fields of a run's card, and what else names them, as a training of that kind would have."""
    network, card = load_best(run / BEST_FILE)
    card = dataclasses.replace(card, **fields)  # type: ignore[arg-type]
    save_best(network, card, run / BEST_FILE, read_oof(run))
    write_request(run, card)


def out_of_fold_panels(
    recipes: Sequence[str], runs: Path, cache: Cache, views: Sequence[str]
) -> tuple[Panels, pd.DataFrame]:
    """Every labelled photo of a cache answered by the run of its fold, and the photos in that order."""
    plan = plan_out_of_fold(recipes, runs, cache)
    return plan.answered(views, PredictCompute(device="cpu", threads=1)), plan.photos


def card_table(best: Path) -> Table:
    """The card in a file of weights, without its seal."""
    table: Table = json.loads(header_of(best.read_bytes())[0][METADATA][HEADER])
    table.pop("seal", None)
    return table


def write_card(best: Path, table: Table, *, sealed: bool = True) -> None:
    """Give weights another card."""
    text = document(table).decode() if sealed else json.dumps(table)
    save_file(load_file(best), best, metadata={HEADER: text})


def save_unsealed(best: Path) -> None:
    """Make a run's weights, and its answers if they have no digest, those of a program of before."""
    table = card_table(best)
    write_card(
        best, {key: table[key] for key in table if key not in ("tensors", "oof", "cache")}, sealed=False
    )


def change_weights(best: Path, change: Callable[[Table], Table], *, resealed: bool = False) -> None:
    """Change the tensors by name; where `resealed`, their digest fits them again."""
    table = card_table(best)
    save_file(change(load_file(best)), best)
    if resealed:
        table["tensors"] = digest_of(best.read_bytes())
    write_card(best, table)
