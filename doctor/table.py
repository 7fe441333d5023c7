"""How a look's line is printed."""

from __future__ import annotations

import textwrap
from typing import Final

from rich.text import Text

from doctor.finding import Finding

NAMES: Final = 12
"""Characters of the longest name of a look, and a space."""


def line(name: str, finding: Finding, width: int) -> Text:
    """Whether all is well, its name, what was found, and below it the cure.

    Args:
        name: of the look.
        finding: of the look.
        width: of the terminal, in characters.
    """
    mark = ("ok   ", "green") if finding.good else ("BAD  ", "bold red")
    told = [*_wrapped(finding.words, width), *_wrapped(finding.cure and f"cure: {finding.cure}", width)]
    return Text.assemble(mark, f"{name:{NAMES}}", f"\n{' ' * (5 + NAMES)}".join(told))


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(20, width - 5 - NAMES), break_on_hyphens=False)
