"""Photos in a folder for each class: the folder's name is the label."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from faces.labels import AGE_BANDS, CLASS_NAMES, MASKS, split_classes
from preprocess.sources.listing import photo_row, source_name
from preprocess.sources.words import WORDS, plain_word, read_label

CLASS_WORDS = {plain_word(name): code for code, name in enumerate(CLASS_NAMES)}
Labels = Mapping[str, float]


def _folder_labels(name: str) -> Labels | None:
    """The labels that a folder's name gives its photos, or None where it is none of the known names.

    A mask or gender word, the name of one of the 18 classes, or its number. The age is the middle of the
    band, or lies five years inside an open one: 25, 45 and 65.
    """
    word = plain_word(name)
    code = int(word) if re.fullmatch(r"[0-9]{1,2}", word) else CLASS_WORDS.get(word)
    if code is not None:
        if code >= len(CLASS_NAMES):
            return None
        parts = split_classes(code)
        age = read_label("age", AGE_BANDS[int(parts["age"])])
        return {"mask": int(parts["mask"]), "gender": int(parts["gender"]), "age": age}
    for column in ("mask", "gender"):
        if word in WORDS[column]:
            return {column: WORDS[column][word]}
    return None


def class_labels(paths: Iterable[str], notes: list[str]) -> dict[str, Labels] | None:
    """The labels of each sub-folder, or None where the sub-folders are no classes.

    Every sub-folder with photos must have a known name, and no photo may lie beside them. Numbers are those
    of the 18 classes; where there is none above 2 they could be those of masks or genders too, and are none.

    Args:
        paths: of the photos, relative to the data's folder.
        notes: gets sentences on what was taken for granted, or nearly was.
    """
    names = list(dict.fromkeys(_top(path) for path in paths))
    labels = {name: _folder_labels(name) for name in names if name}
    known = {name: found for name, found in labels.items() if found is not None}
    numbers = [int(name) for name in known if name.isdecimal()]
    if not known:
        return None
    if numbers and max(numbers) < len(MASKS):
        notes.append(
            f"folders {_list(known)}: numbers of masks, genders or classes; taken for none of them, so these "
            f"photos are without labels. Name the folders in words, such as {', '.join(MASKS)}"
        )
        return None
    if len(known) < len(names):
        others = [name or "(photos beside the folders)" for name in names if name not in known]
        notes.append(
            f"folders {_list(known)} are named as classes are, but {_list(others)} not: all photos are taken "
            "as without labels"
        )
        return None
    if numbers:
        notes.append(f"folder {min(numbers)} is class {CLASS_NAMES[min(numbers)]!r}, and so on to 17")
    if any(not math.isnan(found.get("age", math.nan)) for found in known.values()):
        notes.append("ages are known by their band only: 25, 45 and 65 stand for the three")
    return known


def class_rows(data: Path, paths: Iterable[str], labels: Mapping[str, Labels]) -> Iterator[dict[str, Any]]:
    """The photos of a folder for each class; `labels` are those of `class_labels`."""
    for path in paths:
        yield photo_row(data, path, **labels[_top(path)])


def _top(path: str) -> str:
    parts = PurePosixPath(path).parts
    return parts[0] if len(parts) > 1 else ""


def _list(names: Iterable[str]) -> str:
    shown = [source_name(name) for name in names]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")
