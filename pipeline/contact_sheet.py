"""A picture of an augmentation policy: crops as evaluation sees them, and beside them as training does."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from faces.cache.reader import Cache
from pipeline.augment import Policy, policy_named
from pipeline.loader import Loader

ROWS, COLUMNS = 6, 8
GAP, INDENT, MARGIN = 4, 16, 24
"""Between two images, between evaluation and training, and around all; pixels."""
LARGE, SMALL = 26, 15
"""Heights of the title and of other words, pixels."""
INK, FAINT = (25, 25, 25), (110, 110, 110)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def strengths(policy: Policy, *, cut_out: bool = False) -> str:
    """What is on, with its strengths: `flip 0.5, hue 10`; backgrounds only of cut-out people."""
    plain = Policy()
    always = {"auto_operations", "auto_magnitude"} if policy.auto == "randaugment" else set()
    parts = []
    for field in fields(policy):
        value = getattr(policy, field.name)
        if field.name == "background" and not cut_out:
            continue
        if value != getattr(plain, field.name) or field.name in always:
            shown = " to ".join(f"{end:g}" for end in value) if isinstance(value, tuple) else value
            text = f"{shown:g}" if isinstance(shown, float) else str(shown)
            parts.append(f"{field.name.replace('_', ' ')} {text}")
    return ", ".join(parts) or "nothing is changed"


def augment_sheet(
    cache: Cache,
    policy: str | Policy,
    path: Path,
    *,
    image_size: int = 160,
    centre: float = 1.0,
    seed: int = 0,
) -> None:
    """Write a picture: a crop a line, first as evaluation sees it, then `COLUMNS` random augmentations.

    Args:
        cache: where the crops come from; up to `ROWS` are chosen at random.
        policy: the augmentation, or its name.
        path: the picture.
        image_size: side of the images, pixels.
        centre: share of the crop's side that the centre crop keeps.
        seed: chooses crops and augmentations.
    """
    chosen = np.random.default_rng(seed).permutation(len(cache))[:ROWS]
    shown = _pixels(cache, chosen, "none", image_size=image_size, centre=centre, seed=seed)
    repeated = np.repeat(chosen, COLUMNS)
    trained = _pixels(cache, repeated, policy, image_size=image_size, centre=centre, seed=seed)
    name = policy if isinstance(policy, str) else "of its own"
    title = f"Augmentation policy {name}, {image_size} pixels"
    if centre < 1:
        title += f", centre {centre:g}"
    strength = policy_named(policy) if isinstance(policy, str) else policy
    sheet = _arrange(shown, trained, title, strengths(strength, cut_out=cache.channels == 4))
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _arrange(shown: NDArray[np.uint8], trained: NDArray[np.uint8], title: str, about: str) -> Image.Image:
    """Title and headings above the images: uint8 [n, S, S, 3], and [n * COLUMNS, S, S, 3] beside them."""
    size = shown.shape[1]
    step, left = size + GAP, MARGIN + size + INDENT
    width = left + COLUMNS * step - GAP + MARGIN
    large, small = ImageFont.load_default(LARGE), ImageFont.load_default(SMALL)
    letter = small.getlength("abcdefghij, 0.5") / 15
    lines = textwrap.wrap(about, int((width - 2 * MARGIN) / letter))
    headings = MARGIN + round(1.6 * LARGE) + round(1.4 * SMALL * len(lines)) + SMALL
    top = headings + round(1.6 * SMALL)
    sheet = Image.new("RGB", (width, top + len(shown) * step - GAP + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, INK, large)
    for i, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + 1.6 * LARGE + 1.4 * SMALL * i), line, FAINT, small)
    draw.text((MARGIN, headings), "evaluation", INK, small)
    draw.text((left, headings), "training", INK, small)
    for row, image in enumerate(shown):
        sheet.paste(Image.fromarray(image), (MARGIN, top + row * step))
    for place, image in enumerate(trained):
        row, column = divmod(place, COLUMNS)
        sheet.paste(Image.fromarray(image), (left + column * step, top + row * step))
    return sheet


def _pixels(
    cache: Cache, rows: NDArray[np.int64], policy: str | Policy, *, image_size: int, centre: float, seed: int
) -> NDArray[np.uint8]:
    """uint8 [n, image_size, image_size, 3] of these rows, as a network would be given them."""
    loader = Loader(
        cache,
        rows,
        batch_size=len(rows),
        image_size=image_size,
        mean=MEAN,
        std=STD,
        policy=policy,
        centre=centre,
        seed=seed,
    )
    ((images, _),) = loader.epoch(0)
    images = images * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]
    pixels: NDArray[np.uint8] = (images * 255).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return pixels
