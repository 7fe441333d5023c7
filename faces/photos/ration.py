"""How much of a file a decoder may look at."""

from __future__ import annotations

import io
from typing import Final

MOST_PARTS: Final = 10_000
"""Reads of a decoder before it knows a photo's size: parts of a header, each of which may cost a copy of all
before it."""
MOST_PIECES: Final = 500_000
"""Reads of a decoder in all; a PNG of 200 MB in pieces of 2 kB takes 300,000."""
MOST_HEADER: Final = 12 * 2**20
"""Bytes of texts, profiles and previews that a decoder reads one after another before the pixels."""
MOST_SCANS: Final = 100
"""Times that a JPEG goes over its pixels; those of cameras and browsers have ten."""


class TooMuchError(Exception):
    """A file of which reading it would take minutes, or memory without end."""


class _Ration:
    """A file of which a decoder gets as much as a photo takes. There are pictures of few pixels that cost
    hours, such as a GIF with a comment in millions of pieces, or a JPEG with a thousand previews."""

    reads = header = 0
    pieces = MOST_PARTS

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any file.

        Raises:
            TooMuchError: beyond what a photo takes.
        """
        found: bytes = super().read(size)  # type: ignore[misc]
        if size is None or size < 0:  # what is read whole is read once
            return found
        self.reads += 1
        self.header += len(found)
        if self.reads > self.pieces or (self.pieces == MOST_PARTS and self.header > MOST_HEADER):
            raise TooMuchError("too many parts: more than any photo has")
        return found

    def size_known(self) -> None:
        """The header was read, and the pixels come."""
        self.pieces = MOST_PIECES


class RationedFile(_Ration, io.BufferedReader):
    """A file on disk."""


class RationedBytes(_Ration, io.BytesIO):
    """A file in memory."""


def check_scans(data: bytes) -> None:
    """Refuse a JPEG that goes over its pixels without end.

    Raises:
        TooMuchError: more than `MOST_SCANS` times.
    """
    if not data.startswith(b"\xff\xd8") or data.count(b"\xff\xda") <= MOST_SCANS:
        return
    place = 2
    while (
        data[place : place + 1] == b"\xff" and data[place + 1 : place + 2] != b"\xda"
    ):  # parts of the header
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    if data.count(b"\xff\xda", place, data.find(b"\xff\xd9", place) % (len(data) + 1)) > MOST_SCANS:
        raise TooMuchError("too many parts: its pixels come in more scans than those of any photo")
