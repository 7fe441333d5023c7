"""RandAugment (Cubuk et al. 2020) and TrivialAugment (Müller and Hutter 2021) by DALI's own module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import Draws, Examples, Frame, Node, Numbers, Parameters, PixelAugmentation
from pipeline.ranges import one_of, whole_number

Auto = Literal["none", "randaugment", "trivialaugment"]
STREAM: Final = 4
AUTO_BINS: Final = 31
"""Steps into which they divide an operation's strength, as their papers do."""
AUTO_OPERATIONS: Final = (
    "translate_x",
    "translate_y",
    "shear_x",
    "shear_y",
    "rotate",
    "brightness",
    "contrast",
    "color",
    "sharpness",
    "posterize",
    "solarize",
    "equalize",
    "auto_contrast",
    "identity",
)
"""What they choose from, in the order of DALI's lists."""
TRANSLATIONS: Final[Mapping[Auto, float]] = {"randaugment": 100 / 224, "trivialaugment": 32 / 224}
"""Greatest shift to either side, as a fraction of the image's side: what DALI takes for images of 224."""
FILL: Final = 128
"""Grey level of what a shifted, sheared or turned image leaves free."""
DRAWN: Final = ("auto_operation", "auto_bin", "auto_negated")


@dataclass(frozen=True, kw_only=True)
class AutoSettings:
    """Whether photos go through random operations of one of the two, and how strong those are."""

    auto: Auto = one_of("none", Auto)  # noqa: RUF009  (a name is not mutable)
    """DALI's RandAugment, or its TrivialAugment: one operation of random strength."""
    auto_operations: int = whole_number(2, least=1, greatest=4)
    """Operations of RandAugment one after the other; in 1 to 4."""
    auto_magnitude: int = whole_number(9, least=0, greatest=AUTO_BINS - 1)
    """Strength of RandAugment's operations; in 0 to 30."""


def operations(auto: Auto, image_size: int) -> list[Any]:
    """DALI's augmentations in the order of `AUTO_OPERATIONS`, with the ranges of their papers."""
    from nvidia.dali.auto_aug.rand_augment import get_rand_augment_suite
    from nvidia.dali.auto_aug.trivial_augment import get_trivial_augment_wide_suite

    suite = get_rand_augment_suite if auto == "randaugment" else get_trivial_augment_wide_suite
    made: list[Any] = suite(max_translate_abs=round(TRANSLATIONS[auto] * image_size))
    assert tuple(operation.name for operation in made) == AUTO_OPERATIONS
    return made


class AutoAugment(PixelAugmentation[AutoSettings]):
    """Some operations of random kind one after the other. Each sample costs only what happens to it."""

    name = "auto"
    place = 20
    settings = AutoSettings
    examples: ClassVar[Examples] = {
        "randaugment": {"auto": "randaugment", "auto_operations": 3},
        "trivialaugment": {"auto": "trivialaugment"},
    }
    conditional = True

    def acts(self, settings: AutoSettings, frame: Frame) -> bool:
        return settings.auto != "none"

    def draw(self, settings: AutoSettings, numbers: Numbers) -> Parameters:
        """Int32 [n, k] each, k operations, 0 where there are none: `auto_operation`, which of
        `AUTO_OPERATIONS`; `auto_bin`, strength 0 to 30; `auto_negated`, 1 where it goes the other way."""
        levels = {"none": 0, "randaugment": settings.auto_operations, "trivialaugment": 1}[settings.auto]
        u = numbers.uniform(stream=STREAM, columns=3 * levels).reshape(numbers.n, levels, 3)
        if settings.auto == "randaugment":
            bins = np.full((numbers.n, levels), settings.auto_magnitude, np.int32)
        else:
            bins = (u[..., 1] * AUTO_BINS).astype(np.int32)
        return {
            "auto_operation": (u[..., 0] * len(AUTO_OPERATIONS)).astype(np.int32),
            "auto_bin": bins,
            "auto_negated": (u[..., 2] < 0.5).astype(np.int32),
        }

    def parameters(self, settings: AutoSettings, draws: Draws, frame: Frame) -> Parameters:
        return {name: draws[name] for name in DRAWN}

    def on_cpu(
        self, pixels: Node, parameters: Mapping[str, Node], settings: AutoSettings, frame: Frame
    ) -> Node:
        from nvidia.dali.auto_aug.core import signed_bin
        from nvidia.dali.auto_aug.core._select import select

        suite = operations(settings.auto, frame.image_size)
        chosen, bins, negated = (parameters[name] for name in DRAWN)
        for level in range(settings.auto_operations if settings.auto == "randaugment" else 1):
            pixels = select(
                suite,
                chosen[level],
                data=pixels,
                magnitude_bin=signed_bin(bins[level], random_sign=negated[level]),
                num_magnitude_bins=AUTO_BINS,
                fill_value=FILL,
            )
        return pixels

    def reference(
        self, image: NDArray[Any], draws: Draws, settings: AutoSettings, frame: Frame
    ) -> NDArray[Any]:
        for operation, level, negated in zip(*(draws[name][0] for name in DRAWN), strict=True):
            name, share = AUTO_OPERATIONS[operation], level / (AUTO_BINS - 1)
            wide = settings.auto == "trivialaugment"
            image = _reference(image, name, share, sign=-1 if negated else 1, wide=wide)
        return image


