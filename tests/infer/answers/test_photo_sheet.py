from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from faces.cache.reader import Cache
from faces.labels import CLASS_NAMES, TASKS
from infer.answers.photo_sheet import draw_photo_sheet
from infer.answers.submission import FACE


def test_the_photo_sheet_shows_the_probability_of_the_answer_not_the_largest(
    unseen: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []
    monkeypatch.setattr(Axes, "set_title", lambda _, text, **__: titles.append(text))
    photos = [f"{position}.jpg" for position in range(12)]
    probabilities = np.full((12, 18), 0.3 / 17)
    probabilities[:, 0] = 0.7
    table = pd.DataFrame(probabilities, columns=[*CLASS_NAMES]).assign(
        ImageID=photos, ans=3, answered_by=FACE, agreement=1.0
    )
    draw_photo_sheet(unseen, table, TASKS["class18"], tmp_path / "gallery.png")
    assert titles == [f"{CLASS_NAMES[3]}\nprobability 2%"] * 12
