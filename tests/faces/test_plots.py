"""Pictures that several stages draw."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image

from faces import plots
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


def charmap(family: str) -> set[int]:
    return {*font_manager.get_font(font_manager.findfont(family)).get_charmap()}


def test_letters_that_the_usual_font_lacks_come_from_one_that_has_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rare = chr(max(charmap("STIXGeneral") - charmap("DejaVu Sans")))
    plots._tell_boxes.cache_clear()
    figure = Figure(figsize=(4, 2))
    named, usual = figure.text(0.1, 0.1, f"Größe {rare}"), figure.text(0.1, 0.5, "Größe ≥ ×")
    before = usual.get_fontfamily()
    save_figure(figure, tmp_path / "a.png", dpi=50)
    assert usual.get_fontfamily() == before
    _, *others = named.get_fontfamily()
    assert any(ord(rare) in charmap(each) for each in others)
    assert capsys.readouterr().out == ""


def test_letters_that_no_font_has_are_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    plots._fonts_for.cache_clear()
    plots._tell_boxes.cache_clear()
    figure = Figure(figsize=(4, 2))
    figure.text(0.1, 0.1, "\U000e0fff")
    figure.text(0.1, 0.5, "\U000e0ffe")
    for _ in range(2):
        save_figure(figure, tmp_path / "a.png", dpi=50)
    assert capsys.readouterr().out.count("no font of this machine has all letters") == 1
    assert not recwarn.list
