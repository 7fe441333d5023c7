"""Histograms and bars of the page that shows a cache."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from preprocess.look.charts import ages, doublings, photo_sizes, spread


def test_columns_of_a_histogram_hold_every_value_once() -> None:
    values = [*np.random.default_rng(0).normal(50, 20, 500).tolist(), float("nan"), float("inf")]
    for chart in (spread("", values), ages(np.abs(values)), doublings("", np.abs(values))):
        counts = [int(column.label.split(": ")[1].replace(",", "")) for column in chart.columns]
        assert sum(counts) == 500 and max(counts) == chart.tallest
        assert "n = 500" in chart.summary
        ends = [(column.x, column.x + column.width) for column in chart.columns]
        assert all(end < start for (_, end), (start, _) in pairwise(ends))


def test_the_edges_of_the_age_bands_lie_between_columns() -> None:
    chart = ages([29.0, 30.0, 59.0, 60.0])
    at_30, at_60 = (x for x, _ in chart.marks)
    filled = [column for column in chart.columns if column.height > 0]
    assert len(filled) == 4
    assert filled[0].x + filled[0].width < at_30 < filled[1].x
    assert filled[2].x + filled[2].width < at_60 < filled[3].x


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0], [0.0], [float("nan")]])
def test_histograms_of_few_values_are_drawn_too(values: list[float]) -> None:
    for chart in (spread("", values), ages(values), doublings("", values)):
        places = [number for column in chart.columns for number in (column.x, column.y, column.height)]
        assert np.isfinite(places).all() and len(chart.columns) < 40
        assert chart.tallest == np.isfinite(values).sum()


def test_the_commonest_photo_sizes_come_first_and_the_rest_together() -> None:
    sizes = [(100, 100)] * 3 + [(10, 20)] * 5 + [(n, n) for n in range(1, 13)]
    found = photo_sizes(pd.DataFrame(sizes, columns=["width", "height"]))
    assert [(bar.name, bar.count) for bar in found[:3]] == [("10 x 20", 5), ("100 x 100", 3), ("1 x 1", 1)]
    assert (found[-1].name, found[-1].count) == ("4 other sizes", 4)
    assert sum(bar.share for bar in found) == pytest.approx(1)
