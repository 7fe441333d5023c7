"""Pictures that several stages draw."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from faces.plots import save_figure


@pytest.mark.parametrize("name", ["$\\frac{$", "$5 or $6", "a_b^c \\x $"])
def test_a_name_in_a_picture_is_no_formula(tmp_path: Path, name: str) -> None:
    figure = Figure(figsize=(4, 2))
    axes = figure.subplots()
    axes.set_title(name)
    axes.set_xticks([0, 1], [name, "b"])
    axes.set_yscale("log")
    axes.plot([0, 1], [1, 1000])
    save_figure(figure, tmp_path / "a.png", dpi=50)
    assert np.asarray(Image.open(tmp_path / "a.png").convert("L")).std() > 10
    powers = axes.yaxis.get_ticklabels(which="both")
    assert all(label.get_parse_math() for label in powers) and not axes.title.get_parse_math()
