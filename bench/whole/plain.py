"""Which recipes the script as teams write it can follow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from faces.labels import CONTEST
from faces.projection import covers
from pipeline.augment import Policy
from train.recipe.recipe import Recipe
from train.weights.known import KNOWN

_FIELDS: Final = ("age", "averaging", "centre", "compile", "keep", "mixing", "rows", "sampler", "stop_after")
_OF_OPTIMISER: Final = ("clip", "accumulate", "sam")
_DRAWN: Final = (
    "crop_area",
    "crop_aspect",
    "rotation",
    "flip",
    "background",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "erase",
    "erase_area",
    "erase_aspect",
)
"""What of a policy `torchvision_transforms` draws."""


def check_plain(recipe: Recipe, source: Path) -> None:
    """Refuse a recipe that would train something else in the teams' script than in the product.

    Raises:
        ValueError: naming the settings.
    """
    plain = Recipe()
    other = [name for name in _FIELDS if getattr(recipe, name) != getattr(plain, name)]
    other += [
        f"optimiser.{name}"
        for name in _OF_OPTIMISER
        if getattr(recipe.optimiser, name) != getattr(plain.optimiser, name)
    ]
    drawn = {name: getattr(recipe.policy, name) for name in _DRAWN}
    special = {
        "teacher": recipe.teacher != plain.teacher,
        "head.samples": recipe.head.samples > 1,
        "optimiser.name": recipe.optimiser.name == "lbfgs",
        "schedule.name": recipe.schedule.name == "plateau",
        "weights": recipe.weights in KNOWN and KNOWN[recipe.weights].folded,
        "augment": replace(Policy(), **drawn) != recipe.policy,
    }
    other += [name for name, differs in special.items() if differs]
    if other:
        raise ValueError(
            f"{source}: {', '.join(other)}: the script as teams write it has nothing like it; name a recipe "
            "without, such as recipes/small.toml"
        )
    if not covers(recipe.tasks, "class18", CONTEST):
        raise ValueError(
            f"{source}: tasks={[*recipe.tasks]} do not tell mask, gender and age, which the submission does; "
            "name another recipe, such as recipes/small.toml"
        )
