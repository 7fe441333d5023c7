"""RandAugment and TrivialAugment by DALI's own module, and the blur: operators that only some samples pass.

DALI's conditionals split the batch by a drawn number, so that a sample costs only what happens to it: a blur
of no width would still cost 590 us an image of 224, a real one 1,400 us and more (one CPU thread). They work
only in pipelines made with `enable_conditionals=True` (`Graph.conditional`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nvidia.dali import fn, types
from nvidia.dali.auto_aug.core import signed_bin
from nvidia.dali.auto_aug.core._select import select
from nvidia.dali.auto_aug.rand_augment import get_rand_augment_suite
from nvidia.dali.auto_aug.trivial_augment import get_trivial_augment_wide_suite

from pipeline.augment import AUTO_BINS, Auto
from pipeline.draws import AUTO_OPERATIONS

TRANSLATIONS: Mapping[Auto, float] = {"randaugment": 100 / 224, "trivialaugment": 32 / 224}
"""Greatest shift to either side, as a fraction of the image's side: what DALI takes for images of 224."""
FILL = 128
"""Grey level of what a shifted, sheared or turned image leaves free."""


def operations(auto: Auto, image_size: int) -> list[Any]:
    """DALI's augmentations in the order of `AUTO_OPERATIONS`, with the ranges of their papers."""
    suite = get_rand_augment_suite if auto == "randaugment" else get_trivial_augment_wide_suite
    made: list[Any] = suite(max_translate_abs=round(TRANSLATIONS[auto] * image_size))
    assert tuple(operation.name for operation in made) == AUTO_OPERATIONS
    return made


def apply_auto(
    pixels: Any, parameters: Mapping[str, Any], *, auto: Auto, image_size: int, levels: int
) -> Any:
    """DALI node: each sample after its drawn operations.

    Args:
        pixels: node of uint8 HWC RGB, on either device.
        parameters: `auto_operation`, `auto_bin` and `auto_negated`, nodes of int32 [levels] on the CPU.
        auto: which suite; not none.
        image_size: side of the images, pixels.
        levels: operations one after the other.

    Returns:
        Node of uint8 HWC RGB.
    """
    suite = operations(auto, image_size)
    for level in range(levels):
        pixels = select(
            suite,
            parameters["auto_operation"][level],
            data=pixels,
            magnitude_bin=signed_bin(
                parameters["auto_bin"][level], random_sign=parameters["auto_negated"][level]
            ),
            num_magnitude_bins=AUTO_BINS,
            fill_value=FILL,
        )
    return pixels


def _keep(pixels: Any, *_: Any) -> Any:
    return pixels


def _blurred(pixels: Any, sigma: Any, width: Any) -> Any:
    return fn.gaussian_blur(pixels, sigma=sigma, window_size=width)


def apply_blur(pixels: Any, sigma: Any, width: Any) -> Any:
    """DALI node: the samples of a width above 1 blurred, the others as they are.

    Args:
        pixels: node of uint8 HWC RGB, on either device.
        sigma: node of float32 standard deviations, pixels, on the CPU.
        width: node of int32 odd widths of the kernel, pixels, on the CPU.
    """
    chosen = fn.cast(width > 1, dtype=types.INT32)
    return select([_keep, _blurred], chosen, pixels, sigma, width)
