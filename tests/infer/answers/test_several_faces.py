"""Answers to every face of a photo: a row each, under one path."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from faces.cache.reader import Cache
from infer import command as infer
from infer.answers import diff, score
from infer.answers.show import ShowSettings, faces_of, show
from preprocess.run import preprocess
from tests.helpers.pictures import group, picture, save
from tests.helpers.runs.undrawn import undrawn
from tests.helpers.runs.untrained_runs import write_run
from tests.helpers.stage1 import small
from train.engine.compute import PredictCompute
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=32, precision="fp32")
EDGES = ["left", "top", "right", "bottom"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of three people, of one who lies on a side, of nobody, and one that is none; answered."""
    folder = tmp_path_factory.mktemp("answered")
    save(folder / "data" / "b.png", group())
    save(folder / "data" / "a.png", np.rot90(group()[:, 90:330]))
    save(folder / "data" / "c.png", picture(90, 120))
    (folder / "data" / "d.png").write_bytes(b"")
    search = {"steps": ("mtcnn", "turned"), "min_face": 30, "codec": "raw", "faces": "all"}
    cache = preprocess(small(folder / "data", folder / "cache", **search))
    write_run(folder / "runs" / "some", RECIPE, crop=cache.description["settings"])
    (folder / "vote.toml").write_text('vote = ["some"]\n')
    with undrawn():
        infer.run(
            infer.InferSettings(
                ensemble=folder / "vote.toml",
                cache=cache.folder,
                runs=folder / "runs",
                predictions=folder,
                compute=PredictCompute(device="cpu", threads=1, batch_size=4),
            )
        )
    return folder


def test_every_face_has_its_row_under_the_path_of_its_photo(folder: Path) -> None:
    answers = pd.read_csv(folder / "vote" / "answers.csv")
    assert answers.path.tolist() == ["a.png", "b.png", "b.png", "b.png", "c.png", "d.png"]
    assert answers.status.tolist() == ["detected"] * 4 + ["fallback", "rejected"]
    assert answers[EDGES][4:].isna().all(axis=None)
    centres = (answers[["left", "top"]].to_numpy() + answers[["right", "bottom"]].to_numpy()) / 2
    # Turned by a quarter against the clock, what was at (123, 138) of 240 x 300 lies at (138, 240 - 123).
    expected = [(138, 117), (213.5, 138), (430.4, 102.5), (-5.3, 91)]
    np.testing.assert_allclose(centres[:4], expected, atol=4)
    assert Cache.open(folder / "cache").index.set_index("image_id").turned["a.png"] == 270
    names = ["a.png", "b.png#1", "b.png#2", "b.png#3", "c.png"]
    for file, more in (("probabilities.parquet", ["d.png"]), ("networks.parquet", [])):
        assert sorted(pd.read_parquet(folder / "vote" / file).ImageID) == [*names, *more]
    assert pd.read_csv(folder / "vote" / "submission.csv").ImageID.tolist() == [*names, "d.png"]


def test_the_answers_are_scored_and_compared_face_by_face(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = pd.read_csv(folder / "vote" / "submission.csv")
    answered.to_csv(tmp_path / "true.csv", index=False)
    settings = {"predictions": folder / "vote", "cache": folder / "cache"}
    score.run(score.ScoreSettings(answers=tmp_path / "true.csv", **settings))
    assert "the vote" in capsys.readouterr().out
    diff.run(diff.DiffSettings(first=folder / "vote", second=folder / "vote", cache=folder / "cache"))
    assert "6 photos" in " ".join(capsys.readouterr().out.split())  # a title is broken where it is long
    answered.assign(ImageID=["a.png", "b.png", *"efgd"]).to_csv(tmp_path / "true.csv", index=False)
    with pytest.raises(ValueError, match=r"4 of the 6 photos have no .* faces of b.png are b.png#1, b.png#2"):
        score.run(score.ScoreSettings(answers=tmp_path / "true.csv", **settings))


def test_a_name_stands_for_all_faces_of_its_photo(folder: Path) -> None:
    answered = pd.read_parquet(folder / "vote" / "probabilities.parquet").ImageID.tolist()
    assert faces_of("b.png", answered) == ["b.png#1", "b.png#2", "b.png#3"]
    assert faces_of("b.png#2", answered) == ["b.png#2"]
    assert faces_of("a.png", answered) == ["a.png"]
    assert faces_of("b", answered) == []


def test_all_faces_of_a_photo_are_shown(folder: Path, tmp_path: Path) -> None:
    heights = {}
    for name in ("b.png", "b.png#2"):
        out = tmp_path / f"{name}.png"
        places = {"predictions": folder / "vote", "cache": folder / "cache", "data": folder / "data"}
        show(ShowSettings(photos=(name,), out=out, **places))
        heights[name] = Image.open(out).height
    assert heights["b.png"] == pytest.approx(3 * heights["b.png#2"], abs=3)
