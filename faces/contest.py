"""The factors that FaceFold began with, mask wear, gender and age, and the contest's names of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from faces.factors import Categories, Factor, Number, band_names

MASKS: Final = ("wear", "incorrect", "normal")
GENDERS: Final = ("male", "female")
AGE_EDGES: Final = (30.0, 60.0)
AGE_BANDS: Final = band_names(AGE_EDGES)
_MASK_WORDS: Final = (
    "0 worn wearing mask masked with_mask withmask mask_worn correct correct_mask correctly_worn cmfd",
    "1 incorrect_mask incorrectly_worn mask_incorrect mask_weared_incorrect wrong imfd",
    "2 unmasked no_mask nomask without_mask withoutmask without not_worn",
)
FACTORS: Final[tuple[Factor, ...]] = (
    Categories(name="mask", categories=MASKS, words=tuple(tuple(w.split()) for w in _MASK_WORDS)),
    Categories(
        name="gender",
        categories=GENDERS,
        words=(("0", "m", "man", "men", "boy"), ("1", "f", "woman", "women", "girl")),
        per="person",
    ),
    Number(name="age", edges=AGE_EDGES, unit="years", per="person"),
)
NAMED: Final[Mapping[str, str]] = {
    "class18": "mask*gender*age",
    "age3": "age",
    "age6": "age[20, 30, 47, 55, 60]",
    "mask_gender": "mask*gender",
    "senior": "age>=30[60]",
}
