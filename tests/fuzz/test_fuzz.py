"""Some damaged files for every reader, and what finds the failures of one that is broken."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from faces.storage.documents import document, parse_document
from faces.storage.seal import is_intact
from tests.fuzz.child import emptied, input_of, kept, saved
from tests.fuzz.drive import Totals, drive, note_death
from tests.fuzz.limits import TIMEOUT
from tests.fuzz.minimise import minimise
from tests.fuzz.mutate import mutate
from tests.fuzz.registry import NAMES, build
from tests.fuzz.report import failure_lines
from tests.fuzz.sealing import resealed
from tests.fuzz.structure import changed
from tests.fuzz.target import ROOT, Case, Target, attempt, placed

INPUTS = 25


@pytest.mark.parametrize("name", NAMES)
def test_readers_return_or_refuse_damaged_files_in_one_line_that_names_them(
    name: str, tmp_path: Path
) -> None:
    target = build(name)
    found = [
        attempt(target, input_of(target, name, 0, number), emptied(tmp_path / "input"))
        for number in range(INPUTS)
    ]
    assert [(each.where, each.told) for each in found if each.kind == "failed"] == []
    assert {each.kind for each in found} == {"accepted", "refused"}


def test_equal_seeds_make_equal_inputs_that_are_damaged() -> None:
    target = build("documents")
    made = [[input_of(target, "documents", seed, number).data for number in range(40)] for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert len({*made[0]}) > 30


def test_changes_leave_what_they_change_as_it_was() -> None:
    table = {"a": [1, {"b": "c"}], "d": True}
    before, seeds = json.dumps(table), [bytes(range(256)), b"another"]
    assert any(changed(table, Random(number)) != table for number in range(9))
    assert json.dumps(table) == before
    assert all(len(mutate(seeds[0], seeds, Random(number))) <= 2**20 for number in range(200))
    assert mutate(b"", [b""], Random(0)) is not None


def test_a_changed_document_is_sealed_again() -> None:
    damaged = document({"a": 1}).replace(b'"a": 1', b'"a": 2')
    assert not is_intact(damaged)
    assert parse_document(resealed(damaged), "x", "y") == {"a": 2}
    assert resealed(b"no seal") == b"no seal"


def test_what_no_reader_may_do_is_told_from_a_refusal(tmp_path: Path) -> None:
    target = build("broken")
    found = {
        data: attempt(target, Case("in/file.txt", data), tmp_path)
        for data in (b"return", b"refuse", b"no name", b"KeyError")
    }
    assert [each.kind for each in found.values()] == ["accepted", "refused", "failed", "failed"]
    assert "names no file" in found[b"no name"].told
    assert "KeyError instead of ValueError or OSError" in found[b"KeyError"].told
    assert "tests/fuzz/targets/broken.py" in found[b"KeyError"].where


def test_a_page_of_a_message_is_no_line(tmp_path: Path) -> None:
    def read(case: Case, folder: Path) -> None:
        raise ValueError(f"{placed(case, folder)}:\n1\n2\n3\n4")

    target = Target(make=lambda random: Case("x", b""), read=read)
    assert "is a page" in attempt(target, Case("x", b""), tmp_path).told


def test_what_fails_gets_smaller_and_is_read_again_as_it_was_kept(tmp_path: Path) -> None:
    def fails(data: bytes) -> bool:
        return b"KeyError" in data

    assert minimise(b"x" * 100 + b"KeyError" + b"y" * 57, fails) == b"KeyError"
    case = Case("in/file.txt", b"KeyError")
    assert kept(saved(case, tmp_path, "here")) == case


def test_readers_that_die_or_take_all_memory_are_noted_and_the_next_inputs_are_read(tmp_path: Path) -> None:
    totals = drive("broken", 0, 2.0, tmp_path / "work", tmp_path / "out", lambda _: None)
    dead = [failure for where, failure in totals.failures.items() if "SIGSEGV" in where]
    assert [kept(Path(failure["input"])).data for failure in dead] == [b"die"]
    assert any(where.startswith("MemoryError") for where in totals.failures)
    assert len(totals.failures) == 4
    assert totals.inputs >= totals.failed > 3
    assert totals.accepted + totals.refused > 0
    lines = failure_lines([totals])
    assert all("make fuzz TARGET=broken INPUT=" in line for line in lines)
    assert len(lines) == 4


def test_a_reader_that_hangs_ends_its_process(tmp_path: Path) -> None:
    code = "import time; from tests.fuzz import limits\nwith limits.limited_time(0.2): time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    totals = Totals("broken")
    note_death(totals, Case("x", b"hang"), done.returncode, done.stderr, tmp_path)
    assert done.stderr.startswith(TIMEOUT)
    [failure] = totals.failures.values()
    assert failure["told"] == "no answer in 10 s"
    assert Path(failure["input"]).read_bytes() == b"hang"


def test_failures_that_are_alike_lie_in_one_folder(tmp_path: Path) -> None:
    one, other = (saved(Case("x", data), tmp_path, "same") for data in (b"1", b"2"))
    assert one == other
    assert one.parent.name == hashlib.sha256(b"same").hexdigest()[:8]
    assert Totals("x", accepted=1, refused=2, failed=3).inputs == 6
