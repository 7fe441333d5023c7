"""A small real run of all three stages, and copies of it to damage."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.commands import MAKING, READING, Command
from tests.faults.zygote.client import Ended, Running, Zygote
from tests.faults.zygote.job import Job

SECONDS = 120
"""A command that takes longer hangs."""
PEOPLE = 10
RECIPE = """about = "faults"
tasks = ["mask", "gender", "age3"]
backbone = "test_resnet"
image_size = 32
augment = "light"
epochs = 2
batch_size = 8
precision = "fp32"
seed = {seed}
"""
TEACHER = """
[teacher]
predictions = ["predictions/both/out_of_fold/out_of_fold.parquet"]
share = 0.5
"""
INPUTS = {
    "recipes/tiny.toml": RECIPE.format(seed=0),
    "recipes/other.toml": RECIPE.format(seed=1),
    "recipes/student.toml": RECIPE.format(seed=2) + TEACHER,
    "ensembles/both.toml": 'views = ["original", "flip"]\nvote = ["tiny", "other"]\nrule = "soft"\n',
    "ensembles/alone.toml": 'about = "one recipe"\nvote = ["tiny"]\n',
}
NOT_WRITTEN = ("data/", "photos/", "bench/")
"""Where the world holds what no stage wrote."""

TIMES = (b"seconds", b"images_per_s")
"""Columns of metrics.csv that differ between equal runs."""
Signature = tuple[int, int, int]


def start(zygote: Zygote, command: Command, folder: Path, streams: Path, **more: object) -> Running:
    """Begin a command in a folder; `more` are fields of the job."""
    target, *arguments = command.line.split()
    if target.endswith(".py"):
        target = str(folder / target)
    given: dict[str, object] = {"stdout": str(streams / "out"), "stderr": str(streams / "err"), **more}
    return zygote.start(
        Job(target=target, arguments=tuple(arguments), folder=str(folder), **given)  # type: ignore[arg-type]
    )


def remove(folder: Path, patterns: tuple[str, ...]) -> None:
    """Remove what fits the patterns."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def build(zygote: Zygote, folder: Path, streams: Path) -> list[str]:
    """Make the world in an empty folder; what took how long."""
    for name, text in INPUTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    lines = []
    sample = Command(f"faces.sample --data data --people {PEOPLE} --workers 1")
    for name, command in {"sample": sample, **MAKING}.items():
        began = time.monotonic()
        if name == "predict":
            _choose_photos(folder)
        ended = start(zygote, command, folder, streams).wait(600)
        if ended.code:
            raise RuntimeError(f"{command.shown}: {ended.code}\n{ended.stdout}\n{ended.stderr}")
        lines.append(f"{name} {time.monotonic() - began:.1f} s")
    _stop_half_way(zygote, READING["resume"], folder, streams, "caches/half/parts/*.parquet", 2)
    on = Command(READING["train on"].line + " --checkpoint-minutes 0")
    _stop_half_way(zygote, on, folder, streams, "half/tiny/fold0/last.previous.pt", 1)
    return lines


def _choose_photos(folder: Path) -> None:
    (folder / "photos").mkdir()
    for photo in sorted((folder / "data/eval/images").glob("[0-9a-f]*.jpg"))[:3]:
        shutil.copy(photo, folder / "photos")


def _stop_half_way(
    zygote: Zygote, command: Command, folder: Path, streams: Path, pattern: str, count: int
) -> None:
    """Kill a command as soon as there are so many files of a pattern."""
    running = start(zygote, command, folder, streams)
    while len([*folder.glob(pattern)]) < count and not running.ended.is_set():
        time.sleep(0.001)
    running.kill(signal.SIGKILL, group=True)
    ended = running.wait(60)
    if ended.code != -signal.SIGKILL:
        raise RuntimeError(f"{command.shown}: was to be stopped half-way, and ended\n{ended.stderr}")


def files(folder: Path) -> Iterator[str]:
    """Paths of all files below a folder, relative to it."""
    for root, _, names in os.walk(folder):
        for name in names:
            yield str(Path(root, name).relative_to(folder))


def written(folder: Path) -> list[str]:
    """What the stages wrote, and the files that they were asked by."""
    return sorted(path for path in files(folder) if not path.startswith(NOT_WRITTEN))


def digest(path: Path) -> str:
    """Of a file's content; of a link's target."""
    if path.is_symlink():
        return f"link to {path.readlink()}"
    data = path.read_bytes()
    if path.name == "metrics.csv":
        data = _without_times(data)
    return hashlib.sha256(data).hexdigest()


def _without_times(data: bytes) -> bytes:
    """The columns of a table that are not how long things took, as far as it is one."""
    rows = [line.split(b",") for line in data.splitlines()]
    timed = {place for place, name in enumerate(rows[0] if rows else ()) if name in TIMES}
    return b"\n".join(b",".join(cell for place, cell in enumerate(row) if place not in timed) for row in rows)


@dataclass
class Copy:
    """A copy of the world, made whole again after each fault."""

    sound: Path
    folder: Path
    streams: Path

    def __post_init__(self) -> None:
        self.streams.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.sound, self.folder, symlinks=True)
        self._digests = {path: digest(self.sound / path) for path in files(self.sound)}
        self._signatures = self.signatures()

    @property
    def sound_digests(self) -> dict[str, str]:
        """Of the files of the sound world."""
        return self._digests

    def signatures(self) -> dict[str, Signature]:
        """What changes when a file is written, even to the same content, by path."""
        found = {}
        for path in files(self.folder):
            status = (self.folder / path).lstat()
            found[path] = status.st_ino, status.st_size, status.st_ctime_ns
        return found

    def digests(self) -> dict[str, str]:
        """Of all files by path; of those that are as they were copied it is known."""
        return {
            path: self._digests[path]
            if self._signatures.get(path) == signature
            else digest(self.folder / path)
            for path, signature in self.signatures().items()
        }

    def restore(self) -> None:
        """Make it equal to the sound world."""
        now = self.signatures()
        for path in {*now, *self._signatures}:
            here = self.folder / path
            if path not in self._signatures:
                here.unlink()
            elif now.get(path) != self._signatures[path]:
                here.parent.mkdir(parents=True, exist_ok=True)
                here.unlink(missing_ok=True)
                shutil.copy2(self.sound / path, here, follow_symlinks=False)
                status = here.lstat()
                self._signatures[path] = status.st_ino, status.st_size, status.st_ctime_ns
        for root, folders, _ in os.walk(self.folder, topdown=False):
            for name in folders:
                there = Path(root, name)
                if not (self.sound / there.relative_to(self.folder)).is_dir() and not there.is_symlink():
                    there.rmdir()

    def run(self, zygote: Zygote, command: Command, **more: object) -> Ended:
        """Run a command to its end."""
        remove(self.folder, command.without)
        return start(zygote, command, self.folder, self.streams, **more).wait(SECONDS)
