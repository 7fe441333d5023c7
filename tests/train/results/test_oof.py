"""oof.parquet: written and read back, its columns, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from tests.helpers.own_labels import OWN, write_own
from train.results.oof import (
    columns_of,
    fact_columns,
    heads_of,
    oof_table,
    probabilities_of,
    read_oof,
    write_oof,
)

FACTS = ["position", "image_id", "person", "mask", "gender", "age", "fold"]


def test_what_is_written_is_read_back_to_the_bit(coloured: Cache, tmp_path: Path) -> None:
    rows = np.array([5, 2, 7])
    random = np.random.default_rng(0)
    predictions = {
        task: random.random((3, len(TASKS[task].classes)), np.float32) for task in ("mask", "age3")
    }
    write_oof(oof_table(coloured, rows, predictions, fold=1), tmp_path)
    table = read_oof(tmp_path)
    assert [*table.columns] == [*FACTS, *columns_of(TASKS["mask"]), *columns_of(TASKS["age3"])]
    assert fact_columns(table) == FACTS
    assert [*table["image_id"]] == [*coloured.columns("image_id")["image_id"].iloc[rows]]
    assert (table["fold"] == 1).all()
    heads = heads_of(table, CONTEST)
    assert [*heads] == ["mask", "age3"]
    for task, values in predictions.items():
        assert heads[task].dtype == np.float32
        assert np.array_equal(heads[task], values)


def test_columns_are_named_by_task_and_class() -> None:
    assert columns_of(TASKS["mask"]) == ["mask:wear", "mask:incorrect", "mask:normal"]


def test_a_missing_table_is_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"oof.parquet: no such file.*train the fold again"):
        read_oof(tmp_path)


def test_a_missing_column_is_named() -> None:
    table = pd.DataFrame({"mask:wear": [0.5], "mask:normal": [0.5]})
    with pytest.raises(ValueError, match="no column 'mask:incorrect'"):
        probabilities_of(table, TASKS["mask"])
    with pytest.raises(ValueError, match="no column 'mask:incorrect'"):
        heads_of(table, CONTEST)


def test_tasks_of_own_labels_are_told_by_their_expressions(tmp_path: Path) -> None:
    cache = write_own(tmp_path / "cache")
    random = np.random.default_rng(0)
    predictions = {
        name: random.random((2, len(OWN.task(name).classes)), np.float32)
        for name in ("glasses*helmet", "years[20, 40]", "helmet")
    }
    table = oof_table(cache, np.array([4, 0]), predictions, fold=0)
    assert fact_columns(table) == ["position", "image_id", "person", *OWN.names, "fold"]
    assert columns_of(OWN.task("years[20, 40]"))[0] == "years[20, 40]:<20"
    heads = heads_of(table, OWN)
    assert [*heads] == [*predictions]
    assert all(np.array_equal(heads[name], predictions[name]) for name in heads)
    with pytest.raises(ValueError, match=r"'helmet' is no task of these labels"):
        heads_of(table[columns_of(OWN.task("helmet"))], CONTEST)
