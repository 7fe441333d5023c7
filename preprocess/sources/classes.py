"""Photos in a folder for each class, and photos in any folder: a folder's name may be a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

import pandas as pd

from faces.factors import Categories
from preprocess.sources.listing import photo_row
from preprocess.sources.reading import class_texts, meanings, name_labels
from preprocess.sources.source import Place, Source, listed, split_of

LABEL = "label"
"""What a factor is called that nobody has named: of folders, or of objects."""


def folder_source(place: Place) -> Source:
    """The photos below a folder, with the labels and parts of the data that its sub-folders are named as.

    Folders are read level by level. One that holds everything is passed over; a level of train, val and test
    is the part of the data; a level of words for categories, or of the headline's classes, is labels, and so
    may be the levels below it. What lies deeper means nothing.

    Raises:
        ValueError: some names of a level are labels and others not, or a label file is given and none is.
    """
    photos = [photo_row(place.data, path) for path in place.paths]
    below = [PurePosixPath(path).parts[:-1] for path in place.paths]
    texts: list[dict[str, str]] = [{} for _ in photos]
    splits: list[str] | None = None
    unnamed: list[str] = []
    while any(below):
        tops = [parts[0] if parts else "" for parts in below]
        names = Counter(tops)
        known = _known(names, place, first=not any(texts))
        if splits is None and all(map(split_of, names)):
            splits = [split_of(top) for top in tops]
        elif not any(texts) and (known or len(names) > 1):
            if not name_labels(names, known, place, "folders"):
                unnamed = [] if "" in names else tops
                break
            texts = [dict(known[top]) for top in tops]
        elif any(texts) and len(names) > 1:
            told = {factor for each in known.values() for factor in each}
            if len(known) < len(names) or told & {*texts[0]}:
                break
            for text, top in zip(texts, tops, strict=True):
                text.update(known[top])
        below = [parts[1:] for parts in below]
    labelled = any(texts)
    if labelled and splits:
        for photo, split in zip(photos, splits, strict=True):
            photo["split"] = split
    _note_bands(texts, place)
    return Source(
        layout="classes" if labelled else "folder",
        folder=place.data,
        photos=photos,
        cells=pd.DataFrame(texts).fillna("")
        if labelled
        else pd.DataFrame({LABEL: unnamed} if unnamed else {}),
        where=lambda row: str(place.data / place.paths[row]),
    )


def _known(names: Collection[str], place: Place, first: bool) -> Mapping[str, dict[str, str]]:
    """The labels of those names that mean some."""
    numbers = [name for name in names if name.isdecimal()]
    others = [name for name in names if name and name not in numbers]
    if not place.labels.headline:
        return meanings([*numbers, *others], place.labels)
    numbered = _numbered(numbers, place) if numbers and first else {}
    return meanings(others, place.labels) | numbered


def _numbered(numbers: Collection[str], place: Place) -> dict[str, dict[str, str]]:
    """Numbers as the classes of the headline.

    Where there is none above those of a factor's values they could be these too, and are taken for none, as
    are numbers beyond the classes.
    """
    labels = place.labels
    classes = labels.task(labels.headline).classes
    values = max(len(factor.classes) for factor in labels.factors)
    highest = max(map(int, numbers))
    if highest < values:
        place.notes.append(
            f"folders {listed(numbers)}: numbers of {', '.join(labels.names)} or classes; taken for none of "
            f"them, so these photos are without labels. Name the folders in words, such as "
            f"{', '.join(labels.factors[0].classes)}"
        )
    if highest < values or highest >= len(classes):
        return {}
    lowest = min(map(int, numbers))
    place.notes.append(f"folder {lowest} is class {classes[lowest]!r}, and so on to {len(classes) - 1}")
    return {name: class_texts(int(name), labels) for name in numbers}


def _note_bands(texts: list[dict[str, str]], place: Place) -> None:
    """Say which numbers stand for the bands that folders are named as."""
    for factor in place.labels.factors:
        if not isinstance(factor, Categories) and any(factor.name in text for text in texts):
            numbers = [factor.say(factor.read(band)) for band in factor.classes]
            place.notes.append(
                f"{factor.name} is known by its band only: {', '.join(numbers)} stand for them"
            )
