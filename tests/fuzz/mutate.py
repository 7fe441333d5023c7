"""Damages bytes: each change is a function of the bytes and of a random generator."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

INTEGERS: Final = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**63,
)
"""Where counts and offsets overflow."""
MOST_BYTES: Final = 2**20
"""No input grows beyond this."""


def mutate(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    """Some bytes with one to eight changes.

    Args:
        data: what is changed.
        seeds: other files, of which parts may come in.
        random: decides.
    """
    for _ in range(min(8, 1 + int(random.expovariate(0.6)))):
        data = random.choice(_CHANGES)(data, seeds, random)[:MOST_BYTES]
    return data


def _span(data: bytes, random: Random) -> tuple[int, int]:
    """A short part of the bytes, seldom a long one."""
    start = random.randrange(len(data) + 1)
    return start, min(len(data), start + 1 + int(random.expovariate(1 / random.choice((2, 16, 256)))))


def _flip(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _insert(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.randrange(1, 9)) + data[at:]


def _delete(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    start, stop = _span(data, random)
    return data[:start] + data[stop:]


def _truncate(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _repeat(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    start, stop = _span(data, random)
    return data[:stop] + data[start:stop] * random.choice((1, 2, 100)) + data[stop:]


def _integer(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    width, value = random.choice((1, 2, 4, 8)), random.choice(INTEGERS) - random.choice((0, 0, 1))
    at = random.randrange(len(data) + 1)
    number = (value % 2 ** (8 * width)).to_bytes(width, random.choice(("little", "big")))
    return data[:at] + number + data[at + width :]


def _splice(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    """The beginning of one file, the end of another."""
    other = random.choice(seeds)
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _fill(data: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    start, stop = _span(data, random)
    return data[:start] + random.choice((b"\0", b"\xff")) * (stop - start) + data[stop:]


_CHANGES: Final = (_flip, _flip, _integer, _integer, _insert, _delete, _truncate, _repeat, _splice, _fill)
