"""Files that carry a digest tell every change of a byte, and equal content gives equal files."""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from faces.storage import tables
from faces.storage.documents import DamagedError, document, read_document, write_document
from faces.storage.seal import MARK, UNSEALED, is_intact, is_sealed, sealed
from faces.storage.tables import read_table, table_bytes, write_table

TABLE = {"version": 1, "names": ["가", "b"], "score": 0.5, "inner": {"none": None, "hint": UNSEALED}}
ROWS = pd.DataFrame(
    {"name": ["a", "가", "c"], "share": np.float32([0.25, 0.5, np.nan]), "box": [[1, 2], [], [3]]}
)


def flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def test_every_flipped_bit_of_a_seal_or_what_it_seals_is_told() -> None:
    whole = sealed(f"what is to be kept, {UNSEALED}, and more".encode())
    assert is_sealed(whole) and is_intact(whole)
    for place in range(len(whole)):
        damaged = flipped(whole, place, place % 8)
        # Without its mark a file is one of before; its content is then as it was.
        in_mark = whole.index(MARK) <= place < whole.index(MARK) + len(MARK)
        assert is_intact(damaged) == in_mark
    with pytest.raises(ValueError, match="no place for a seal"):
        sealed(b"nothing")


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_document(tmp_path / "a.json", TABLE)
    assert read_document(tmp_path / "a.json", "cure") == TABLE
    assert document(TABLE) == (tmp_path / "a.json").read_bytes() == document(dict(TABLE))
    (tmp_path / "old.json").write_text(json.dumps(TABLE))
    assert read_document(tmp_path / "old.json", "cure") == TABLE


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (b"[1]", "holds no table"),
        (b'{"a": 1', "not readable as JSON"),
        (b"\xff\xfe{}", "not readable as JSON"),
        (b"[" * 100_000, "without end|not readable"),
        (document(TABLE).replace(b"0.5", b"0.6"), "edited or damaged"),
    ],
)
def test_a_document_that_is_none_is_refused_with_file_and_cure(
    tmp_path: Path, content: bytes, complaint: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=complaint) as refusal:
        read_document(path, "write it again")
    assert str(refusal.value).startswith(f"{path}: ") and str(refusal.value).endswith("; write it again")


def test_a_table_is_read_as_it_was_written_by_any_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_table(path, ROWS, {"weights": "가" * 3})
    found = read_table(path, "cure")
    assert found.notes == {"weights": "가" * 3}
    for rows in (found.rows, pd.read_parquet(path)):
        pd.testing.assert_frame_equal(rows, ROWS)
    assert [*read_table(path, "cure", ["share"]).rows] == ["share"]
    assert table_bytes(ROWS) == table_bytes(ROWS.copy()) != table_bytes(ROWS, {"weights": ""})
    with pytest.raises(DamagedError, match=r"no column 'age'; write it again"):
        read_table(path, "write it again", ["age"])


def test_a_table_of_another_program_has_no_notes(tmp_path: Path) -> None:
    ROWS.to_parquet(tmp_path / "a.parquet", index=False)
    assert read_table(tmp_path / "a.parquet", "cure").notes == {}


def test_flips_and_cuts_of_a_table_are_refused_or_change_nothing(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.parquet", random.Random(0)
    whole = table_bytes(ROWS, {"weights": "abc"})
    for _ in range(200):
        path.write_bytes(flipped(whole, rng.randrange(len(whole)), rng.randrange(8)))
        try:
            found = read_table(path, "write it again")
        except DamagedError as error:
            assert str(error).startswith(f"{path}: ") and str(error).endswith("; write it again")
        else:  # in the name of the mark
            pd.testing.assert_frame_equal(found.rows, ROWS)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedError, match=r"empty|edited or damaged|not readable"):
            read_table(path, "write it again")


def test_a_table_beyond_memory_is_refused_by_its_footer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rows = tmp_path / "bomb.parquet", tables.MOST_CELLS + 1
    parquet.write_table(pa.table({"a": pa.nulls(rows, pa.bool_())}), path, row_group_size=rows)
    assert path.stat().st_size < 2**20
    with pytest.raises(DamagedError, match=r"bomb.parquet: 200,000,001 rows of 1 columns.*; name another"):
        read_table(path, "name another")
    write_table(path, ROWS)
    monkeypatch.setattr(tables, "MOST_UNPACKED", 100)
    with pytest.raises(DamagedError, match=r"bomb.parquet: 3 rows .* bytes unpacked, are beyond"):
        read_table(path, "name another")


def test_columns_of_lists_are_read_of_sealed_tables_alone(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours.parquet", tmp_path / "other.parquet"
    rows = pd.DataFrame({"a": [1, 2], "box": [[0.5, 1.0], [2.0]]})
    write_table(ours, rows)
    rows.to_parquet(other, index=False)
    assert [*read_table(ours, "x").rows] == ["a", "box"]
    assert [*read_table(other, "x").rows] == ["a"]
    with pytest.raises(DamagedError, match=r"other.parquet: no column 'box'; write it again"):
        read_table(other, "write it again", ["box"])


def test_a_mark_that_is_damaged_is_no_file_of_before(tmp_path: Path) -> None:
    table, text = tmp_path / "table.parquet", tmp_path / "table.json"
    write_table(table, pd.DataFrame({"a": [1]}))
    write_document(text, {"a": 1})
    for path, read in ((table, read_table), (text, read_document)):
        data = path.read_bytes()
        assert MARK in data
        path.write_bytes(data.replace(MARK, b"f" + MARK[1:].upper()))
        with pytest.raises(DamagedError, match="edited or damaged"):
            read(path, "make it again")
