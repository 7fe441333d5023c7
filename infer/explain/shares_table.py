"""The shares of faces, hair, collars and walls in where heads look, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.table import Table

from faces.intervals import Estimate
from infer.explain.regions import REGIONS
from infer.explain.shares import HeadShares, mean_of


def shares_table(found: Sequence[HeadShares], count: int, *, matted: bool) -> Table:
    """A block for each head.

    Args:
        found: of `shares_of`.
        count: of photos.
        matted: whether the person was told by a matte.
    """
    shown = Table(title=f"where heads look, {count:,} photos of as many people", title_justify="left")
    for column in ("recipe", "head", "", *REGIONS, "same answer", "right", "like random"):
        shown.add_column(column, justify="left" if column in ("recipe", "head", "") else "right")
    for head in found:
        shown.add_section()
        known = head.right[~np.isnan(head.right).any(1)]
        right = [f"{share:.1%}" for share in known.mean(0)] if len(known) else ["", ""]
        shown.add_row("", "", "even look", *(_percent(mean_of(part)) for part in head.area.T), "", "", "")
        shown.add_row(
            head.recipe,
            head.name,
            "map",
            *(_interval(mean_of(part)) for part in head.shares.T),
            "",
            right[0],
            f"{mean_of(head.random).value:.2f}",
        )
        shown.add_row(
            "",
            "",
            "no background",
            *(_interval(mean_of(part)) for part in head.bare.T),
            f"{head.same.mean():.1%}",
            right[1],
            "",
        )
    shown.caption = caption(matted=matted)
    shown.caption_justify = "left"
    return shown


def caption(*, matted: bool) -> str:
    """What the columns are."""
    person = (
        "beyond the matte that the cache keeps"
        if matted
        else "beyond an ellipse about face and hair, for want of a matte"
    )
    return (
        "Shares of each photo's Grad-CAM of the answered class, mean and 95 % interval over people; each "
        "photo by the network that did not see its person. Even look: the regions' shares of what the "
        f"network is shown. No background: painted grey {person}. Like random: rank correlation with the "
        "map of random weights."
    )


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.0%}"


def _interval(estimate: Estimate) -> str:
    if np.isnan(estimate.low):
        return _percent(estimate)
    low, high = max(estimate.low, 0), min(estimate.high, 1)  # shares, whatever a normal distribution says
    return f"{estimate.value:.0%} [{100 * low:.0f}, {100 * high:.0f}]"
