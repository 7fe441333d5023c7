"""Damage to a file's bytes."""

from __future__ import annotations

import fnmatch
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.commands import kind_of

SEAL_WRONG = "seal wrong"
FORGED_FIELDS = ("zero", "empty", "hostile")
FORGED_VALUES = (*FORGED_FIELDS, "negative", "huge", "NaN")
"""Kinds of damage to fields, and to values of a column, after which a file may still be a valid one."""
NOTED = "caches/*/cache.json: settings.*"
"""Fields that only say how crops were made: what reading does not need is no part of the schema, so that
caches of other programs and of before open."""
NEAR = 16
"""Bytes that count as a file's head, and as its tail."""


@dataclass(frozen=True)
class Fault:
    """One change of one file of the world."""

    path: str
    kind: str
    """Of fault, as in the table."""
    what: str
    """For a person."""
    apply: Callable[[Path], None]
    """Do it, in the world of that folder."""

    @property
    def forged(self) -> bool:
        """Whether the seal is right: only the schema can tell."""
        return self.kind.startswith(("field ", "column ")) and not self.kind.endswith(SEAL_WRONG)

    @property
    def maybe_valid(self) -> bool:
        """Whether it may be a file that could have been written: a seal tells damage, not forgery."""
        if self.kind == "field missing" and fnmatch.fnmatch(f"{self.path}: {self.what}", NOTED):
            return True
        value = self.kind.split(" ", 1)[1] if self.forged else ""
        return value in (FORGED_VALUES if self.kind.startswith("column ") else FORGED_FIELDS)


def put(path: Path, data: bytes) -> None:
    """Replace a file, not what else is linked to its content."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def flipped(data: bytes, place: int, bit: int) -> bytes:
    """With one bit the other way."""
    return data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]


def byte_faults(
    world: Path, path: str, siblings: list[str], *, all_kinds: bool, seed: int = 0
) -> Iterator[Fault]:
    """Faults of one file.

    Args:
        world: the sound world.
        path: in it.
        siblings: other files of its kind, of another content.
        all_kinds: every fault; else a flipped bit and a deletion, for files that have many like them.
        seed: of the bits, and of the sibling.
    """
    size = (world / path).stat().st_size
    drawn = random.Random(f"{seed} {path}")
    places = {
        "a bit at its head": drawn.randrange(min(size, NEAR) or 1),
        "a bit in its middle": size // 2,
        "a bit at its tail": max(0, size - 1 - drawn.randrange(min(size, NEAR) or 1)),
        "a bit anywhere": drawn.randrange(size or 1),
        "another bit anywhere": drawn.randrange(size or 1),
    }
    if not size:
        places = {}
    elif not all_kinds:
        places = {"a bit anywhere": places["a bit anywhere"]}
    for kind, place in places.items():
        yield _flip(path, kind, place, drawn.randrange(8))
    yield Fault(path, "deleted", "deleted", lambda folder: (folder / path).unlink())
    if not all_kinds:
        return
    yield Fault(path, "emptied", "emptied", lambda folder: put(folder / path, b""))
    if size:
        half = size // 2
        yield Fault(path, "truncated", f"cut to {half} bytes", lambda folder: _cut(folder / path, half))
    if siblings:
        other = drawn.choice(siblings)
        yield Fault(
            path,
            "swapped",
            f"{other} in its place",
            lambda folder: put(folder / path, (folder / other).read_bytes()),
        )


def _flip(path: str, kind: str, place: int, bit: int) -> Fault:
    def apply(folder: Path) -> None:
        put(folder / path, flipped((folder / path).read_bytes(), place, bit))

    return Fault(path, kind, f"bit {bit} of byte {place} flipped", apply)


def _cut(path: Path, size: int) -> None:
    put(path, path.read_bytes()[:size])


def siblings_of(path: str, contents: dict[str, str]) -> list[str]:
    """Files that could be taken for this one: of the same name and suffix elsewhere, or of the same kind.

    Args:
        path: the file.
        contents: digest by path of all files.
    """
    name = kind_of(Path(path).name)
    return [
        other
        for other, content in sorted(contents.items())
        if content != contents[path] and kind_of(Path(other).name) == name
    ]
