"""Texts of others, such as names of files, as they may be printed."""

from __future__ import annotations

import re

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tabs and ends of lines, turns of the direction of writing, and bytes of file names
that are no text, which cannot be printed at all."""


def printable(text: str) -> str:
    """Text for a terminal, whatever name of a file or a table is in it: characters that would steer the
    terminal are written out (\\x1b), but for tabs and ends of lines."""
    return _STEERING.sub(lambda found: repr(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`printable`, with ends of lines written out, too."""
    return printable(text).replace("\n", "\\n")
