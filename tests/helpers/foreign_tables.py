"""Tables as people's programs save them, with what they mean: drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

ENDS = ("\n", "\r\n", "\r")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp949")
LETTERS = st.sampled_from([*"abcZ019 ._-+=#\"',;\t", "\n", "é", "가", "홍"])
BROKEN = ("short row", "long row", "open quote", "column twice", "latin-1", "cut", "nul")


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table in a file."""

    data: bytes
    numbers: list[int]
    """Row number of each row that means something."""
    separator: str
    plain: bool
    """Whether every reader of CSV reads it alike: commas, UTF-8 without a mark, no row or column more."""
    sure: bool
    """Whether it can be read in one way alone."""
    broken: str = ""
    """One of `BROKEN`, or "" for none."""
    at: int = 0
    """Row of what is broken, 0 for the whole file."""


@cache
def cells(least: int = 0) -> st.SearchStrategy[str]:
    """Texts of cells, not blank where they have a least length, that are no numbers with a decimal comma."""
    texts = st.text(LETTERS, min_size=least, max_size=6)
    return texts.filter(lambda text: "," not in text or not any(map(str.isdigit, text))).filter(
        lambda text: text.strip() != "" or not least
    )


@st.composite
def sheets(
    draw: st.DrawFn, header: Sequence[str], rows: Sequence[Sequence[str]], *, plain: bool = False
) -> Sheet:
    """A file of these rows, in this order, whole.

    Args:
        draw: of hypothesis.
        header: names of the columns that are needed.
        rows: their cells; one of each row is not blank.
        plain: whether the file is to be `Sheet.plain`.
    """
    separator = "," if plain else draw(st.sampled_from(",,;\t"))
    encoding, ends = "utf-8" if plain else draw(st.sampled_from(ENCODINGS)), draw(st.sampled_from(ENDS))
    columns = [[name, *(row[place] for row in rows)] for place, name in enumerate(header)]
    dressed = False
    if not plain:
        columns, dressed = _dressed(draw, columns, len(rows))
    lines = [[column[place] for column in columns] for place in range(len(rows) + 1)]
    quote_all = draw(st.booleans())
    texts = [separator.join(_quoted(cell, separator, quote_all) for cell in line) for line in lines]
    numbers, blank = [*range(1, len(texts) + 1)], False
    for place in () if plain else draw(st.lists(st.integers(0, len(rows) + 1), max_size=2)):
        empty = draw(st.sampled_from(["", separator * (len(columns) - 1), "  "]))
        at = numbers[place] - 1 if place < len(numbers) else len(texts)
        texts.insert(at, empty)
        numbers = [number + (index >= place) for index, number in enumerate(numbers)]
        blank = True
    told = not plain and draw(st.sampled_from([False, False, True]))
    texts = [f"sep={separator}"] * told + texts
    numbers = [number + told for number in numbers]
    text = ends.join(texts) + ends * draw(st.booleans())
    if encoding == "cp949" and "é" in text:
        encoding = "utf-8"
    data = text.encode(encoding)
    is_plain = (separator, encoding) in ((",", "utf-8"), (",", "cp949")) and not (dressed or blank or told)
    # The names in the header may be separated in two ways.
    other = any(sign in name for name in lines[0] for sign in ",;\t")
    return Sheet(
        data=data,
        numbers=numbers[1:],
        separator=separator,
        plain=is_plain and (encoding == "utf-8" or text.isascii()),
        sure=(told or not other) and not (encoding == "cp949" and not text.isascii() and _is_utf8(data)),
    )


def _is_utf8(data: bytes) -> bool:
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def _dressed(draw: st.DrawFn, columns: list[list[str]], count: int) -> tuple[list[list[str]], bool]:
    """With further columns, in another order, the header in another case; and whether anything changed."""
    names = [column[0] for column in columns]
    respelt = draw(st.sampled_from([str, str.upper, str.lower, lambda name: f" {name} "]))
    columns = [[respelt(column[0]), *column[1:]] for column in columns]
    more = draw(
        st.lists(
            cells(1).filter(lambda name: "\n" not in name), max_size=2, unique_by=lambda name: name.strip()
        )
    )
    known = {name.strip().casefold() for name in names}
    columns += [
        [f"x{name}", *draw(st.lists(cells(), min_size=count, max_size=count))]
        for name in more
        if f"x{name}".strip().casefold() not in known
    ]
    columns = draw(st.permutations(columns))
    if draw(st.booleans()):
        columns = [["", *map(str, range(count))], *columns]
    if draw(st.booleans()):
        columns = [*columns, ["", *[""] * count]]
    return columns, [column[0] for column in columns] != names


def _quoted(cell: str, separator: str, always: bool) -> str:
    if always or any(sign in cell for sign in (separator, ",", '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@st.composite
def broken(draw: st.DrawFn, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Sheet:
    """A file of these rows, which have no line ends in them, that means nothing for sure."""
    kind = draw(st.sampled_from(BROKEN))
    at = draw(st.integers(1, len(rows)))
    lines = [[_quoted(cell, ",", True) for cell in row] for row in (header, *rows)]
    if kind == "short row":
        lines[at] = lines[at][:-1]
    elif kind == "long row":
        lines[at] = [*lines[at], '"x"']
    elif kind == "open quote":
        lines[at][-1] = lines[at][-1][:-1]
    elif kind == "column twice":
        lines = [[*line, line[0]] for line in lines]
    elif kind in ("latin-1", "nul"):
        lines[at][0] = '"é"' if kind == "latin-1" else '"\0"'
    text = "\n".join(map(",".join, lines))
    encoding = {"latin-1": "latin-1", "cut": "utf-16"}.get(kind, "utf-8")
    data = text.replace("가", "a").replace("홍", "b").encode(encoding)
    named = at + 1 if kind in ("short row", "long row") else 0
    return Sheet(
        data=data[:-1] if kind == "cut" else data,
        numbers=[],
        separator=",",
        plain=False,
        sure=False,
        broken=kind,
        at=named,
    )
