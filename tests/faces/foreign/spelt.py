"""People's names in normal form, and in all spellings that mean the same."""

import re
import unicodedata

from hypothesis import strategies as st

from faces.foreign.persons import person_key

WIDE = {place: 0xFF01 + place - 0x21 for place in range(0x21, 0x7F)}
"""ASCII signs as full-width ones."""
PLAIN = st.one_of(
    st.integers(-3, 120).map(str),
    st.sampled_from(["José", "Anna", "anna", "홍길동", "Åse", "007", "7.5", "이 영희", "x.0"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4),
)
"""Any names; in normal form after `person_key`, but for the empty one."""
NAMES = PLAIN.map(person_key).filter(bool)


def spellings(name: str) -> list[str]:
    """A name in normal form in every way of writing it, itself first."""
    ways = [name, unicodedata.normalize("NFD", name), f"  {name}\t", f"\u3000{name}", name.translate(WIDE)]
    if re.fullmatch(r"-?[0-9]+", name):
        ways += [f"{name}.0", f" {name}.00", f"{name}.0".translate(WIDE)]
    return ways
