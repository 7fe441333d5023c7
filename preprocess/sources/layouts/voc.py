"""Boxes in the format of Pascal VOC: annotations/*.xml beside images, or Annotations beside JPEGImages."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any, Final
from xml.etree import ElementTree

import pandas as pd

from faces.foreign.paths import check_inside
from faces.photos.names import called_photo, of_tool, source_name
from preprocess.sources.classes import LABEL
from preprocess.sources.listing import BOX, LeftOut, no_photo, photo_row, tool_folder
from preprocess.sources.reading import meanings, name_labels
from preprocess.sources.source import Layout, Place, Source

_FOLDERS: Final = (("annotations", "images"), ("Annotations", "JPEGImages"), ("Annotations", "images"))
_SIDES: Final = ("xmin", "ymin", "xmax", "ymax")


def _folders(data: Path) -> tuple[Path, Path] | None:
    pairs = [(data / notes, data / photos) for notes, photos in _FOLDERS]
    return next((p for p in pairs if p[1].is_dir() and next(p[0].glob("*.xml"), None)), None)


def _recognises(place: Place) -> bool:
    return _folders(place.data) is not None


def _read(place: Place) -> Source:
    """A row for each object of each annotation, with its box; the person is the picture.

    So a picture never stands on both sides of a fold. Boxes are taken as VOC writes them: whole pixels from
    1, the last one included; a 0 is taken for 1. An empty box is one bad row of many, a reject with file and
    object as a damaged photo is. Whether a box lies in its picture is found when the picture is read. An
    unknown name is an error: it may stand for thousands of faces.

    Raises:
        ValueError: an annotation that is not readable, or names that are labels beside others that are not.
    """
    folders = _folders(place.data)
    assert folders is not None
    pictures = _Pictures(place.data, folders[1], place.left_out)
    photos, names, places = [], [], []
    files = sorted(path for path in folders[0].glob("*.xml") if not of_tool(path.name))
    empty = 0
    for file in files:
        objects = _objects(file)
        picture = pictures.of(file)
        empty += not objects
        for number, (name, corners) in enumerate(objects, 1):
            photos.append(
                _row(place.data, picture, f"{file.name}, object {number} ({name})", number, corners)
            )
            names.append(name)
            places.append(f"{file}, object {number}")
    counts = Counter(names)
    known = meanings(counts, place.labels)
    alike = name_labels(counts, known, place, "objects")
    cells = pd.DataFrame([known[name] for name in names] if alike else {LABEL: names}, dtype=object).fillna(
        ""
    )
    for count, what in (
        (empty, "annotations without an object"),
        (len(unused := pictures.unused()), "pictures without annotation"),
    ):
        if count:
            place.notes.append(f"left out: {count} {what}")
    place.left_out.extend(LeftOut(path, "", "a picture without annotation") for path in unused)
    return Source(layout="voc", folder=place.data, photos=photos, cells=cells, where=places.__getitem__)


class _Pictures:
    """The pictures of a folder, found by an annotation's own name or by the name that it gives."""

    def __init__(self, data: Path, folder: Path, left_out: list[LeftOut]) -> None:
        self._below = PurePosixPath(folder.relative_to(data))
        self._by_stem = {}
        for path in sorted(folder.iterdir()):
            inside = str(self._below / path.name)
            if path.is_dir():
                left_out += [tool_folder(data, inside)] if of_tool(path.name) else []
            elif not called_photo(path.name) and (other := no_photo(data, inside)):
                left_out.append(other)
            elif path.is_file():
                self._by_stem[path.stem] = path.name
        self._used: set[str] = set()

    def of(self, file: Path) -> str:
        """Path of the picture, relative to the data; one that is not there becomes a reject."""
        name = self._by_stem.get(file.stem) or _root(file).findtext("filename") or f"{file.stem}.jpg"
        check_inside(name, f"{file}: filename", str(self._below))
        self._used.add(name)
        return str(self._below / name)

    def unused(self) -> list[str]:
        """Paths of those that were never asked for."""
        return [str(self._below / name) for name in sorted({*self._by_stem.values()} - self._used)]


def _root(file: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{file}: not readable as XML: {error}; repair or remove it") from error


def _objects(file: Path) -> list[tuple[str, tuple[float, ...]]]:
    """Name and xmin, ymin, xmax, ymax of each object.

    Raises:
        ValueError: not XML, or an object without a name or numbers.
    """
    found = []
    for number, thing in enumerate(_root(file).iter("object"), 1):
        name = (thing.findtext("name") or "").strip()
        texts = [thing.findtext(f"bndbox/{side}") or "" for side in _SIDES]
        try:
            corners = tuple(float(text) for text in texts)
        except ValueError:
            corners = ()
        if not name or not corners or any(corner != corner for corner in corners):
            raise ValueError(
                f"{file}, object {number}: name {name!r} and box {' '.join(map(repr, texts))}, where a name "
                f"and numbers {', '.join(_SIDES)} were due; repair or remove it"
            )
        found.append((name, corners))
    return found


def _row(data: Path, picture: str, what: str, number: int, corners: tuple[float, ...]) -> dict[str, Any]:
    left, top = (max(corner - 1, 0.0) for corner in corners[:2])
    right, bottom = corners[2:]
    name = source_name(picture)
    row = photo_row(
        data, picture, image_id=f"{name}#{number}", person=name, **{BOX: (left, top, right, bottom)}
    )
    if not row["problem"] and not (left < right and top < bottom):
        row["problem"] = f"empty box: {what} is from {corners[0]:g}, {corners[1]:g} to {right:g}, {bottom:g}"
    return row


LAYOUT: Final[Layout] = (_recognises, _read)
