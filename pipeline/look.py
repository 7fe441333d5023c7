"""`python -m pipeline.look --cache DIR`: a contact sheet of an augmentation policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from faces.cache import Cache
from faces.settings import run_command
from pipeline.augment import POLICIES, Policy, policy_named
from pipeline.loader import Loader

ROWS, COLUMNS = 6, 9
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Draw a contact sheet: crops as evaluation sees them, and beside them as training does."""

    cache: Path
    """A finished cache."""
    policy: str = "full"
    """Augmentation."""
    image_size: int = 160
    """Side of the images, pixels."""
    seed: int = 0
    """Chooses crops and augmentations."""
    out: Path = Path("look.png")
    """The picture to write."""


def augment_sheet(cache: Cache, policy: Policy, path: Path, *, image_size: int = 160, seed: int = 0) -> None:
    """Write a picture: a crop a line, first as evaluation sees it, then `COLUMNS` random augmentations.

    Args:
        cache: where the crops come from; up to `ROWS` are chosen at random.
        policy: augmentation.
        path: the picture.
        image_size: side of the images, pixels.
        seed: chooses crops and augmentations.
    """
    chosen = np.random.default_rng(seed).permutation(len(cache))[:ROWS]
    columns = [_pixels(cache, chosen, POLICIES["none"], image_size, seed)[:, None]]
    repeated = _pixels(cache, np.repeat(chosen, COLUMNS), policy, image_size, seed)
    columns.append(repeated.reshape(len(chosen), COLUMNS, image_size, image_size, 3))
    grid = np.pad(np.concatenate(columns, 1), ((0, 0), (0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
    lines, across, height, width, _ = grid.shape
    sheet = grid.transpose(0, 2, 1, 3, 4).reshape(lines * height, across * width, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path)


def _pixels(cache: Cache, rows: np.ndarray, policy: Policy, image_size: int, seed: int) -> np.ndarray:
    """uint8 [n, image_size, image_size, 3] of these rows, as a network would be given them."""
    loader = Loader(
        cache,
        rows,
        batch_size=len(rows),
        image_size=image_size,
        mean=MEAN,
        std=STD,
        policy=policy,
        seed=seed,
    )
    ((images, _),) = loader.epoch(0)
    images = images * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    return (images * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy()


def look(settings: Settings) -> None:
    """Draw the sheet."""
    policy = policy_named(settings.policy)
    augment_sheet(
        Cache.open(settings.cache), policy, settings.out, image_size=settings.image_size, seed=settings.seed
    )
    print(f"wrote {settings.out}")


def main() -> None:
    """The command line."""
    run_command(Settings, look)


if __name__ == "__main__":
    main()
