"""Whatever program saved a table, it is read to what it means, or refused in a line."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faces.foreign.table import read_table
from tests.helpers.foreign_tables import Sheet, broken, cells, sheets

MANY = int(os.environ.get("FACEFOLD_EXAMPLES", "40"))
"""Tables that hypothesis draws for each test."""
HEADER = ("ImageID", "ans")


@st.composite
def written(draw: st.DrawFn) -> tuple[list[list[str]], Sheet]:
    rows = draw(st.lists(st.tuples(cells(1), cells()).map(list), min_size=1, max_size=4))
    return rows, draw(sheets(HEADER, rows))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "t.csv"


def found_by(data: bytes, *numbers: int, separator: str = ",", sure: bool = True) -> Sheet:
    return Sheet(data=data, numbers=[*numbers], separator=separator, plain=False, sure=sure)


@settings(max_examples=MANY)
@given(written())
@example(([["0", ""]], found_by(b"sep=,\rImageID,ans\r0,", 3)))
@example(([["홍", "1"]], found_by("ImageID,ans\n홍,1".encode("cp949"), 2, sure=False)))
@example(([["a", "1"]], found_by(b"\tImageID\tans\n0\ta\t1\n", 2, separator="\t")))
@example(([["a", "1"]], found_by(b";;\n\n;ImageID;ans\n0;a;1\n", 4, separator=";")))
def test_a_table_is_read_to_what_it_means(table: Path, drawn: tuple[list[list[str]], Sheet]) -> None:
    rows, sheet = drawn
    table.write_bytes(sheet.data)
    notes: list[str] = []
    try:
        found = read_table(table, HEADER, notes)
    except ValueError as error:
        assert not sheet.sure and str(error).startswith(str(table)), error
        return
    assert found[[*HEADER]].to_numpy().tolist() == rows
    assert [*found.index] == sheet.numbers


@settings(max_examples=MANY)
@given(
    st.lists(st.tuples(cells(1), cells(1)).map(list), min_size=1, max_size=4).flatmap(
        lambda rows: broken(HEADER, [[cell.replace("\n", "") + "a" for cell in row] for row in rows])
    )
)
def test_a_broken_table_is_refused_in_one_line_that_names_it(table: Path, sheet: Sheet) -> None:
    table.write_bytes(sheet.data)
    with pytest.raises(ValueError, match=str(table)) as refused:
        read_table(table, HEADER)
    assert "\n" not in str(refused.value)
    if sheet.at:
        assert f"{table}, row {sheet.at}: " in str(refused.value)


def test_an_index_before_a_single_column_is_no_part_of_it(table: Path) -> None:
    table.write_text("\tImageID\n0\ta.jpg\n1\tb.jpg\n")
    assert [*read_table(table, ("ImageID",)).ImageID] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("data", [b"", b"\n\n", b",,\n ;\t\n", b"\xef\xbb\xbf", b"sep=;\n\n"])
def test_a_table_of_nothing_is_empty(table: Path, data: bytes) -> None:
    table.write_bytes(data)
    with pytest.raises(ValueError, match=r"t\.csv: not readable as a table: it is empty"):
        read_table(table, ("ImageID",))
