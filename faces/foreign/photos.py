"""The rows of a table that tell something of photos which are known already."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from faces.foreign.names import Names, say_found
from faces.foreign.paths import check_named, check_once
from faces.photos.names import cell_path


def some(photos: Sequence[object]) -> str:
    """The first three of some photos, or of other things, for a message."""
    return f"{', '.join(map(str, photos[:3]))}{', ...' if len(photos) > 3 else ''}"


def row_names(table: pd.DataFrame, column: str, path: Path) -> pd.Series[str]:
    """What each row names, once each, as the sources call it.

    Args:
        table: of `read_table`.
        column: of the names.
        path: of the table, for the message.

    Raises:
        ValueError: no rows, a row without a name, or two with one.
    """
    names = table[column].map(cell_path)
    check_named(names, path)
    check_once(names, path)
    return names


def rows_of_photos(
    table: pd.DataFrame, column: str, photos: Sequence[str], path: Path, notes: list[str], cure: str
) -> pd.DataFrame:
    """The rows of a table in the order of some photos, one each.

    A name that is not quite a photo's is taken for the one that alone it can mean (`Names`).

    Args:
        table: of `read_table`.
        column: of the photos' names.
        photos: all that the rows may be of, each once.
        path: of the table, for messages.
        notes: gets sentences on names that are not quite their photos'.
        cure: end of the message where the rows are of other photos.

    Returns:
        [photos] rows of `table`, indexed by its row numbers.

    Raises:
        ValueError: as `row_names`; a name that may mean several photos; photos on one side only, with
            their number and three of them.
    """
    names = row_names(table, column, path)
    there = {*photos}
    strange = names[~names.isin(there)]
    if len(strange):
        known = Names(photos, there.intersection(names))
        found = [known.find(name) for name in strange]
        notes += [f"{path.name}: {line}" for line in say_found(strange, found, "photo")]
        for (row, name), match in zip(strange.items(), found, strict=True):
            if match.several:
                raise ValueError(
                    f"{path}, row {row}: {column} {name!r} may mean {' or '.join(match.several[:2])}, which "
                    f"differ from it in {' and '.join(match.differs)}; name the one that is meant"
                )
        means = {name: match.path for name, match in zip(strange, found, strict=True) if match.path}
        names = names.replace(means)
        check_once(names, path)
    told = {*names}
    stray, lacking = names[~names.isin(there)], [photo for photo in photos if photo not in told]
    sides = [f"{len(lacking):,} of the {len(photos):,} photos have no row ({some(lacking)})"] * bool(lacking)
    if len(stray):
        row, count = stray.index[0], f"{len(stray):,} of its {len(names):,} rows"
        sides.append(f"{count} are of no such photo ({some(stray.tolist())}, from row {row})")
    if sides:
        raise ValueError(f"{path}: {' and '.join(sides)}; {cure}")
    return table.loc[pd.Series(names.index, index=names)[[*photos]]]
