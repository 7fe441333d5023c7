"""Photos in the contest's two layouts: labelled people, and photos to predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from faces.factors import NOT_KNOWN, plain_word
from faces.labels import MASKS
from preprocess.sources.listing import photo_row
from preprocess.sources.source import Place, Source
from preprocess.sources.table import check_paths, read_table

PERSON_PHOTOS = {f"mask{i}": 0 for i in range(1, 6)} | {"incorrect_mask": 1, "normal": 2}
"""File stem and mask code of each of a person's seven photos."""
PERSON_SUFFIXES = (".jpg", ".jpeg", ".png")


def train_source(place: Place) -> Source:
    """The photos of DIR/train.csv (id,gender,race,age,path), seven a person, in DIR/images/<path>.

    People are numbered by their folder: the contest's ids occur on two people. Further columns may be labels
    that the label file declares.

    Raises:
        ValueError: the table cannot be trusted; every person's gender and age must be known where they are
            labels.
    """
    path = place.data / "train.csv"
    told = [name for name in ("gender", "age") if name in place.labels.names]
    table = read_table(path, ("path", *told))
    check_paths(table, "path", path, "`images`")
    photos: list[dict[str, Any]] = []
    people: list[int] = []
    for number, person in enumerate(table.to_dict("records")):
        _check_known(person, told, f"{path}, row {table.index[number]}")
        rows = [*_person_rows(place.data, f"images/{person['path']}", str(person["path"]))]
        photos += rows
        people += [number] * len(rows)
    numbers = [*table.index]
    cells = table.drop(columns="path").iloc[people].reset_index(drop=True)
    cells["mask"] = pd.Series([photo.pop("mask") for photo in photos], dtype=object)
    return Source(
        layout="train",
        folder=place.data,
        photos=photos,
        cells=cells,
        where=lambda row: f"{path}, row {numbers[people[row]]}",
        no_labels=frozenset({"id"}),
    )


def _check_known(person: Mapping[Any, Any], told: Sequence[str], where: str) -> None:
    for column in told:
        if plain_word(str(person[column])) in NOT_KNOWN:
            raise ValueError(
                f"{where}: {column} {person[column]!r} is not known; give it, or leave the person out"
            )


def _person_rows(data: Path, folder: str, person: str) -> Iterator[dict[str, Any]]:
    """The seven photos of one person; one that is not there is a row with a problem."""
    place = data / folder
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    for stem, mask in PERSON_PHOTOS.items():
        told = {"person": person, "mask": MASKS[mask]}
        found = [f"{stem}{suffix}" for suffix in PERSON_SUFFIXES if f"{stem}{suffix}" in names]
        found += [n for n in names if _splits_to(n, stem) and n not in found]
        if not found:
            what = f"{stem}.jpg, .jpeg or .png in {folder}" if names else f"folder {folder}, or it is empty"
            row = photo_row(data, f"{folder}/{stem}.jpg", **told)
            yield {**row, "problem": f"missing: no {what}"}
        for extra, name in enumerate(found):
            row = photo_row(data, f"{folder}/{name}", **told)
            yield {**row, "problem": f"a second {stem}, beside {found[0]}"} if extra else row


def _splits_to(name: str, stem: str) -> bool:
    path = PurePosixPath(name)
    return path.stem == stem and path.suffix.lower() in PERSON_SUFFIXES


def eval_source(place: Place) -> Source:
    """The photos DIR/images/<ImageID> of DIR/info.csv (ImageID,ans), in its order, without labels.

    Raises:
        ValueError: the table cannot be trusted.
    """
    table = read_table(place.data / "info.csv", ("ImageID",))
    check_paths(table, "ImageID", place.data / "info.csv", "`images`")
    photos = [photo_row(place.data, f"images/{image_id}", image_id=image_id) for image_id in table.ImageID]
    return Source(layout="eval", folder=place.data, photos=photos)
