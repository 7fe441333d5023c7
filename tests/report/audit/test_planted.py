"""Errors are planted as asked, and counted as they are found."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.labels import CONTEST
from report.audit.planted import command
from report.audit.planted.plant import plant, write_planted
from report.audit.planted.work import hits_of


def test_a_share_of_each_factors_labels_is_wrong_and_all_else_as_it_was(
    coloured: Cache, tmp_path: Path
) -> None:
    index = coloured.index
    planted = plant(index, CONTEST, 0.1, seed=3)
    assert planted.counts == {"mask": 7, "gender": 2, "age": 2}  # of 72 photos, 24 people
    for factor in CONTEST.factors:
        before, now = factor.codes(index[factor.name]), factor.codes(planted.table[factor.name])
        assert np.flatnonzero(before != now).tolist() == sorted(planted.rows[factor.name])
        assert ((now >= 0) & (now < len(factor.classes))).all()
    wrong = planted.table.loc[planted.rows["gender"], "person"]
    assert wrong.nunique() == 2 and len(wrong) == 6  # whole people
    same = [name for name in index.columns if name not in CONTEST.names]
    pd.testing.assert_frame_equal(planted.table[same], index[same])
    assert plant(index, CONTEST, 0.1, seed=3).table.equals(planted.table)
    assert not plant(index, CONTEST, 0.1, seed=4).table.equals(planted.table)
    copied = write_planted(coloured, planted, tmp_path / "copy")
    assert copied.identity == coloured.identity
    assert copied.labels("mask").tolist() == planted.table["mask"].tolist()
    np.testing.assert_array_equal(copied.image(5), coloured.image(5))


def test_hits_are_the_wrong_ones_among_as_many_of_the_lowest_quality() -> None:
    wrong = np.array([0, 1, 0, 1, 1, 0], bool)
    assert hits_of(np.array([0.9, 0.1, 0.2, 0.3, 0.8, 0.7]), wrong) == 2
    assert hits_of(1.0 - wrong, wrong) == 3
    assert hits_of(np.zeros(6), wrong) == 1  # of equal ones the first three


@pytest.mark.slow
def test_planted_errors_are_trained_on_audited_and_counted(
    coloured: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'tasks = ["*"]\nbackbone = "test_resnet"\nimage_size = 32\nepochs = 2\nbatch_size = 8\n'
        'precision = "fp32"\n'
    )
    command.run(
        command.PlantedSettings(
            cache=coloured.folder, recipe=recipe, share=0.05, folds=3, out=tmp_path / "out"
        )
    )
    told = capsys.readouterr().out
    assert "mask: precision at the number planted" in told
    table = pd.read_csv(tmp_path / "out" / "planted.csv").set_index("factor")
    assert table["planted"].to_dict() == {"mask": 4, "gender": 1, "age": 1}
    assert (table["hits"] <= table["planted"]).all()
