"""Photos below folders whose names, known of a published set, say how the mask is worn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import PurePosixPath

import pandas as pd

from faces.photos.names import of_tool
from preprocess.sources.listing import LeftOut, photo_row
from preprocess.sources.source import Place, Source

Person = Callable[[tuple[str, ...]], str | None]
"""Whose photo lies at these folders and name below the known one: "" of nobody known, None of no photo."""


def has_folders(place: Place, names: Collection[str]) -> bool:
    """Whether one of the folders lies in the data's, or one level below."""
    return place.data.is_dir() and any(
        (place.data / name).is_dir()
        or any(found.is_dir() and not of_tool(found.parent.name) for found in place.data.glob(f"*/{name}"))
        for name in names
    )


def named_source(
    place: Place, layout: str, masks: Mapping[str, str], person: Person, elsewhere: str
) -> Source:
    """The photos below the folders; a note counts the others.

    Args:
        place: of the data.
        layout: name of the layout.
        masks: word for the mask by name of a folder.
        person: of a photo.
        elsewhere: where the others are, for the note.
    """
    photos, words, paths = [], [], []
    for path in place.paths:
        parts = PurePosixPath(path).parts
        at = next((at for at, part in enumerate(parts[:-1]) if part in masks), None)
        whose = None if at is None else person(parts[at + 1 :])
        if at is not None and whose is not None:
            photos.append(photo_row(place.data, path, person=whose))
            words.append(masks[parts[at]])
            paths.append(path)
        else:
            place.left_out.append(LeftOut(path, "", f"a photo {elsewhere}"))
    if outside := len(place.paths) - len(photos):
        place.notes.append(f"{outside} photos are {elsewhere}: left out")
    return Source(
        layout=layout,
        folder=place.data,
        photos=photos,
        cells=pd.DataFrame({"mask": words}),
        where=lambda row: str(place.data / paths[row]),
    )
