"""Damage is what it says, of every file and of every field."""

import json
from pathlib import Path

import pandas as pd
import pytest
from safetensors.numpy import load, save

from faces.storage.documents import DamagedError, document, read_document
from faces.storage.tables import read_table, write_table
from tests.faults.commands import READERS, READING, kind_of, readers
from tests.faults.fields import column_faults, field_faults, places
from tests.faults.holders import holders
from tests.faults.mutations import byte_faults, siblings_of

TABLE = {"size": 3, "labels": {"names": ["a", "b"], "on": True}, "name": "x"}


def test_every_place_of_a_table_is_found() -> None:
    found = [".".join(map(str, place)) for place, _ in places(TABLE)]
    assert found == ["size", "labels", "labels.names", "labels.names.0", "labels.on", "name"]


def test_byte_faults_change_one_file_and_each_differs(tmp_path: Path) -> None:
    data = bytes(range(256))
    faults = [*byte_faults(_world(tmp_path, data), "a/0.bin", ["a/1.bin"], all_kinds=True)]
    results = []
    for fault in faults:
        world = _world(tmp_path / str(len(results)), data)
        fault.apply(world)
        file = world / "a/0.bin"
        results.append(file.read_bytes() if file.exists() else None)
        assert (world / "a/1.bin").read_bytes() == b"other"
    flips = [r for r in results if r and len(r) == len(data)]
    assert len(flips) == 5
    assert {sum((a ^ b).bit_count() for a, b in zip(data, r, strict=True)) for r in flips} == {1}
    assert results[5:] == [None, b"", data[:128], b"other"]


def _world(folder: Path, data: bytes) -> Path:
    (folder / "a").mkdir(parents=True)
    (folder / "a/0.bin").write_bytes(data)
    (folder / "a/1.bin").write_bytes(b"other")
    return folder


def test_siblings_are_of_one_kind_and_of_another_content() -> None:
    contents = {"a/00.tar": "1", "a/01.tar": "2", "b/00.tar": "1", "a/x.json": "3"}
    assert siblings_of("a/00.tar", contents) == ["a/01.tar"]
    assert kind_of("runs/tiny/fold0/predicted/0123456789abcdef.safetensors") == kind_of(
        "runs/other/fold1/predicted/fedcba9876543210.safetensors"
    )


def test_field_faults_of_a_document_leave_its_seal_right_or_wrong(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(document(TABLE))
    faults = [*field_faults(tmp_path, "x.json")]
    assert len({fault.what for fault in faults}) == len(faults)
    for fault in faults:
        fault.apply(tmp_path)
        if "seal wrong" in fault.kind:
            with pytest.raises(DamagedError, match="edited or damaged"):
                read_document(tmp_path / "x.json", "cure")
        else:
            assert read_document(tmp_path / "x.json", "cure") != TABLE
    assert {fault.kind for fault in faults} >= {
        "field missing",
        "field NaN",
        "field hostile",
        "field unknown",
    }


def test_a_card_in_safetensors_is_a_table_and_the_tensors_stay(tmp_path: Path) -> None:
    tensors = {"w": pd.Series([1.0, 2.0]).to_numpy()}
    (tmp_path / "x.safetensors").write_bytes(save(tensors, {"card": json.dumps(TABLE), "other": "plain"}))
    (holder,) = holders(tmp_path / "x.safetensors")
    assert (holder.place, holder.table, holder.sealed) == ("card", TABLE, False)
    (tmp_path / "x.safetensors").write_bytes(holder.rebuild({**TABLE, "size": -1}, True))
    assert load((tmp_path / "x.safetensors").read_bytes())["w"].tolist() == [1, 2]
    (holder,) = holders(tmp_path / "x.safetensors")
    assert holder.table["size"] == -1


def test_column_faults_keep_notes_and_seal(tmp_path: Path) -> None:
    write_table(tmp_path / "x.parquet", pd.DataFrame({"key": ["a", "b"], "p": [0.5, 0.25]}), {"of": "me"})
    sound = read_table(tmp_path / "x.parquet", "cure").rows
    kinds = set()
    for fault in column_faults(tmp_path, "x.parquet"):
        fault.apply(tmp_path)
        found = read_table(tmp_path / "x.parquet", "cure")
        assert found.notes == {"of": "me"}
        assert not found.rows.equals(sound)
        kinds.add(fault.kind)
    assert {"column missing", "column NaN", "column none", "column hostile"} <= kinds


def test_every_file_has_readers_and_every_reader_is_known() -> None:
    assert {name for _, names in READERS for name in names} <= {*READING}
    assert readers("a/file/of/tomorrow.bin")
