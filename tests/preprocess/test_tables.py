"""Every kind of table that people have, each a row of docs/preprocess.md, which says what becomes of it."""

import unicodedata
from pathlib import Path
from typing import NamedTuple

import pytest

from preprocess.sources.scan import scan
from tests.helpers.layouts import touch

ROWS = (("path", "person", "mask"), ("a.jpg", "p", "wear"), ("b.jpg", "q", "normal"))


def text(separator: str = ",", header: str = "") -> str:
    lines = [separator.join(row) for row in ROWS]
    return "\n".join([header or lines[0], *lines[1:], ""])


def names(*each: str, header: str = "path,person,mask") -> str:
    return "\n".join([header, *(f"{name},p{place},wear" for place, name in enumerate(each)), ""])


class Table(NamedTuple):
    """A table, the photos beside it, and what its row in the document says."""

    outcome: str
    data: str | bytes = text()
    photos: tuple[str, ...] = ("a.jpg", "b.jpg")
    name: str = "photos.csv"


KOREAN = names("가.jpg", "나.jpg")
PIECES = tuple(unicodedata.normalize("NFD", name) for name in ("가.jpg", "나.jpg"))
MATCHED = "matched: 2 names differ from their files in {} only, such as {}: taken"
TABLES = {
    "UTF-8, with a mark or without": Table("accepted", text().encode("utf-8-sig")),
    "UTF-16 or UTF-32 with its mark": Table("accepted", text().encode("utf-16")),
    "cp949, as Excel in Korean saves it": Table(
        "accepted: photos.csv is not in UTF-8 and was read as Korean (cp949)",
        KOREAN.encode("cp949"),
        ("가.jpg", "나.jpg"),
    ),
    "semicolons": Table("accepted", text(";")),
    "semicolons and decimal commas": Table(
        "accepted: photos.csv, column age: '45,5' is read as 45.5, and so on",
        "path;person;age\na.jpg;p;45,5\nb.jpg;q;30\n",
    ),
    "tabs, in a .csv, .tsv or .txt": Table("accepted", text("\t"), name="photos.tsv"),
    "a first line `sep=;`": Table("accepted", "sep=;\n" + text(";")),
    "a header `Path, MASK`": Table("accepted", text(header="Path , Person, MASK")),
    "a column `file`, `image_path`, ... for `path`": Table(
        "accepted: no column path: the photos' files are taken from column Image Path (--columns.path)",
        text(header="Image Path,person,mask"),
    ),
    "a first column without a name that numbers the rows, as pandas writes it": Table(
        "accepted", ",path,person,mask\n0,a.jpg,p,wear\n1,b.jpg,q,normal\n"
    ),
    "quoted cells": Table("accepted", 'path,person,mask\n"a,1.jpg","p ""x""",wear\n', ("a,1.jpg",)),
    "blanks around a name": Table(
        MATCHED.format("blanks", "' a.jpg ' for a.jpg"), names(" a.jpg ", "b.jpg ")
    ),
    "`imgs\\a.jpg`": Table(
        MATCHED.format("backslashes", r"'imgs\\a.jpg' for imgs/a.jpg"),
        names("imgs\\a.jpg", "imgs\\b.jpg"),
        ("imgs/a.jpg", "imgs/b.jpg"),
    ),
    "a folder before the name that is not there, or missing before it": Table(
        MATCHED.format("folders before them", "'a.jpg' for images/a.jpg"),
        photos=("images/a.jpg", "images/b.jpg"),
    ),
    "Korean or accented names of macOS": Table(
        "matched: 2 names differ from their files in Unicode form only", KOREAN, PIECES
    ),
    "`a.JPG` for a.jpg": Table(MATCHED.format("case", "'a.JPG' for a.jpg"), names("a.JPG", "B.jpg")),
    "another suffix, or none": Table(
        MATCHED.format("suffix", "'a' for a.jpg"), names("a", "b.png"), ("a.jpg", "b.jpg")
    ),
    "numbers without their zeros": Table(
        MATCHED.format("zeros before numbers", "'1.jpg' for 0001.jpg"),
        names("1.jpg", "2.jpg"),
        ("0001.jpg", "0002.jpg"),
    ),
    "a name that may be two files": Table(
        "missing: no such file; A.JPG and a.jpg differ from it in case: name the one that is meant",
        names("a.Jpg", "b.jpg"),
        ("a.jpg", "A.JPG", "b.jpg"),
    ),
    "a name like no file": Table(
        "missing: no such file; the nearest is IMG_0001.jpg",
        names("IMG_O001.jpg", "b.jpg"),
        ("IMG_0001.jpg", "b.jpg"),
    ),
    "two names of one file": Table(
        "refused: path 'A.JPG' occurs twice, in rows 2 and 3: both mean a.jpg",
        names("a.jpg", "A.JPG"),
        ("a.jpg",),
    ),
    "photos beside the listed ones": Table(
        "left out: 1 of 3 photos below DIR/images are not in the table, the first images/c.jpg",
        names("images/a.jpg", "images/b.jpg"),
        ("images/a.jpg", "images/b.jpg", "images/c.jpg"),
    ),
    "a row of another length than the header": Table(
        "refused: row 3: 2 cells where the header has 3; correct the row",
        "path,person,mask\na.jpg,p,wear\nb.jpg,q\n",
    ),
    "another encoding": Table(
        "refused: row 2 is in another encoding; save it as CSV in UTF-8 (Excel: 'CSV UTF-8')",
        names("Müller.jpg").encode("latin-1"),
    ),
    ".xlsx, .xls, .ods": Table(
        "refused: a workbook, which is not read; save it as CSV in UTF-8 and give that",
        b"PK\3\4",
        name="photos.xlsx",
    ),
    ".zip, .tar, .7z": Table(
        "refused: a packed archive, which is not read; unpack it and give the folder or table that comes out",
        b"PK\3\4",
        name="photos.zip",
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_what_becomes_of_a_table_is_what_the_document_says(tmp_path: Path, kind: str) -> None:
    table = TABLES[kind]
    for photo in table.photos:
        touch(tmp_path / photo)
    path = tmp_path / table.name
    path.write_bytes(table.data.encode() if isinstance(table.data, str) else table.data)
    outcome, _, words = table.outcome.replace("DIR", str(tmp_path)).partition(": ")
    if outcome == "refused":
        with pytest.raises(ValueError) as caught:
            scan(path)
        assert words in str(caught.value) and "\n" not in str(caught.value)
        return
    listing = scan(path)
    problems = [*listing.photos.problem[listing.photos.problem != ""]]
    notes = " ".join(listing.notes)
    if outcome == "missing":
        assert problems == [f"missing: {words}"]
    else:
        assert not problems and words in notes
        assert len(listing.photos) == 2 or kind == "quoted cells"
    if table.outcome == "accepted":
        assert "photos.csv" not in notes and [*listing.photos["mask"]][:2] == [0, 2][: len(listing.photos)]


def test_every_row_of_the_document_is_tried_here() -> None:
    """And every kind of table that is tried here stands there, with its outcome."""
    page = (Path(__file__).parents[2] / "docs" / "preprocess.md").read_text()
    section = page.split("\n## Tables\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert rows == [f"| {kind} | {table.outcome} |" for kind, table in TABLES.items()]
