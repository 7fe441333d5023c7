"""oof.parquet of a fold: its validation photos, their true labels, and the probabilities they were given.

The probabilities of a task stand in columns `<task>:<class>`; no other column has a colon in its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.labels import UNKNOWN, FloatArray, IntArray, LabelSet, Task
from faces.storage.documents import DamagedError
from faces.storage.tables import read_table
from train.engine.card import OOF_FILE
from train.results.probabilities import check_probabilities

FACTS: Final = ("image_id", "person", "fold")
"""Columns that it always has, beside labels and probabilities."""


def oof_table(cache: Cache, rows: IntArray, predictions: Mapping[str, FloatArray], fold: int) -> pd.DataFrame:
    """The table of one fold, a row a photo.

    Args:
        cache: of the photos.
        rows: [n] rows of the cache that the fold validates.
        predictions: [n, classes] probabilities by task.
        fold: whose network gave them.

    Returns:
        Columns position, image_id, person, a label of each factor, fold and the probabilities.
    """
    facts = cache.index.loc[rows, ["position", "image_id", "person", *cache.label_set.names]]
    columns = {
        name: values[:, place]
        for task, values in predictions.items()
        for place, name in enumerate(columns_of(cache.label_set.task(task)))
    }
    return pd.concat([facts.assign(fold=fold).reset_index(drop=True), pd.DataFrame(columns)], axis=1)


def read_oof(folder: Path) -> pd.DataFrame:
    """The table in the folder of a run, with probabilities that can be such.

    Whether it is that of the weights beside it, `train.results.together` tells.

    Raises:
        ValueError: there is none; it was edited or damaged; a column is missing; or what are no
            probabilities.
    """
    path, cure = folder / OOF_FILE, "it is written in training, so train the fold again"
    table = read_table(path, cure).rows
    if missing := [name for name in FACTS if name not in table]:
        raise DamagedError(f"{path}: no column {missing[0]!r}; {cure}")
    heads: dict[str, list[str]] = {}
    for name in table.columns:
        if ":" in name:
            heads.setdefault(name.split(":")[0], []).append(name)
    for task, columns in heads.items():
        if not all(pd.api.types.is_float_dtype(table[name]) for name in columns):
            raise DamagedError(f"{path}, head {task}: holds other values than numbers; {cure}")
        check_probabilities(table[columns].to_numpy(np.float64), len(table), f"{path}, head {task}")
    return table


def check_labels(table: pd.DataFrame, labels: LabelSet, path: Path) -> None:
    """Refuse a table whose labels are none of the factors'.

    Raises:
        ValueError: naming the file and the factor.
    """
    for factor in labels.factors:
        try:
            codes = factor.codes(table[factor.name])
            if not ((codes >= UNKNOWN) & (codes < len(factor.classes))).all():
                raise ValueError(f"labels of {factor.name!r} are none of {len(factor.classes)}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            told = f"no column {factor.name!r}" if isinstance(error, KeyError) else str(error)
            raise DamagedError(f"{path}: {told}; train the fold again") from error


def columns_of(task: Task) -> list[str]:
    """Names of the columns of a task's probabilities, in the order of its classes."""
    return [f"{task.name}:{name}" for name in task.classes]


def fact_columns(table: pd.DataFrame) -> list[str]:
    """Names of the columns that hold no probabilities."""
    return [name for name in table.columns if ":" not in name]


def probabilities_of(table: pd.DataFrame, task: Task) -> FloatArray:
    """float32 [n, classes] probabilities of a task.

    Raises:
        ValueError: a column is missing; the message names it.
    """
    columns = columns_of(task)
    if missing := [name for name in columns if name not in table]:
        raise ValueError(f"no column {missing[0]!r}")
    return table[columns].to_numpy(np.float32)


def heads_of(table: pd.DataFrame, labels: LabelSet) -> dict[str, FloatArray]:
    """float32 [n, classes] probabilities by task, in the order of the columns.

    Raises:
        ValueError: a class of one of its tasks has no column, or a task is none of the labels'; the message
            names it.
    """
    tasks = dict.fromkeys(name.split(":")[0] for name in table.columns if ":" in name)
    return {task: probabilities_of(table, labels.task(task)) for task in tasks}
