"""A seal: the sha256 of a file in the file itself, which tells its damage wherever it was copied to.

The digest is that of the file with 64 zeros in the digest's place, behind `MARK`. A file without a mark is
another program's, or from before there were seals: nothing is known of its content then.
"""

from __future__ import annotations

import hashlib
import mmap
from typing import Final

MARK: Final = b"facefold-sha256:"
_DIGITS: Final = 64
UNSEALED: Final = (MARK + b"0" * _DIGITS).decode()
"""What a file holds where its seal will be."""


def sealed(data: bytes) -> bytes:
    """A file's bytes with its digest in the place of the last `UNSEALED`.

    Raises:
        ValueError: there is no such place.
    """
    at = data.rfind(UNSEALED.encode())
    if at < 0:
        raise ValueError("no place for a seal in these bytes")
    start = at + len(MARK)
    return data[:start] + hashlib.sha256(data).hexdigest().encode() + data[start + _DIGITS :]


def is_sealed(data: bytes) -> bool:
    """Whether there is a seal in a file's bytes.

    A mark without a digest behind it counts too: it is a damaged one.
    """
    return MARK in data


def is_intact(data: bytes | mmap.mmap) -> bool:
    """Whether a file's bytes are those that were sealed; also those without any seal count as such.

    They are not copied, and may be a large file's that is mapped.
    """
    at = data.rfind(MARK)
    if at < 0:
        return True
    start = at + len(MARK)
    with memoryview(data) as whole:
        digest = hashlib.sha256(whole[:start])
        digest.update(b"0" * _DIGITS)
        digest.update(whole[start + _DIGITS :])
        return digest.hexdigest().encode() == whole[start : start + _DIGITS]
