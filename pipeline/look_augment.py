"""`python -m pipeline.look_augment --cache DIR`: a contact sheet of an augmentation policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.cache.reader import Cache
from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class LookAugmentSettings:
    """Draw a contact sheet: crops as evaluation sees them, and beside them as training does.

    Example: make look-augment POLICY=strong CACHE=caches/mine
    """

    cache: Path = Path("demo/caches/train")
    """A finished cache; `make look-augment` draws the default one."""
    policy: str = "strong"
    """Augmentation."""
    image_size: int = 160
    """Side of the images, pixels."""
    centre: float = 1.0
    """Share of the crop's side that the centre crop keeps."""
    seed: int = 0
    """Chooses crops and augmentations."""
    out: Path = Path("look.png")
    """The picture to write."""


def look(settings: LookAugmentSettings) -> None:
    """Draw the sheet."""
    cache = Cache.open(settings.cache)
    # torch and DALI take seconds to import, which neither --help nor a mistake above should wait for.
    from pipeline.contact_sheet import augment_sheet

    augment_sheet(
        cache,
        settings.policy,
        settings.out,
        image_size=settings.image_size,
        centre=settings.centre,
        seed=settings.seed,
    )
    print(f"wrote {settings.out}")


def main() -> None:
    """The command line."""
    run_command(LookAugmentSettings, look)


if __name__ == "__main__":
    main()