RANGES: Final = {
    "translate_x": (100, 32),
    "translate_y": (100, 32),
    "shear_x": (0.3, 0.99),
    "shear_y": (0.3, 0.99),
    "rotate": (30, 135),
}
"""Greatest strength of RandAugment and of TrivialAugment at 224 pixels, as their papers give them."""


def _reference(image: NDArray[Any], name: str, share: float, *, sign: int, wide: bool) -> NDArray[Any]:
    """One operation at a share of its greatest strength on uint8 RGB [S, S, 3]; `wide` for TrivialAugment."""
    import cv2

    if name in RANGES:
        most = RANGES[name][wide]
        if name.startswith("translate"):
            most = round(most * len(image) / 224)
        return _moved(image, name, sign * share * most)
    enhanced = 1 + sign * (0.01 + 0.98 * share if wide else 0.9 * share)
    if name in ("brightness", "contrast", "color", "sharpness"):
        luma = image @ np.array([0.299, 0.587, 0.114])
        towards = {"brightness": 0.0, "contrast": luma.mean(), "color": luma[..., None]}
        if name == "sharpness":
            weights = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
            towards[name] = cv2.filter2D(image, -1, weights).astype(float)
        return _levels(towards[name] + enhanced * (image - towards[name]))
    if name == "posterize":
        kept = max(1, round(8 - share * (6 if wide else 4)))
        return image & np.uint8(256 - 2 ** (8 - kept))
    if name == "solarize":
        return np.where(image < 256 * (1 - share), image, 255 - image)
    if name == "equalize":
        return cv2.merge([cv2.equalizeHist(plane) for plane in cv2.split(image)])
    if name == "auto_contrast":
        low, high = image.min((0, 1)).astype(float), image.max((0, 1)).astype(float)
        return _levels((image - low) * 255 / np.maximum(high - low, 1))
    assert name == "identity"
    return image


def _levels(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.round(values).clip(0, 255).astype(np.uint8)


def _moved(image: NDArray[Any], name: str, by: float) -> NDArray[Any]:
    """Shift (pixels), shear (slope) or turn (degrees); what is left free becomes grey 128."""
    import cv2

    size = len(image)
    if name == "rotate":
        matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), by, 1.0)
    else:
        matrix = np.eye(2, 3)
        row = 0 if name.endswith("x") else 1
        if name.startswith("translate"):
            matrix[row, 2] = by
        else:
            # About the corner of the first pixel, whose centre lies half a pixel inside.
            matrix[row, 1 - row], matrix[row, 2] = by, by / 2
    return cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(FILL, FILL, FILL),
    )


AUGMENTATION = AutoAugment()
