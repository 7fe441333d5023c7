"""Folds whose training is not at its end vote, and that is said until they are."""

import dataclasses
import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console

from faces.cache.reader import Cache
from infer.ensemble.catalogue import EnsemblesSettings, list_ensembles
from infer.export.subject import subject_of_run
from infer.predict.half_done import say_half_done
from infer.predict.out_of_fold import plan_out_of_fold
from infer.predict.runs import find_runs
from tests.helpers.runs.fold_runs import write_runs
from tests.helpers.runs.undrawn import undrawn
from tests.train.test_train import RECIPE, plan
from train.engine.card import read_card
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.ending import VALIDATION_LOSS, best_row, is_finished, kept_row
from train.recipe.recipe import BestBy
from train.results.metrics import half_done
from train.results.recipe_scores import remarks, score_recipe
from train.results.trained_folds import read_folds

pytestmark = pytest.mark.usefixtures("no_pictures")


class Killed(Watch):
    """Ends the training after its first epoch."""

    def scored(self, name: str, epochs: int, row: Mapping[str, float], best: bool) -> None:
        raise KeyboardInterrupt


@pytest.fixture(scope="module")
def killed(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of runs with fold 1 of recipe `small`, killed after one epoch of two."""
    runs = tmp_path_factory.mktemp("runs")
    recipe = dataclasses.replace(RECIPE, epochs=2)
    with undrawn(), pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, runs / "small" / "fold1", recipe), Killed())
    return runs


def said(runs: Path, cache: Cache | None = None) -> str:
    console = Console(file=io.StringIO(), width=80)
    say_half_done(find_runs(["small"], runs)["small"] * 2, console, cache)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_killed_fold_is_said_by_all_until_it_is_finished(
    coloured: Cache, killed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Path(shutil.copytree(killed, tmp_path / "runs"))
    fold = runs / "small" / "fold1"
    line = said(runs, coloured)
    assert line.count("\n") == 1 == line.count("small/fold1 (1 of 2 epochs)")
    command = f"make train FOLD=1 RECIPE=recipes/small.toml CACHE={coloured.folder} FOLDS=3 RUNS={runs}"
    assert f"`{command}`" in line
    assert subject_of_run(fold, ["original"]).runs[0].half_done == "1 of 2 epochs"
    folds = read_folds(runs / "small")
    notes = remarks(score_recipe("small", [folds]), folds[0].division)[1]
    assert "still in training: fold 1 after epoch 1 of 2" in notes
    (tmp_path / "ensembles").mkdir()
    (tmp_path / "ensembles" / "x.toml").write_text('vote = ["small"]')
    settings = EnsemblesSettings(ensembles=tmp_path / "ensembles", runs=runs)
    list_ensembles(settings)
    assert "half done: small/fold1 (1 of 2 epochs)" in capsys.readouterr().out

    train_fold(plan(coloured, fold, dataclasses.replace(RECIPE, epochs=2)), Watch())
    assert said(runs) == ""
    list_ensembles(settings)
    shown = capsys.readouterr().out
    assert "; ready" in shown and "half done" not in shown


def test_without_its_metrics_a_fold_may_be_half_done_and_weights_alone_are_taken(
    killed: Path, tmp_path: Path
) -> None:
    runs = Path(shutil.copytree(killed, tmp_path / "runs"))
    metrics = runs / "small" / "fold1" / "metrics.csv"
    whole = metrics.read_bytes()
    metrics.write_bytes(b"epoch\nx\n")
    assert f"small/fold1 (maybe: {metrics}: column 'epoch' holds other values than numbers)" in said(runs)
    metrics.unlink()
    assert f"small/fold1 (maybe: {metrics}: no such file)" in said(runs)
    (metrics.parent / "request.json").unlink()
    assert said(runs) == ""
    metrics.write_bytes(whole)
    assert "1 of 2 epochs" in said(runs)


def test_a_run_of_one_epoch_is_finished(coloured: Cache, tmp_path: Path) -> None:
    write_runs(tmp_path, coloured, "small")
    assert said(tmp_path) == ""
    for run in plan_out_of_fold(["small"], tmp_path, coloured).every_run:
        assert half_done(run.path.parent, read_card(run.path)) == ""


@pytest.mark.parametrize(
    ("scores", "best", "ends"),
    [
        # epochs = 6, stop_after = 2: ends two epochs after the best, the earliest of equals
        ([0.5], 0, False),
        ([0.5, 0.4], 0, False),
        ([0.5, 0.4, 0.3], 0, True),
        ([0.5, 0.5, 0.5], 0, True),
        ([0.1, 0.5, 0.4], 1, False),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 5, True),
    ],
)
@pytest.mark.parametrize("by", ["macro_f1", "loss"])
def test_training_ends_after_its_epochs_or_when_it_waited_long_enough(
    scores: list[float], best: int, ends: bool, by: BestBy
) -> None:
    name, sign = ("macro_f1", 1) if by == "macro_f1" else (VALIDATION_LOSS, -1)
    history = [{"epoch": float(epoch), name: sign * score} for epoch, score in enumerate(scores)]
    waiting = dataclasses.replace(RECIPE, epochs=6, stop_after=2, best_by=by)
    assert best_row(waiting, history)["epoch"] == best
    assert kept_row(waiting, history) is history[-1]
    assert kept_row(dataclasses.replace(waiting, keep="best"), history) is history[best]
    assert is_finished(waiting, history) is ends
    assert is_finished(dataclasses.replace(waiting, stop_after=0), history) is (len(scores) == 6)
    unscored = [{"epoch": row["epoch"]} for row in history]
    assert best_row(waiting, unscored)["epoch"] == len(scores) - 1
    assert not is_finished(waiting, [])
