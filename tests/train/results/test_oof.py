"""oof.parquet: written and read back, its columns, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from faces.storage.documents import DamagedError
from faces.storage.tables import write_table
from tests.helpers.own_labels import OWN, write_own
from train.engine.card import OOF_FILE
from train.results.oof import (
    check_labels,
    columns_of,
    fact_columns,
    heads_of,
    oof_table,
    probabilities_of,
    read_oof,
)

ROWS = np.array([5, 2, 7])
FACTS = ["position", "image_id", "person", "mask", "gender", "age", "fold"]


def shares(count: int, classes: int, seed: int) -> np.ndarray:
    """float32 [count, classes] probabilities."""
    drawn = np.random.default_rng(seed).random((count, classes), np.float32)
    return drawn / drawn.sum(1, keepdims=True)


@pytest.fixture
def stored(coloured: Cache, tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """The folder of answers to three photos, and the answers."""
    predictions = {task: shares(3, len(TASKS[task].classes), 0) for task in ("mask", "age3")}
    write_table(tmp_path / OOF_FILE, oof_table(coloured, ROWS, predictions, fold=1))
    return tmp_path, predictions


def test_what_is_written_is_read_back_to_the_bit(
    coloured: Cache, stored: tuple[Path, dict[str, np.ndarray]]
) -> None:
    folder, predictions = stored
    table = read_oof(folder)
    assert [*table.columns] == [*FACTS, *columns_of(TASKS["mask"]), *columns_of(TASKS["age3"])]
    assert fact_columns(table) == FACTS
    assert [*table["image_id"]] == [*coloured.columns("image_id")["image_id"].iloc[ROWS]]
    assert (table["fold"] == 1).all()
    heads = heads_of(table, CONTEST)
    assert [*heads] == ["mask", "age3"]
    for task, values in predictions.items():
        assert heads[task].dtype == np.float32
        assert np.array_equal(heads[task], values)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("mask:wear", np.nan, "head mask: 3 of 3 rows are not finite"),
        ("mask:wear", np.inf, "head mask: 3 of 3 rows are not finite"),
        ("age3:<30", 3.0, "head age3: row 0 has values outside of 0 to 1"),
        ("age3:<30", -3.0, "head age3: row 0 has values outside of 0 to 1"),
        ("age3:<30", 1.0, r"head age3: row 0 sums to 1\.\d+, not to 1"),
        ("mask:wear", "much", "head mask: holds other values than numbers"),
        ("person", None, "no column 'person'"),
    ],
)
def test_what_cannot_be_answers_is_refused_with_the_file(
    stored: tuple[Path, dict[str, np.ndarray]], column: str, value: object, message: str
) -> None:
    """Also of files of before, which have no digest."""
    folder, _ = stored
    table = pd.read_parquet(folder / OOF_FILE)
    table = table.drop(columns=column) if value is None else table.assign(**{column: value})
    table.to_parquet(folder / OOF_FILE)
    with pytest.raises(ValueError, match=rf"oof\.parquet.*{message}.*train the fold again"):
        read_oof(folder)


def test_a_flipped_byte_anywhere_is_found(stored: tuple[Path, dict[str, np.ndarray]]) -> None:
    path = stored[0] / OOF_FILE
    good = path.read_bytes()
    for place in range(0, len(good), len(good) // 40):
        path.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(DamagedError, match=r"oof\.parquet: .*train the fold again"):
            read_oof(path.parent)


@pytest.mark.parametrize("mask", [7, -2, "wear", 10**30])
def test_labels_that_are_none_of_a_factors_are_refused(
    stored: tuple[Path, dict[str, np.ndarray]], mask: object
) -> None:
    path = stored[0] / OOF_FILE
    table = read_oof(path.parent)
    check_labels(table, CONTEST, path)
    with pytest.raises(DamagedError, match=r"oof\.parquet: .*train the fold again"):
        check_labels(table.assign(mask=pd.Series([mask] * 3)), CONTEST, path)
    with pytest.raises(DamagedError, match=r"oof\.parquet: no column 'gender'"):
        check_labels(table.drop(columns="gender"), CONTEST, path)


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
    predictions = {
        name: shares(2, len(OWN.task(name).classes), 1)
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
