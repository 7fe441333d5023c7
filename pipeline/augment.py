"""Augmentation policies: what may happen to a training photo, and how strongly.

Every file of pipeline/augmentations/ adds its settings to the policy; none is known here by name.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from faces.command import nearest
from pipeline import augmentations
from pipeline.definition import Augmentation
from pipeline.ranges import check_ranges

LEAST_CENTRE: Final = 0.25
"""Least share of a crop's side that a centre crop may keep."""


def _registered() -> tuple[Augmentation[Any], ...]:
    names = [module.name for module in pkgutil.iter_modules(augmentations.__path__)]
    found = [import_module(f"{augmentations.__name__}.{name}").AUGMENTATION for name in names]
    return tuple(sorted(found, key=lambda augmentation: augmentation.place))


REGISTERED: Final = _registered()
"""Every augmentation, in the order of the graph's steps."""


# Of several bases Python puts the fields of the last one first.
@dataclass(frozen=True, kw_only=True)
class Policy(*(augmentation.settings for augmentation in reversed(REGISTERED))):  # type: ignore[misc]
    """How strongly each augmentation acts: the fields of all their settings; the defaults change nothing."""

    def __post_init__(self) -> None:
        check_ranges(self)


POLICIES: Final[dict[str, Policy]] = {
    "none": Policy(),
    "light": Policy(crop_area=(0.7, 1.0), crop_aspect=(0.9, 1.1), rotation=5.0, flip=0.5, background=1.0),
    # The geometric mean of the crops' sides is exp(-0.0839) = 0.9195 = 1 / 1.0875.
    "light_centred": Policy(
        crop_area=(0.7, 1.0),
        crop_aspect=(0.9, 1.1),
        crop_from=1.0875,
        rotation=5.0,
        flip=0.5,
        background=1.0,
    ),
    "strong": Policy(
        crop_area=(0.5, 1.0),
        crop_aspect=(0.8, 1.25),
        rotation=10.0,
        flip=0.5,
        background=1.0,
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        hue=10.0,
        erase=0.25,
    ),
    "erasing": Policy(
        crop_area=(0.7, 1.0), crop_aspect=(0.9, 1.1), rotation=5.0, flip=0.5, background=1.0, erase=0.5
    ),
    # torchvision's ColorJitter(0.5, 0.5, 0.5, 0.5), whose hue counts in turns.
    "team_a": Policy(flip=0.5, background=1.0, brightness=0.5, contrast=0.5, saturation=0.5, hue=180.0),
    "randaugment": Policy(flip=0.5, background=1.0, auto="randaugment"),
    "trivialaugment": Policy(flip=0.5, background=1.0, auto="trivialaugment"),
}


def policy_named(name: str) -> Policy:
    """The policy of this name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name in POLICIES:
        return POLICIES[name]
    raise ValueError(f"no augmentation policy {name!r}: {nearest(name, list(POLICIES))}")
