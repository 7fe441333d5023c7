"""Plots that stand in the page itself, in its own text colour by day and by night."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from faces.plots import legible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#010203"
"""Stands for the page's text colour until the plot is written."""
_INKED = (
    *("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor"),
    *("xtick.color", "ytick.color"),
)
BLUE, ORANGE, GREEN, RED = "#4a80c9", "#d08420", "#3d9a63", "#cf4f43"
"""Colours that are seen on white and on dark grey."""


def inline_svg(label: str, size: tuple[float, float], draw: Callable[[Figure], object]) -> str:
    """A plot as SVG markup for a page; equal drawings give equal text.

    Args:
        label: what it shows, for those who do not see it.
        size: width and height in inches; a page of 400 pixels shows about 5.5. Texts are of 9 points.
        draw: draws on an empty figure.
    """
    from markupsafe import escape
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: dict[Any, Any] = dict.fromkeys(_INKED, _INK) | {
        "svg.fonttype": "none",
        "svg.hashsalt": label,
        "font.size": 9,
    }
    buffer = io.StringIO()
    with rc_context({**style, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure)
        with legible(figure):
            figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"', "", text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # which every plot has alike, and nothing refers to
    text = text.replace(_INK, "currentColor").replace("#000000", "currentColor")
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
