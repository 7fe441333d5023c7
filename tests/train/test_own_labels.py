"""Training on labels of somebody's own, not all of them known: from the command to the files of a run."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from tests.helpers.own_labels import OWN, write_own
from train.command import TrainSettings, run
from train.engine.card import read_card
from train.engine.checkpoint import load_best
from train.engine.compute import Compute
from train.fold import spread
from train.results.oof import heads_of, read_oof

TINY = """
tasks = ["*"]
backbone = "test_resnet"
image_size = 32
augment = "none"
epochs = 2
batch_size = 16
precision = "fp32"
"""


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_own(tmp_path_factory.mktemp("own") / "own")


def settings(own: Cache, folder: Path, text: str = TINY, **fields: object) -> TrainSettings:
    """A command on a recipe of this text."""
    (folder / "mine.toml").write_text(text)
    given = {"recipe": folder / "mine.toml", "cache": own.folder, "runs": folder / "runs", "folds": 3}
    return TrainSettings(**{**given, **fields}, compute=Compute(device="cpu"))  # type: ignore[arg-type]


@pytest.mark.usefixtures("no_pictures")
def test_every_factor_gets_a_head_of_its_own_and_every_label_is_used(
    own: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings(own, tmp_path, fold=(1,)))
    folder = tmp_path / "runs" / "mine" / "fold1"
    network, card = load_best(folder / "best.safetensors")
    assert card.recipe.tasks == OWN.names == tuple(network.heads.keys)
    assert card.labels == OWN
    assert card.classes == {task: OWN.task(task).classes for task in OWN.names}
    assert {*card.prior} == {*OWN.names} and sum(card.prior["helmet"]) == pytest.approx(1)
    table = read_oof(folder)
    assert len(table) == 24  # years are known of every photo, so each of the fold's people's validates
    heads = heads_of(table, OWN)
    assert {task: values.shape for task, values in heads.items()} == {
        "glasses": (24, 2),
        "helmet": (24, 3),
        "years": (24, 2),
    }
    for values in heads.values():
        np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)
    assert np.isfinite(pd.read_csv(folder / "metrics.csv")["macro_f1"]).all()
    said = " ".join(capsys.readouterr().out.split())
    assert "spread evenly over" in said and "not over glasses: it differs among the photos of" in said
    assert (
        "photos of each head, training / validation: glasses 32 / 16, helmet 36 / 18, years 48 / 24" in said
    )
    assert "next:" not in said


def test_of_many_factors_five_are_told_why_people_are_not_spread_over_them() -> None:
    reasons = {f"a{number}": "it differs" for number in range(40)}
    said = spread(["age"], reasons)
    assert said.startswith("spread evenly over age; not over a0: it differs; ")
    assert said.endswith("a4: it differs; and 35 more") and said.count("differs") == 5
    assert spread((), {"a": "why"}) == "spread at random; not over a: why"
    assert spread(("a", "b"), {}) == "spread evenly over a, b"


@pytest.mark.usefixtures("no_pictures")
def test_photos_without_a_label_for_any_head_are_counted(
    own: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings(own, tmp_path, TINY.replace("*", "glasses"), fold=(0,)))
    said = " ".join(capsys.readouterr().out.split())
    assert "validation: glasses 32 / 16; 24 of 72 photos have a label for none" in said
    assert len(read_oof(tmp_path / "runs" / "mine" / "fold0")) == 16


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    "coding",
    [
        pytest.param('"ordinal"', marks=pytest.mark.slow),
        pytest.param('"years"\nsigma = 3.0', marks=pytest.mark.slow),
        '"regression"\nregression = 0.1\nuncertain = [25]',
    ],
)
def test_a_number_of_any_name_is_trained_in_every_coding(own: Cache, tmp_path: Path, coding: str) -> None:
    tasks = '"helmet*glasses", "years[30, 50]", "years>=30[60]"'
    text = (
        TINY.replace('"*"', tasks).replace("epochs = 2", "epochs = 1")
        + f"[age]\ncoding = {coding}\n[averaging]\nname = 'ema'\n"
    )
    run(settings(own, tmp_path, text, fold=(0,)))
    network, card = load_best(tmp_path / "runs" / "mine" / "fold0" / "best.safetensors")
    assert card.recipe.tasks == ("helmet*glasses", "years[30, 50]", "years>=30[60]")
    table = read_oof(tmp_path / "runs" / "mine" / "fold0")
    for values in heads_of(table, OWN).values():
        np.testing.assert_allclose(values.sum(1), 1, atol=1e-5)
    if coding.startswith('"regression"'):
        state = network.state_dict()
        # Half of the people are 25, which count half, and the others 65.
        assert float(state["heads.layers.years[30, 50].mean"]) == pytest.approx(155 / 3)
        assert float(state["heads.layers.years[30, 50].std"]) == pytest.approx(40 * 2**0.5 / 3)
        assert float(state["heads.layers.years>=30[60].mean"]) == pytest.approx(65)
        assert state["heads.layers.age.weight"].shape[0] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_the_number_itself_is_learned_from_pixels(own: Cache, tmp_path: Path) -> None:
    text = TINY.replace('"*"', '"years"').replace("epochs = 2", "epochs = 12")
    run(settings(own, tmp_path, f'{text}[age]\ncoding = "regression"\n[optimiser]\nlr = 4e-3\n', fold=(0,)))
    card = read_card(tmp_path / "runs" / "mine" / "fold0" / "best.safetensors")
    assert card.score >= 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('tasks = ["glases"]', r"mine.toml: tasks: 'glases' is no task .* did you mean 'glasses'\?"),
        ('tasks = ["years"]\nage.coding = "years"', "mine.toml: age.sigma=0.0"),
        ('tasks = ["years"]\nage.coding = "year"', "mine.toml: age.coding='year' is unknown"),
        ('tasks = ["glasses"]\nage.coding = "ordinal"', "mine.toml: .* tells years alone; use years"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_with_its_file(
    own: Cache, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run(settings(own, tmp_path, text))
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_after_all_folds_the_ensemble_of_the_recipes_name_is_next(
    own: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = settings(own, tmp_path, TINY.replace("epochs = 2", "epochs = 1"), folds=2)
    run(asked)
    assert "next:" not in capsys.readouterr().out
    (tmp_path / "ensembles").mkdir()
    (tmp_path / "ensembles" / "mine.toml").write_text('vote = ["mine"]\n')
    run(asked)
    ending = capsys.readouterr().out.splitlines()[-1]
    assert (
        ending == f"next: make infer ENSEMBLE=ensembles/mine.toml CACHE=caches/name RUNS={tmp_path / 'runs'}"
    )
    run(dataclasses.replace(asked, fold=(0,)))
    assert "next:" not in capsys.readouterr().out
