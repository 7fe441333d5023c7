"""Cells of CSV tables: names come back whole, and none begins as a formula does."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.photos.names import FORMULAS, cell_path, path_cell
from faces.storage.cells import csv_bytes, is_formula

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(NAMES)
def test_a_path_in_a_cell_is_no_formula_and_comes_back(path: str) -> None:
    cell = path_cell(path)
    assert not cell.startswith(FORMULAS) and cell in (path, f"./{path}")
    assert cell_path(cell) == (cell_path(path) if cell == path else path)


def test_cells_of_anybody_else_stay() -> None:
    for cell in ("a.jpg", "./a.jpg", "=a.jpg", "", "./"):
        assert cell_path(cell) == cell
    assert cell_path("./=a.jpg") == "=a.jpg"


@pytest.mark.parametrize(
    "text", ["=1+1", "+a", "-x", "@SUM(1)", "\ta", "\ra", "-1+cmd|' /C calc'!A0", "-1e3x"]
)
def test_formulas(text: str) -> None:
    assert is_formula(text)


@pytest.mark.parametrize("text", ["<30", ">=60", "-1", "+5", "-1.5", "-", "+", "a=b", "30-59", "사진", "'=1"])
def test_words_and_numbers_are_none(text: str) -> None:
    assert not is_formula(text)


@given(st.lists(NAMES, min_size=1))
def test_names_come_back_from_a_table_whatever_they_hold(names: list[str]) -> None:
    table = pd.DataFrame({"ImageID": names, "ans": range(len(names))})
    data = csv_bytes(table)
    pandas = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False, encoding="utf-8")
    assert pandas.ImageID.tolist() == names
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert rows == [["ImageID", "ans"], *([name, str(place)] for place, name in enumerate(names))]
