"""The cells of a table of text, whichever program saved it: its encoding and its separator are found out.

What could be two things is refused, with the cure: a table read wrongly gives wrong labels.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import string
from pathlib import Path
from typing import Final

import pandas as pd

SEPARATORS: Final = {",": "comma", ";": "semicolon", "\t": "tab"}
"""What may stand between cells, by the character; `sep=` in a first line may name another."""
_NOTHING: Final = f"{string.whitespace}{''.join(SEPARATORS)}"
"""What a row without a cell is made of."""
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""What a file begins with, by its encoding. The longer of two that begin alike comes first."""
_OTHER_KINDS: Final = (
    (b"PK\x03\x04", "an Excel workbook or a .zip"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook of before 2007"),
    (b"PAR1", "a Parquet table; call it .parquet"),
    (b"\x1f\x8b", "packed by gzip; unpack it"),
)
_RARE: Final = re.compile("[\0-\x7fƀ-ɏ]*")
"""Text of nothing but ASCII and letters beyond those of European languages: its bytes may be Korean, too."""
_SAVE: Final = "save it as CSV in UTF-8 (Excel: 'CSV UTF-8')"
MOST_BYTES: Final = 256 * 2**20
"""A table of text is not read beyond this; one of a million photos has 100 MB."""
MOST_COLUMNS: Final = 10_000
_UNNAMED: Final = "Unnamed: "
"""Beginning of the name of a column that the header does not name."""
_DECIMAL_COMMA: Final = re.compile(r"\s*(-?\d+),(\d+)\s*")
_WHOLE: Final = re.compile(r"\s*-?\d*\s*")


def read_cells(path: Path, notes: list[str]) -> pd.DataFrame:
    """The cells of a text file as texts, "" where empty; the first row names the columns.

    Args:
        path: of text in UTF-8, or with its own mark (UTF-16, UTF-32), or in Korean cp949.
        notes: gets sentences on what was found out.

    Returns:
        Indexed by row number, as errors name it: the header is row 1 (2 below a line `sep=`). Blank rows are
        counted and left out; columns without a name that are empty or number the rows are left out.

    Raises:
        ValueError: beyond `MOST_BYTES` or `MOST_COLUMNS`, another kind of file, an encoding that is not
            known, a column named twice, or a row with another number of cells than the header, named.
    """
    told, text, above = _told_separator(_decode(path, notes))
    if not text.strip(_NOTHING):
        raise ValueError(f"{path}: not readable as a table: it is empty")
    separator = told or _find_separator(text, path)
    numbered = [
        (number, row)
        for number, row in enumerate(_split(text, separator, path), 1 + above)
        if any(map(str.strip, row))
    ]
    (_, header), *rows = numbered or [(1, [""])]
    names = _column_names(header, path)
    for number, row in rows:
        if len(row) != len(names):
            raise ValueError(
                f"{path}, row {number}: {len(row)} cells where the header has {len(names)}; correct the row "
                f"(a name or value with a {SEPARATORS.get(separator, separator)} in it stands in quotes)"
            )
    table = pd.DataFrame([row for _, row in rows], columns=names, dtype=object)
    table.index = pd.Index([number for number, _ in rows])
    table = table.drop(
        columns=[name for name in names if name.startswith(_UNNAMED) and _is_idle(table[name])]
    )
    return _decimal_points(table, path, notes) if separator == ";" else table


def _is_idle(cells: pd.Series) -> bool:
    """Whether a column without a name is empty, or numbers the rows, as pandas writes its index."""
    return bool((cells == "").all() or (cells.str.fullmatch(r"\d+").all() and cells.is_unique))


def _decode(path: Path, notes: list[str]) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(
            f"{path}: {path.stat().st_size:,} bytes, and tables of text are read up to {MOST_BYTES:,}; save "
            "it as Parquet, or leave out the columns that are no labels"
        )
    data = path.read_bytes()
    for start, kind in _OTHER_KINDS:
        if data.startswith(start):
            raise ValueError(f"{path}: not text but {kind}: {_SAVE}")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        text = _korean(data) if encoding == "utf-8" else ""
        if not text:
            row = data[: error.start].count(b"\n") + 1
            raise ValueError(
                f"{path}: not readable as a UTF-8 CSV table: row {row} is in another encoding; {_SAVE}"
            ) from error
        notes.append(f"{path.name} is not in UTF-8 and was read as Korean (cp949); if it is not, {_SAVE}")
    if encoding == "utf-8" and _RARE.fullmatch(text) and (other := _korean(data)) not in ("", text):
        rare, syllable = (next(letter for letter in each if not letter.isascii()) for each in (text, other))
        raise ValueError(
            f"{path}: what is {rare} in UTF-8 is {syllable} in Korean (cp949), and no other letter tells "
            f"what it is; {_SAVE}"
        )
    if "\0" in text:
        raise ValueError(f"{path}: not readable as a UTF-8 CSV table: it holds NUL characters; {_SAVE}")
    return text


def _korean(data: bytes) -> str:
    """Text in cp949, or "" where the bytes may be another encoding.

    Any two bytes above 127 are something in cp949. So all letters beyond ASCII must be Hangul, and half of
    them at least the 2,350 usual syllables, whose second byte is above 160 too: that is rare in Western text,
    where accented letters stand alone, and in Japanese and Chinese, which have other letters among them.
    """
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError:
        return ""
    letters = [letter for letter in text if not letter.isascii()]
    hangul = all("가" <= letter <= "힣" for letter in letters)
    usual = sum(min(letter.encode("cp949")) > 0xA0 for letter in letters) if hangul else 0
    return text if usual * 2 >= len(letters) and hangul else ""


def _told_separator(text: str) -> tuple[str, str, int]:
    """What a first line `sep=` tells, "" where there is none; the text below it, and how many lines it is."""
    found = re.match(r'"?sep=(.)"?(?:\r\n|\r|\n)', text, re.IGNORECASE)
    return (found[1], text[found.end() :], 1) if found else ("", text, 0)


def _find_separator(text: str, path: Path) -> str:
    """The one that divides the header; of several the one by which all rows are as long as the header."""
    header = next(line for line in re.split("[\r\n]", text) if line.strip(_NOTHING))
    try:
        there = [each for each in SEPARATORS if len(next(csv.reader([header], delimiter=each))) > 1]
    except csv.Error as error:
        raise ValueError(
            f"{path}, row 1: not readable as a CSV table: {error}; correct its header"
        ) from error
    if len(there) < 2:
        return there[0] if there else ","
    even = [each for each in there if _is_even(text, each)]
    if len(even) == 1:
        return even[0]
    named = " and ".join(SEPARATORS[each] for each in there)
    raise ValueError(
        f"{path}: its header has {named}: which one separates the cells? Say so in a first line such as "
        "sep=; or put names with the other one in quotes"
    )


def _is_even(text: str, separator: str) -> bool:
    try:
        rows = [*csv.reader(io.StringIO(text, newline=""), delimiter=separator)]
        return len({len(row) for row in rows if any(map(str.strip, row))}) == 1
    except csv.Error:
        return False


def _split(text: str, separator: str, path: Path) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        rows.extend(reader)
    except csv.Error as error:
        raise ValueError(
            f"{path}, row {len(rows) + 1}: not readable as a CSV table: {error}; correct its quotes"
        ) from error
    return rows


def _column_names(header: list[str], path: Path) -> list[str]:
    if len(header) > MOST_COLUMNS:
        raise ValueError(
            f"{path}: {len(header):,} columns, and at most {MOST_COLUMNS:,} are read; leave some out"
        )
    names = [name.strip() or f"{_UNNAMED}{place}" for place, name in enumerate(header)]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ValueError(f"{path}: two columns are called {twice!r}; rename or remove one")
    return names


def _decimal_points(table: pd.DataFrame, path: Path, notes: list[str]) -> pd.DataFrame:
    """Numbers such as 45,5 with a point: columns that hold nothing but numbers, some with a decimal comma."""
    for column in table:
        decimal = table[column].map(lambda cell: bool(_DECIMAL_COMMA.fullmatch(cell)))
        if decimal.any() and table[column][~decimal].map(lambda cell: bool(_WHOLE.fullmatch(cell))).all():
            first = str(table[column][decimal].iloc[0])
            table[column] = table[column].str.replace(_DECIMAL_COMMA, r"\1.\2", regex=True)
            point = str(table[column][decimal].iloc[0])
            notes.append(f"{path.name}, column {column}: {first!r} is read as {point}, and so on")
    return table
