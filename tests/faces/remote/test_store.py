from pathlib import Path

import fsspec
import pytest

from faces.remote.address import RemoteError, address_of
from faces.remote.retries import BUDGET_VARIABLE, persistently
from faces.remote.store import Store

THERE = address_of("memory://there")
assert THERE is not None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://bucket/caches/mine/", "s3://bucket/caches/mine"),
        ("gs://b/x", "gs://b/x"),
        ("hf://datasets/a/b", "hf://datasets/a/b"),
        ("sftp://me:secret@host/photos", "sftp://host/photos"),
        ("caches/mine", None),
        ("/s3/x", None),
        ("C:/photos", None),
        ("file:///photos", None),
        ("unheard://x", None),
    ],
)
def test_addresses_are_told_from_paths_and_never_show_a_password(text: str, shown: str | None) -> None:
    for given in (text, Path(text)):
        found = address_of(given)
        assert (str(found) if found else None) == shown


def test_an_address_never_leads_out_of_the_stage() -> None:
    for text in ("s3://bucket/../../etc", "s3://.."):
        found = address_of(text)
        assert found is not None
        with pytest.raises(RemoteError, match="no folder or file by that name"):
            _ = found.parts


@pytest.mark.parametrize(("faults", "budget", "ends"), [(3, 3, True), (4, 3, False), (0, 0, True)])
def test_the_budget_is_spent_before_giving_up_and_no_attempt_more(
    monkeypatch: pytest.MonkeyPatch, faults: int, budget: int, ends: bool
) -> None:
    monkeypatch.setenv(BUDGET_VARIABLE, str(budget))
    attempts = 0

    def action() -> str:
        nonlocal attempts
        attempts += 1
        if attempts <= faults:
            raise ConnectionResetError("reset by peer")
        return "done"

    if ends:
        assert persistently(THERE, action) == "done"
        assert attempts == faults + 1
    else:
        message = rf"memory://there: reset by peer, at the last of {budget + 1} attempts .*; the same command"
        with pytest.raises(RemoteError, match=message):
            persistently(THERE, action)
        assert attempts == budget + 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError("Access Denied"), "no right to this .Access Denied.; give the rights"),
        (FileNotFoundError("The specified bucket does not exist"), "nothing is there"),
    ],
)
def test_what_no_repeat_mends_is_told_at_once(error: Exception, message: str) -> None:
    attempts = []

    def action() -> None:
        attempts.append(1)
        raise error

    with pytest.raises(RemoteError, match=f"memory://there: {message}"):
        persistently(THERE, action)
    assert len(attempts) == 1


@pytest.mark.parametrize("text", ["-1", "many", "1.5", ""])
def test_a_budget_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(BUDGET_VARIABLE, text)
    with pytest.raises(RemoteError, match=f"{BUDGET_VARIABLE}={text}: must be a whole number"):
        persistently(THERE, lambda: None)


def test_wrong_bytes_never_get_the_files_name(
    tmp_path: Path, memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(BUDGET_VARIABLE, "2")
    memory.pipe_file("/there/a.bin", b"12345")
    for size, sha256, words in ((4, None, "5 of 4 bytes arrived"), (5, "0" * 64, "does not fit its sha256")):
        with pytest.raises(RemoteError, match=f"memory://there/a.bin: .*{words}, at the last of 3 attempts"):
            Store(THERE).fetch("a.bin", tmp_path / "here" / "a.bin", size=size, sha256=sha256)
        assert [*(tmp_path / "here").iterdir()] == []


def test_a_protocol_whose_package_is_missing_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object, **options: object) -> None:
        raise ImportError("install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    found = address_of("s3://bucket/x")
    assert found is not None
    with pytest.raises(RemoteError, match=r"s3://bucket/x: .*not installed; run `make setup EXTRAS=remote`"):
        Store(found).listed()
