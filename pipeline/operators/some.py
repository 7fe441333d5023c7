"""An operator that only some samples pass, so that the others cost nothing.

DALI's conditionals split the batch by a drawn number. They work only in pipelines made with
`enable_conditionals=True` (`Graph.conditional`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nvidia.dali.auto_aug.core._select import select


def _keep(pixels: Any, *_: Any) -> Any:
    return pixels


def for_some(chosen: Any, operator: Callable[..., Any], pixels: Any, *more: Any) -> Any:
    """DALI node: the samples where `chosen` is 1 after the operator, the others as they are.

    Args:
        chosen: node of int32 scalars, 0 or 1, on the CPU.
        operator: makes nodes of (pixels, *more).
        pixels: node of images, on either device.
        more: nodes that the operator takes beside them.
    """
    return select([_keep, operator], chosen, pixels, *more)
