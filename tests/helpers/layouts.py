"""Files of the contest's layout, whose content nobody reads."""

from pathlib import Path

from preprocess.sources.contest import PERSON_PHOTOS

HEADER = "id,gender,race,age,path\n"
"""First line of train.csv."""
STEMS = [*PERSON_PHOTOS]
"""File stems of a person's seven photos."""


def touch(path: Path, size: int = 3) -> None:
    """Write a file of so many zero bytes, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
