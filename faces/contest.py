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
    "0 worn wearing mask masked with_mask withmask mask_on mask_worn correct correct_mask correctly_worn "
    "cmfd 착용 마스크 마스크착용 마스크_착용 정상착용 정상_착용",
    "1 incorrect_mask incorrectly_worn mask_incorrect mask_weared_incorrect wrong imfd "
    "오착용 마스크오착용 마스크_오착용 잘못착용 잘못_착용 턱스크",
    "2 none unmasked no_mask nomask mask_off without_mask withoutmask without not_worn "
    "미착용 마스크미착용 마스크_미착용",
)
FACTORS: Final[tuple[Factor, ...]] = (
    Categories(name="mask", categories=MASKS, words=tuple(tuple(w.split()) for w in _MASK_WORDS)),
    Categories(
        name="gender",
        categories=GENDERS,
        words=(
            ("0", "m", "man", "men", "boy", "남", "남성", "남자"),
            ("1", "f", "woman", "women", "girl", "여", "여성", "여자"),
        ),
        per="person",
        unknown=("none",),
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
