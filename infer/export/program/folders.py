"""Which photos are meant by the files and folders that are named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from faces.photos.files import BadPhoto, kind_at
from faces.photos.names import called_photo, of_tool, source_name


def photos_of(names: Sequence[Path]) -> tuple[list[Path], list[str], int]:
    """The files named, and the pictures in the folders named, by name or by content, sorted.

    A folder that is called like a photo and holds none is one that cannot be read.

    Returns:
        Photos; lines that say what is left out of the folders; how many folders could not be listed.
    """
    photos: list[Path] = []
    lines: list[str] = []
    others: dict[str, list[str]] = {"hidden folders or a tool's": [], "no photos": []}
    closed: list[OSError] = []
    for name in names:
        if not is_folder(name):
            photos.append(name)
            continue
        seen: set[str] = set()
        found: list[Path] = []
        claiming: list[Path] = []
        for place, folders, files in os.walk(name, followlinks=True, onerror=closed.append):
            if os.path.realpath(place) in seen:  # a link in a circle
                folders.clear()
                continue
            seen.add(os.path.realpath(place))
            if called_photo(Path(place).name):
                claiming.append(Path(place))
            others["hidden folders or a tool's"] += [name_of(Path(place, f)) for f in folders if of_tool(f)]
            folders[:] = [folder for folder in folders if not of_tool(folder)]
            for file in files:
                if is_photo(path := Path(place, file)):
                    found.append(path)
                else:
                    others["no photos"].append(name_of(path))
        found += [folder for folder in claiming if not any(folder in path.parents for path in found)]
        if not found:
            lines.append(f"no photos in {name_of(name)}")
        photos += sorted(found)
    lines += [f"skipped {name_of(error.filename)}: cannot be listed: {error.strerror}" for error in closed]
    for what, paths in others.items():
        if paths:
            more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
            lines.append(f"left out, since {what}: {len(paths)} ({', '.join(sorted(paths)[:3])}{more})")
    return photos, lines, len(closed)


def name_of(path: Path | str) -> str:
    """A path as text, as tables of FaceFold have it: see `source_name`."""
    return source_name(Path(path).as_posix())


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; what may not be looked at is left to the gate."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_photo(path: Path) -> bool:
    """Whether a file in a folder is called like a picture, or is one by its first bytes."""
    if of_tool(path.name):
        return False
    if called_photo(path.name):
        return True
    try:
        return kind_at(path).what != "other"
    except BadPhoto:
        return False
