"""Photos in the contest's two layouts: labelled people, and photos to predict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from preprocess.sources.listing import photo_row
from preprocess.sources.table import check_paths, read_table
from preprocess.sources.words import NOT_KNOWN, Label, plain_word, read_label

PERSON_PHOTOS = {f"mask{i}": 0 for i in range(1, 6)} | {"incorrect_mask": 1, "normal": 2}
"""File stem and mask code of each of a person's seven photos."""
PERSON_SUFFIXES = (".jpg", ".jpeg", ".png")


def train_rows(data: Path) -> Iterator[dict[str, Any]]:
    """The photos of DIR/train.csv (id,gender,race,age,path), seven a person, in DIR/images/<path>.

    People are numbered by their folder: the contest's ids occur on two people.

    Raises:
        ValueError: the table cannot be trusted; every person's gender and age must be known.
    """
    table = read_table(data / "train.csv", ("path", "gender", "age"))
    check_paths(table, "path", data / "train.csv", "`images`")
    for row, person in zip(table.index, table.itertuples(), strict=True):
        place = f"{data / 'train.csv'}, row {row}"
        labels = {
            "person": person.path,
            "gender": _known("gender", str(person.gender), place),
            "age": _known("age", str(person.age), place),
        }
        yield from _person_rows(data, f"images/{person.path}", labels)


def _known(column: Label, text: str, place: str) -> float:
    if plain_word(text) in NOT_KNOWN:
        raise ValueError(f"{place}: {column} {text!r} is not known; give it, or leave the person out")
    try:
        return read_label(column, text)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _person_rows(data: Path, folder: str, labels: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The seven photos of one person; one that is not there is a row with a problem."""
    place = data / folder
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    for stem, mask in PERSON_PHOTOS.items():
        found = [f"{stem}{suffix}" for suffix in PERSON_SUFFIXES if f"{stem}{suffix}" in names]
        found += [n for n in names if _splits_to(n, stem) and n not in found]
        if not found:
            what = f"{stem}.jpg, .jpeg or .png in {folder}" if names else f"folder {folder}, or it is empty"
            row = photo_row(data, f"{folder}/{stem}.jpg", **labels, mask=mask)
            yield {**row, "problem": f"missing: no {what}"}
        for extra, name in enumerate(found):
            row = photo_row(data, f"{folder}/{name}", **labels, mask=mask)
            yield {**row, "problem": f"a second {stem}, beside {found[0]}"} if extra else row


def _splits_to(name: str, stem: str) -> bool:
    path = PurePosixPath(name)
    return path.stem == stem and path.suffix.lower() in PERSON_SUFFIXES


def eval_rows(data: Path) -> Iterator[dict[str, Any]]:
    """The photos DIR/images/<ImageID> of DIR/info.csv (ImageID,ans), in its order, without labels.

    Raises:
        ValueError: the table cannot be trusted.
    """
    table = read_table(data / "info.csv", ("ImageID",))
    check_paths(table, "ImageID", data / "info.csv", "`images`")
    for image_id in table.ImageID:
        yield photo_row(data, f"images/{image_id}", image_id=image_id)
