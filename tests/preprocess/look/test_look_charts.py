"""Histograms and bars of the page that shows a cache."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from faces.labels import CONTEST, Number
from faces.pages.charts import doublings, in_title, number, photo_sizes, spread, strips

AGE = CONTEST.factor("age")
assert isinstance(AGE, Number)


def test_columns_of_a_histogram_hold_every_value_once() -> None:
    values = [*np.random.default_rng(0).normal(50, 20, 500).tolist(), float("nan"), float("inf")]
    for chart in (spread("", values), number(AGE, np.abs(values)), doublings("", np.abs(values))):
        counts = [int(column.label.split(": ")[1].replace(",", "")) for column in chart.columns]
        assert sum(counts) == 500 and max(counts) == chart.tallest
        assert "n = 500" in chart.summary
        ends = [(column.x, column.x + column.width) for column in chart.columns]
        assert all(end < start for (_, end), (start, _) in pairwise(ends))


def test_the_edges_of_the_age_bands_lie_between_columns() -> None:
    chart = number(AGE, [29.0, 30.0, 59.0, 60.0])
    at_30, at_60 = (x for x, _ in chart.marks)
    filled = [column for column in chart.columns if column.height > 0]
    assert len(filled) == 4
    assert filled[0].x + filled[0].width < at_30 < filled[1].x
    assert filled[2].x + filled[2].width < at_60 < filled[3].x


def test_groups_stand_one_below_the_other_over_one_axis() -> None:
    chart = strips(
        "", "", [("a", [0.42, 0.44, np.nan], "2"), ("b", [0.93, 1.26], ""), ("c", [], "")], 0.4, 0.8
    )
    (one, told), (other, _), (none, _) = chart.lines
    assert (one.title, told, one.tallest, other.tallest, none.tallest) == ("a", "2", 2, 1, 0)
    assert one.ticks == other.ticks and one.marks == other.marks == [(pytest.approx(480 / 2.25), "0.8")]
    assert [column.label for column in one.columns if column.height] == ["0.4 to 0.45: 2"]
    filled = [column.label for column in other.columns if column.height]
    assert filled == ["0.9 to 0.95: 1", "1.25 to 1.3: 1"]


OTHERS = {
    "ages cut elsewhere": Number(name="age", edges=(20.0, 47.0, 55.0), unit="years"),
    "degrees": Number(name="degrees", edges=(37.5,), least=30.0, most=45.0),
    "a share": Number(name="share", edges=(0.25, 0.5), most=1.0),
    "below nothing": Number(name="shift", edges=(-0.5, 0.5), least=-1.0, most=1.0),
    "far from its least": Number(name="height", edges=(170.0,), least=-1000.0, most=1000.0),
}


@pytest.mark.parametrize("factor", OTHERS.values(), ids=OTHERS)
def test_any_number_has_a_chart_that_shows_its_values_and_edges(factor: Number) -> None:
    low, high = factor.edges[0] - 0.1, factor.edges[-1] + 0.1
    chart = number(factor, [*np.linspace(low, high, 50).tolist(), float("nan")])
    filled = [column for column in chart.columns if column.height > 0]
    assert sum(int(column.label.split(": ")[1]) for column in chart.columns) == 50
    assert len(chart.columns) <= 25 and len(filled) >= 1
    assert [text for _, text in chart.marks] == [f"{edge:g}" for edge in factor.edges]
    assert all(0 <= x <= 480 for x, _ in chart.marks)


def test_a_value_at_the_upper_end_has_a_column_that_begins_there() -> None:
    chart = number(AGE, [70.0] * 3)
    assert [column.label for column in chart.columns if column.height > 0] == ["70 to 75: 3"]


def test_a_title_begins_with_a_capital_letter_and_has_no_underscores() -> None:
    assert in_title("face_shield") == "Face shield" and in_title("age") == "Age"
    assert (number(AGE, [1.0]).title, number(OTHERS["degrees"], [36.0]).title) == ("Age, years", "Degrees")


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0], [0.0], [float("nan")]])
def test_histograms_of_few_values_are_drawn_too(values: list[float]) -> None:
    for chart in (spread("", values), number(AGE, values), doublings("", values)):
        places = [number for column in chart.columns for number in (column.x, column.y, column.height)]
        assert np.isfinite(places).all() and len(chart.columns) < 40
        assert chart.tallest == np.isfinite(values).sum()


def test_the_commonest_photo_sizes_come_first_and_the_rest_together() -> None:
    sizes = [(100, 100)] * 3 + [(10, 20)] * 5 + [(n, n) for n in range(1, 13)]
    found = photo_sizes(pd.DataFrame(sizes, columns=["width", "height"]))
    assert [(bar.name, bar.count) for bar in found[:3]] == [("10 x 20", 5), ("100 x 100", 3), ("1 x 1", 1)]
    assert (found[-1].name, found[-1].count) == ("4 other sizes", 4)
    assert sum(bar.share for bar in found) == pytest.approx(1)
