"""Test-time views: the images of a photo over which a run's answers are averaged.

torch is imported where it is needed only, so that a file which names views is checked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from faces.command import nearest

if TYPE_CHECKING:
    from torch import Tensor

CROP_SHARE: Final = 0.9
"""Share of the side that each of the five crops keeps."""
ZOOMS: Final = (0.9, 1.1)
"""How much larger the photo is shown in the view `scales`."""
LIGHTS: Final = (0.9, 1.1)
"""Factors on the grey levels in the view `light`."""

ViewsRule = Literal["soft", "log"]
"""How a run's answers to the images of a photo become one. soft: the mean of probabilities. log: their
geometric mean, scaled to a sum of 1, which is the softmax of mean logits."""
LEAST: Final = 1e-12
"""Least probability of which a logarithm is taken."""

Look = Callable[["Tensor", "Tensor"], "Tensor"]
"""One image of a view: normalised images float [n, 3, S, S] and what black is in their units, [3, 1, 1] on
their device (`black_of`), to the same number of images of the same size, normalised alike."""


def original(images: Tensor, _: Tensor) -> Tensor:
    """The images as they are."""
    return images


def flip(images: Tensor, _: Tensor) -> Tensor:
    """Left and right swapped."""
    return images.flip(3)


def crop(images: Tensor, _: Tensor, *, y: float, x: float) -> Tensor:
    """A square of `CROP_SHARE` of the side, in whole pixels, resized back.

    Args:
        images: [n, 3, S, S].
        y: where the square is, from 0 (at the top) to 1 (at the bottom).
        x: the same, from left to right.
    """
    size = images.shape[-1]
    side = round(CROP_SHARE * size)
    top, left = (round(at * (size - side)) for at in (y, x))
    return _resized(images[..., top : top + side, left : left + side], size)


def zoom(images: Tensor, _: Tensor, *, by: float) -> Tensor:
    """The middle of the images enlarged, or, below 1, the images made smaller and mirrored at their edges."""
    size = images.shape[-1]
    if by > 1:
        side = round(size / by)
        first = (size - side) // 2
        return _resized(images[..., first : first + side, first : first + side], size)
    from torch.nn import functional

    side = round(size * by)
    before = (size - side) // 2
    after = size - side - before
    return functional.pad(_resized(images, side), (before, after, before, after), mode="reflect")


def lighten(images: Tensor, black: Tensor, *, by: float) -> Tensor:
    """Grey levels multiplied, without clipping, as training changes brightness.

    A level v in 0 to 1 is stored as x = (v - mean) / std, and black as b = -mean / std. So by v is stored as
    (by v - mean) / std = b + by (x - b).
    """
    return black + by * (images - black)


def _resized(images: Tensor, size: int) -> Tensor:
    from torch.nn import functional

    return functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)


_CORNERS = tuple(partial(crop, y=y, x=x) for y in (0.0, 1.0) for x in (0.0, 1.0))
VIEWS: Final[Mapping[str, tuple[Look, ...]]] = {
    "original": (original,),
    "flip": (flip,),
    "crops": (*_CORNERS, partial(crop, y=0.5, x=0.5)),
    "scales": tuple(partial(zoom, by=by) for by in ZOOMS),
    "light": tuple(partial(lighten, by=by) for by in LIGHTS),
}
"""The images of each view."""


def looks_of(views: Sequence[str]) -> tuple[Look, ...]:
    """All images of some views; a run's answer is the mean over them, each counting the same.

    Raises:
        ValueError: an unknown view (the nearest is named), none, or one twice.
    """
    for view in views:
        if view not in VIEWS:
            raise ValueError(f"views: {view!r}: {nearest(view, [*VIEWS])}")
    if not views or len(set(views)) < len(views):
        raise ValueError(f"views={list(views)}: name at least one, each once")
    return tuple(look for view in views for look in VIEWS[view])


def summand(probabilities: Tensor, rule: ViewsRule) -> Tensor:
    """What is summed over images: probabilities [n, classes], or their logarithms."""
    return probabilities.clamp(min=LEAST).log() if rule == "log" else probabilities


def averaged(total: Tensor, count: int, rule: ViewsRule) -> Tensor:
    """Probabilities [n, classes] from the sum of `summand` over so many images."""
    return (total / count).softmax(1) if rule == "log" else total / count


def count_of(views: Sequence[str]) -> int:
    """Forward passes that a photo costs: original and crops are 1 + 5 = 6.

    Raises:
        ValueError: as `looks_of`.
    """
    return len(looks_of(views))


def black_of(mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Black in normalised units, float32 [3, 1, 1] on the CPU.

    Args:
        mean: of R, G and B in 0 to 1 units.
        std: of R, G and B in 0 to 1 units.
    """
    import torch

    levels = [-m / s for m, s in zip(mean, std, strict=True)]
    return torch.tensor(levels, dtype=torch.float32).view(3, 1, 1)
