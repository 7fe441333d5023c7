import os
import sys
from dataclasses import dataclass
from pathlib import Path

import fsspec
import pytest

from faces.command import run_command, typed
from faces.remote.address import RemoteError, address_of
from faces.remote.mirror import Mirror, brought
from faces.remote.stage import BOUND_VARIABLE, local_of


def mirror(text: str) -> Mirror:
    found = address_of(text)
    assert found is not None
    return brought(found)


def test_what_is_there_is_here_and_what_is_written_here_goes_there(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe_file("/runs/a/card.json", b"1")
    memory.pipe_file("/runs/a/old.txt", b"2")
    run = mirror("memory://runs")
    assert (run.local / "a/card.json").read_bytes() == b"1"
    (run.local / "a/state.bin").write_bytes(b"3")
    (run.local / "a/half.bin.tmp").write_bytes(b"4")
    (run.local / "a/old.txt").unlink()
    run.push()
    assert memory.cat_file("/runs/a/state.bin") == b"3"
    assert memory.exists("/runs/a/old.txt")  # until the work has ended well
    run.push(ended=True)
    assert {*memory.find("/runs")} == {"/runs/a/card.json", "/runs/a/state.bin"}


def test_files_go_there_in_the_order_in_which_they_were_written(memory: fsspec.AbstractFileSystem) -> None:
    cache = mirror("memory://caches/mine")
    cache.local.mkdir(parents=True)
    for time, name in enumerate(("z", "cache.json", "a")):
        (cache.local / name).write_bytes(b"{}")
        os.utime(cache.local / name, (time, time))
    cache.push()
    created = {name: memory.store[f"/caches/mine/{name}"].created for name in ("z", "cache.json", "a")}
    assert sorted(created, key=lambda name: created[name]) == ["z", "cache.json", "a"]


def test_a_file_that_is_deleted_while_it_is_sent_is_no_fault(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = mirror("memory://caches/mine")
    cache.local.mkdir(parents=True)
    for name in ("gone", "stays"):
        (cache.local / name).write_bytes(b"1")
    put_file = memory.put_file

    def put(local: str, path: str) -> None:
        if local.endswith("gone"):
            Path(local).unlink()
        put_file(local, path)

    monkeypatch.setattr(memory, "put_file", put)
    cache.push()
    assert {*memory.find("/caches/mine")} == {"/caches/mine/stays"}
    assert {*cache.seen} == {"stays"}


def test_what_a_killed_process_left_goes_there_next_time_and_what_changed_there_counts(
    memory: fsspec.AbstractFileSystem,
) -> None:
    for name in ("kept", "changed", "both", "gone"):
        memory.pipe_file(f"/runs/{name}", b"first")
    run = mirror("memory://runs")
    (run.local / "kept").write_bytes(b"newer here")
    (run.local / "new").write_bytes(b"never pushed")
    (run.local / "both").write_bytes(b"here")
    memory.pipe_file("/runs/both", b"there")
    memory.pipe_file("/runs/changed", b"second")
    memory.rm_file("/runs/gone")
    again = mirror("memory://runs")
    again.push(ended=True)
    wanted = {"kept": b"newer here", "new": b"never pushed", "both": b"there", "changed": b"second"}
    assert {path.name: path.read_bytes() for path in again.local.iterdir()} == wanted
    assert {name.removeprefix("/runs/"): memory.cat_file(name) for name in memory.find("/runs")} == wanted


def test_a_copy_that_was_deleted_here_comes_again_and_nothing_is_lost_there(
    memory: fsspec.AbstractFileSystem,
) -> None:
    memory.pipe_file("/runs/card", b"1")
    first = mirror("memory://runs")
    (first.local / "card").unlink()
    again = mirror("memory://runs")
    assert (again.local / "card").read_bytes() == b"1"
    (again.local / "card").unlink()
    again.local.rmdir()
    again.push(ended=True)
    assert memory.cat_file("/runs/card") == b"1"


def test_a_folder_beyond_the_bound_is_refused_with_its_size(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe_file("/photos/a.jpg", bytes(2_000_000))
    monkeypatch.setenv(BOUND_VARIABLE, "0.001")
    with pytest.raises(RemoteError, match=r"memory://photos: 0.002 GB in 1 files .* set FACEFOLD_STAGE_GB"):
        mirror("memory://photos")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A command."""

    data: Path
    out: Path


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    def copy(settings: Settings) -> None:
        if not settings.data.is_file():
            raise ValueError(f"{settings.data}: no such file; name another")
        settings.out.mkdir(parents=True, exist_ok=True)
        (settings.out / "copy").write_bytes(settings.data.read_bytes())

    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    run_command(Settings, copy)


def test_a_command_reads_and_writes_addresses_as_paths(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pipe_file("/in/table.csv", b"path\na.jpg\n")
    memory.pipe_file("/in/a.jpg", b"beside")
    command(monkeypatch, "--data=memory://in/table.csv", "--out", "memory://made/it")
    assert memory.cat_file("/made/it/copy") == b"path\na.jpg\n"
    found = address_of("memory://in/a.jpg")
    assert found is not None
    assert local_of(found).read_bytes() == b"beside"  # a table's photos lie beside it


def test_errors_name_the_address(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, "--data=memory://in/none.csv", "--out=memory://made")
    assert ended.value.code == 2
    assert capsys.readouterr().err == "error: memory://in/none.csv: no such file; name another\n"
    assert memory.find("/made") == []


def test_shards_of_a_finished_cache_that_are_here_do_not_go_there_again(
    memory: fsspec.AbstractFileSystem,
) -> None:
    memory.pipe_file("/caches/x/cache.json", b'{"shards": []}')
    memory.pipe_file("/caches/x/shards/00000.tar", b"1")
    cache = mirror("memory://caches/x")
    assert [path.name for path in cache.local.rglob("*")] == ["cache.json"]
    (cache.local / "shards").mkdir()
    (cache.local / "shards/00000.tar").write_bytes(b"brought for verify")
    cache.push(ended=True)
    assert memory.cat_file("/caches/x/shards/00000.tar") == b"1"


def test_one_file_at_an_address_comes_as_a_file(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe_file("/labels.toml", b"x")
    assert mirror("memory://labels.toml").local.read_bytes() == b"x"


def test_commands_in_messages_name_the_address(memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    memory.pipe_file("/caches/x/cache.json", b"{}")
    assert typed(mirror("memory://caches/x").local) == "memory://caches/x"
    assert typed(tmp_path / "caches") == str(tmp_path / "caches")
