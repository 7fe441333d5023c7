"""Photos in the contest's two layouts: labelled people, and photos to predict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from faces.factors import NOT_KNOWN, plain_word
from faces.foreign.paths import check_paths, requested_photos
from faces.foreign.table import read_table
from faces.labels import MASKS
from faces.photos.names import called_photo, of_tool
from preprocess.sources.listing import LeftOut, no_photo, photo_row, tool_folder
from preprocess.sources.lookup import find_folders, list_photos
from preprocess.sources.source import Place, Source

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
    table = read_table(path, ("path", *told), place.notes)
    check_paths(table, "path", path, "`images`")
    folders = find_folders(table.path, path, place.data / "images", place.notes)
    photos: list[dict[str, Any]] = []
    people: list[int] = []
    for number, person in enumerate(table.to_dict("records")):
        _check_known(person, told, f"{path}, row {table.index[number]}")
        folder, reason = folders[number]
        rows = [*_person_rows(place.data, f"images/{folder}", str(person["path"]), place.left_out)]
        photos += [{**row, "problem": f"{row['problem']}{reason}"} for row in rows]
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
        if plain_word(str(person[column])) in NOT_KNOWN | {"none"}:
            raise ValueError(
                f"{where}: {column} {person[column]!r} is not known; give it, or leave the person out"
            )


def _person_rows(data: Path, folder: str, person: str, left_out: list[LeftOut]) -> Iterator[dict[str, Any]]:
    """The seven photos of one person; one that is not there is a row with a problem.

    What else lies in the folder goes to `left_out`.
    """
    place = data / folder
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    by_stem: dict[str, list[str]] = {stem: [] for stem in PERSON_PHOTOS}
    for name in names:
        if other := _other(data, folder, name):
            left_out.append(other)
        else:
            by_stem[PurePosixPath(name).stem].append(name)
    for stem, mask in PERSON_PHOTOS.items():
        told = {"person": person, "mask": MASKS[mask]}
        found = [f"{stem}{suffix}" for suffix in PERSON_SUFFIXES if f"{stem}{suffix}" in by_stem[stem]]
        found += [name for name in by_stem[stem] if name not in found]
        if not found:
            what = f"{stem}.jpg, .jpeg or .png in {folder}" if names else f"folder {folder}, or it is empty"
            row = photo_row(data, f"{folder}/{stem}.jpg", **told)
            yield {**row, "problem": f"missing: no {what}"}
        for extra, name in enumerate(found):
            row = photo_row(data, f"{folder}/{name}", **told)
            yield {**row, "problem": f"a second {stem}, beside {found[0]}"} if extra else row


def _other(data: Path, folder: str, name: str) -> LeftOut | None:
    """What lies in a person's folder and is none of the seven photos."""
    path = f"{folder}/{name}"
    if not called_photo(name):
        if not (data / path).is_dir():
            other = no_photo(data, path)
        elif of_tool(name):
            return tool_folder(data, path)
        else:
            other = LeftOut(path, "an inner folder", "a folder in a person's, which is not looked into")
        if other:
            return other
    if PurePosixPath(name).stem in PERSON_PHOTOS:
        return None
    return LeftOut(path, "a stray photo", "none of the seven photos of a person, by its name")


def eval_source(place: Place) -> Source:
    """The photos DIR/images/<ImageID> of DIR/info.csv (ImageID,ans), in its order, without labels.

    Raises:
        ValueError: the table cannot be trusted.
    """
    path = place.data / "info.csv"
    names = requested_photos(path, place.notes)
    photos = list_photos(names, path, place.data, place.notes, below="images")
    return Source(layout="eval", folder=place.data, photos=photos)
