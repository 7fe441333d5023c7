"""Answers as tables and files: one for every photo of a source, in the source's order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from faces.cache import Cache
from faces.labels import CLASS_NAMES, FloatArray, covers_classes, project
from faces.writer import DETECTED, write_atomically
from infer.answers.submission_checks import SUBMISSION_COLUMNS, check_answers

if TYPE_CHECKING:
    from infer.ensemble.vote import Verdict
    from infer.predict.heads import Panels

FACE, FALLBACK, PRIOR = "face crop", "fallback crop", "training prior"
"""What an answer rests on: the values of column `answered_by`."""


def answer_table(cache: Cache, verdict: Verdict, prior: FloatArray) -> pd.DataFrame:
    """All photos of the cache's source, rejected ones among them, in the source's order.

    Args:
        cache: the predicted photos.
        verdict: the ensemble's answers to every row of the cache.
        prior: [18] class shares of the training photos: the answer where no crop could be had.

    Returns:
        Columns ImageID, ans, answered_by, agreement, and one probability a class.

    Raises:
        ValueError: the cache does not hold every photo of its source once.
    """
    predicted = pd.DataFrame(verdict.probabilities, columns=CLASS_NAMES)
    status = cache.index["status"].to_numpy()
    predicted = predicted.assign(
        ImageID=cache.index["image_id"].to_numpy(),
        position=cache.index["position"].to_numpy(),
        ans=verdict.classes,
        answered_by=np.where(status == DETECTED, FACE, FALLBACK),
        agreement=verdict.agreement,
    )
    guessed = pd.DataFrame(np.tile(prior, (len(cache.rejects), 1)), columns=CLASS_NAMES)
    guessed = guessed.assign(
        ImageID=cache.rejects["image_id"].to_numpy(),
        position=cache.rejects["position"].to_numpy(),
        ans=int(np.argmax(prior)),
        answered_by=PRIOR,
        agreement=np.nan,
    )
    parts = [part for part in (predicted, guessed) if len(part)]
    table = pd.concat(parts, ignore_index=True).sort_values("position", ignore_index=True)
    photos = cache.description["source"]["photos"]
    if table.position.tolist() != list(range(photos)):
        raise ValueError(
            f"{cache.folder}: index.parquet and rejects.csv hold {len(table)} photos, which are not "
            f"the {photos} of its source, each once; delete {cache.folder} and preprocess again"
        )
    return table[[*SUBMISSION_COLUMNS, "answered_by", "agreement", *CLASS_NAMES]]


def networks_table(cache: Cache, panels: Panels) -> pd.DataFrame:
    """The answers of each network alone, where its heads tell all 18 classes.

    Args:
        cache: the predicted photos.
        panels: the networks' heads for every row of the cache.

    Returns:
        Columns ImageID and `<recipe> <number among its folds>`, classes 0-17; a row for each row of the
        cache.
    """
    answers = {
        f"{recipe} {number}": project(heads, "class18").argmax(1)
        for recipe, folds in panels.items()
        for number, heads in enumerate(folds)
        if covers_classes(list(heads))
    }
    return pd.DataFrame({"ImageID": cache.index["image_id"].to_numpy(), **answers})


def write_answers(
    table: pd.DataFrame, networks: pd.DataFrame, basis: Mapping[str, Any], folder: Path
) -> None:
    """Write submission.csv (ImageID, ans), probabilities.parquet, networks.parquet and, last, basis.json.

    Args:
        table: from `answer_table`.
        networks: from `networks_table`.
        basis: what the answers follow from: ensemble, cache and the hashes of the runs.
        folder: made if need be.

    Raises:
        ValueError: a photo is answered twice, or with what is no class; nothing is written then.
    """
    check_answers(table, f"answers for {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "basis.json").unlink(missing_ok=True)
    write_atomically(folder / "probabilities.parquet", table.to_parquet(index=False))
    write_atomically(folder / "networks.parquet", networks.to_parquet(index=False))
    write_atomically(folder / "submission.csv", table[SUBMISSION_COLUMNS].to_csv(index=False).encode())
    write_atomically(folder / "basis.json", json.dumps(basis, indent=1).encode())


def read_kept_answers(folder: Path, basis: Mapping[str, Any]) -> pd.DataFrame | None:
    """The `answer_table` in a folder if it follows from just this basis, else None."""
    path = folder / "basis.json"
    if not path.is_file() or json.loads(path.read_text()) != basis:
        return None
    return pd.read_parquet(folder / "probabilities.parquet")
