"""One photo on the command line: which model answers, what is said and drawn, and where it looked."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces.sample.note import drawn_note
from infer.explain.network import load_trained
from infer.export.program.predictor import Told
from serve.one.answer import Answered, answer, in_words, said
from serve.one.chosen import choose, newest_model
from serve.one.command import TrySettings, run
from serve.one.explained import explain_photo, factor_maps
from serve.one.picture import draw_explained
from serve.photo.model import Cut, PhotoModel
from tests.helpers.pictures import picture, save
from tests.helpers.runs.untrained_runs import write_run
from tests.infer.export.test_predictor_damage import DESCRIPTION
from tests.serve.conftest import PAIR, PORTRAIT, written
from train.recipe.recipe import Recipe

SHARES = np.array([0.5, 0.3, 0.2], np.float32)


def test_without_a_model_it_is_said_how_to_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        run(TrySettings(photo=Path("my photo.jpg")))
    assert ended.value.code == 2
    told = capsys.readouterr().err
    for step in ("make demo", "make preprocess", "make train-all", "make try PHOTO='my photo.jpg'"):
        assert step in told
    assert not Path("answer.png").exists()


def test_the_newest_model_answers_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose(None, None, Path("runs")) is None
    export, trained = Path("exports/a/model.onnx"), Path("demo/runs/small/fold1/best.safetensors")
    for seconds, path in enumerate((export, trained)):
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (seconds, seconds))
    places = (Path("exports"),), (Path("runs"), Path("demo/runs"))
    assert newest_model(*places) == trained
    os.utime(export, (9, 9))
    assert newest_model(*places) == export
    chosen = choose(None, None, Path("runs"))
    assert chosen is not None
    assert (chosen.model, "exports/a" in chosen.words, "newest" in chosen.words) == (export, True, True)
    with pytest.raises(ValueError, match="either"):
        choose(export, Path("ensembles/x.toml"), Path("runs"))


@pytest.mark.parametrize("drawn", [True, False])
def test_a_photo_is_answered_in_words_and_as_a_picture(
    drawn: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = written(tmp_path / "hats", {**DESCRIPTION, **({"drawn": True} if drawn else {})})
    photo, out = save(tmp_path / "grey.png", np.full((20, 20, 3), 204, np.uint8)), tmp_path / "out.png"
    run(TrySettings(photo=photo, model=model, out=out))
    told = capsys.readouterr().out
    assert "hat  yes, 80% sure" in told
    assert f"answered by {model}" in told
    assert (drawn_note(True) in told) is drawn
    assert Image.open(out).size[0] > 500


def test_faces_are_counted_and_the_one_the_photo_is_about_is_answered(
    searching: Path, tmp_path: Path
) -> None:
    model = PhotoModel(searching)
    photo = save(tmp_path / "pair.png", PAIR)
    one = answer(model, photo, every=False)
    assert (one.faces, len(one.cuts), len(one.told)) == (2, 1, 1)
    assert "--every" in in_words(one, photo)[0]
    both = answer(model, photo, every=True)
    assert len(both.told) == 2
    assert [line.startswith("face 2") for line in in_words(both, photo)].count(True) == 1
    nobody = answer(model, save(tmp_path / "nobody.png", picture(90, 70)), every=True)
    assert "no face was found" in in_words(nobody, photo)[0]


def test_what_is_no_photo_is_refused_by_name(searching: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    for path in (text, tmp_path / "missing.jpg", tmp_path):
        with pytest.raises(ValueError, match=str(path)):
            answer(PhotoModel(searching), path, every=False)


def test_an_unsure_answer_names_the_next_likely_value() -> None:
    values = ["<30", "30-59", ">=60"]
    assert said(Told(values, 0, SHARES)) == "<30, 50% sure (else 30-59, 30%)"
    assert said(Told(values, 1, SHARES)) == "30-59, 30% sure (else <30, 50%)"  # as votes may choose
    assert said(Told(values, 0, np.array([0.9, 0.1, 0], np.float32))) == "<30, 90% sure"
    assert said(Told(values, 0, np.array([0.9999, 0.0001, 0], np.float32))) == "<30, over 99% sure"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = Recipe(tasks=("mask", "age3"), backbone="test_resnet", image_size=32, precision="fp32")
    crop = {"faces": "as_is", "size": 48, "rules": 2}
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", recipe, crop=crop).parent


def test_every_factor_that_is_told_has_a_map(trained: Path, tmp_path: Path) -> None:
    network = load_trained(trained / "best.safetensors")
    crop = picture(48, 48)
    told = {name: Told(["a", "b", "c"], 1, SHARES) for name in ("mask", "age")}
    maps = factor_maps([network, network], crop, told)
    assert [*maps] == ["mask", "age"]
    assert all(each.shape == (48, 48) for each in maps.values())
    answered = Answered(photo=crop, cuts=(Cut(crop, None),), faces=0, told=[told])
    draw_explained(answered, maps, tmp_path / "maps.png", drawn_note(True), 0.8)
    assert Image.open(tmp_path / "maps.png").size[0] > 500


@pytest.mark.slow
def test_a_photo_is_explained_by_a_run(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photo = save(tmp_path / "portrait.png", PORTRAIT)
    lines = explain_photo(photo, None, trained, Path("runs"), tmp_path / "explain.png")
    assert any("mask" in line and "sure" in line for line in lines)
    assert lines[-2].startswith("looked at by 1 network")
    before = [path.stat().st_mtime_ns for path in Path("exports").rglob("model.onnx")]
    assert explain_photo(photo, None, trained, Path("runs"), tmp_path / "again.png")[:-1] == lines[:-1]
    assert [path.stat().st_mtime_ns for path in Path("exports").rglob("model.onnx")] == before
