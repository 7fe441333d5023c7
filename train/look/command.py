"""`python -m train.look --recipe FILE --cache DIR`: a contact sheet of what a recipe trains on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.cache.reader import Cache
from faces.command import run_command
from train.data.tasks import fit_to_cache
from train.recipe.file import read_recipe


@dataclass(frozen=True, kw_only=True)
class LookRecipeSettings:
    """Draw a contact sheet of a recipe: crops as its evaluation sees them, beside them as training does.

    Of a recipe that mixes photos a second sheet, <out>_mixed, shows a batch of mixed ones with their labels.

    Example: make look-augment RECIPE=recipes/small.toml CACHE=caches/mine
    """

    recipe: Path
    """The recipe; its `augment`, `image_size`, `centre`, `mixing` and `seed` are used."""
    cache: Path = Path("demo/caches/train")
    """A finished cache; `make look-augment` draws the default one."""
    out: Path = Path("look.png")
    """The picture to write."""


def look(settings: LookRecipeSettings) -> None:
    """Draw the sheet."""
    cache = Cache.open(settings.cache)
    recipe = fit_to_cache(read_recipe(settings.recipe), cache, settings.recipe)
    # torch and DALI take seconds to import, which neither --help nor a mistake above should wait for.
    from pipeline.contact_sheet import augment_sheet
    from train.look.sheet import training_sheet

    augment_sheet(
        cache,
        recipe.augment,
        settings.out,
        image_size=recipe.image_size,
        centre=recipe.centre,
        seed=recipe.seed,
    )
    print(f"wrote {settings.out}")
    if recipe.mixing.name != "none":
        mixed = settings.out.with_stem(f"{settings.out.stem}_mixed")
        training_sheet(recipe, cache, mixed)
        print(f"wrote {mixed}")


def main() -> None:
    """The command line."""
    run_command(LookRecipeSettings, look)
