"""Tuning and selecting ensembles of any factors, whatever of the photos is labelled."""

from pathlib import Path

import numpy as np
import pytest

from faces.cache.reader import Cache
from faces.labels import UNKNOWN
from faces.scores import macro_f1
from infer.ensemble.calibration import log_loss
from infer.ensemble.file import read_ensemble
from infer.ensemble.space import space_of
from infer.ensemble.tree import Compose, Leaf, Override, Vote, recipes_of
from infer.tune import command as tune_command
from infer.tune import select
from infer.tune.answered import Answered
from infer.tune.choices import FITTED
from infer.tune.fit import fit, flips_of
from infer.tune.nested import tune
from infer.tune.select_work import library
from infer.tune.table import values_of
from tests.helpers.own_labels import OWN, write_own
from tests.helpers.runs.fold_runs import guesses, write_runs
from train.engine.compute import PredictCompute

CPU = PredictCompute(device="cpu")
GOOD, NOISE = Leaf("good"), Leaf("noise")


def made(count: int, space: str, seed: int = 0) -> Answered:
    """Photos of which a third has no label of glasses and another third none of helmets, and two recipes."""
    rng = np.random.default_rng(seed)
    photos = {
        "glasses": np.where(np.arange(count) % 3 == 0, UNKNOWN, rng.integers(0, 2, count)),
        "helmet": np.where(np.arange(count) % 3 == 1, UNKNOWN, rng.integers(0, 3, count)),
        "years": rng.choice([25.0, 65.0], count),
    }
    panels = {
        name: [
            {
                task: guesses(OWN.task(task).encode(photos), size, skill=skill, seed=first + seed + size)
                for task, size in {"glasses": 2, "helmet": 3, "years": 2}.items()
            }
        ]
        for name, skill, first in (("good", 2.5, 0), ("noise", 0.0, 50))
    }
    return Answered(panels=panels, truth=lambda task: OWN.task(task).encode(photos), labels=OWN, space=space)


@pytest.mark.parametrize("space", ["glasses", "helmet", "glasses*helmet", "years"])
def test_weights_and_temperature_are_fitted_in_the_task_voted_on(space: str) -> None:
    given, rows = made(900, space), np.arange(900)
    before = Vote(members=(NOISE, GOOD))
    found = fit(before, given, rows, ("weights", "temperature"))
    assert isinstance(found, Vote)
    assert dict(zip(found.members, found.shares, strict=True))[GOOD] > 0.85
    truth = given.truth(space)
    known = truth != UNKNOWN
    losses = [
        log_loss(given.vote(node, space).probabilities[known], truth[known]) for node in (before, found)
    ]
    assert losses[1] < losses[0]


def test_photos_without_a_label_move_nothing() -> None:
    given, rows = made(300, "glasses"), np.arange(300)
    known = np.flatnonzero(given.truth("glasses") != UNKNOWN)
    vote = Vote(members=(NOISE, GOOD))
    assert fit(vote, given, rows, ("weights", "temperature")) == fit(
        vote, given, known, ("weights", "temperature")
    )
    nothing = np.flatnonzero(given.truth("glasses") == UNKNOWN)
    assert fit(vote, given, nothing, ("weights", "temperature")) == vote


def test_parts_of_a_composition_learn_from_all_that_is_labelled_for_them() -> None:
    given = made(300, "glasses*helmet")
    root = Compose(parts=tuple((task, Vote(members=(NOISE, GOOD))) for task in ("glasses", "helmet")))
    tuned = tune(root, given, np.arange(300) % 4)
    values = values_of(tuned.whole, given)
    assert {"glasses: weight good", "helmet: weight good", "helmet: temperature"} <= {*values}
    alone = fit(Vote(members=(NOISE, GOOD)), made(300, "helmet"), np.arange(300), FITTED)
    assert isinstance(tuned.whole, Compose) and dict(tuned.whole.parts)["helmet"] == alone


def test_a_threshold_of_any_factor_is_fitted() -> None:
    given = made(600, "glasses*helmet*years")
    node = Override(base=Vote(members=(NOISE,)), by=GOOD, task="helmet", category="unsure", above=0.99)
    rows = np.arange(600)
    found = fit(node, given, rows, ("threshold",))
    assert isinstance(found, Override) and found.above < 0.9
    truth = given.truth(given.space)
    known = truth != UNKNOWN
    scores = [
        macro_f1(truth[known], given.vote(one, given.space).classes[known], 12) for one in (node, found)
    ]
    assert scores[1] > scores[0]
    flips = flips_of(node, given, given.space)
    changed = flips.before != flips.after
    assert changed.any() and (flips.after[changed] // 2 % 3 == 2).all()
    assert values_of(node, given)["unsure above"] == 0.99


def test_folds_must_have_photos_that_are_labelled() -> None:
    given = made(90, "glasses")
    fold = np.where(given.truth("glasses") == UNKNOWN, 1, 0)
    with pytest.raises(ValueError, match="only fold 0 validates") as caught:
        tune(Vote(members=(NOISE, GOOD)), given, fold)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_own(tmp_path_factory.mktemp("own") / "cache")


@pytest.fixture(scope="module")
def runs(own: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own_runs")
    write_runs(folder, own, "both", tasks=("glasses", "helmet"), skill=2, seed=1)
    write_runs(folder, own, "both_too", tasks=("glasses*helmet",), skill=1, seed=2)
    write_runs(folder, own, "specs", tasks=("glasses",), skill=2, seed=3)
    write_runs(folder, own, "decades", tasks=("years[30, 50]",), skill=2, seed=4)
    return folder


def test_the_library_is_of_what_tells_most_factors(own: Cache, runs: Path) -> None:
    space, names, notes = library(runs, own)
    assert (space, names) == ("glasses*helmet", ["both", "both_too"])
    assert notes == [
        "decades: left out: years[30, 50] do not tell glasses*helmet",
        "specs: left out: glasses do not tell glasses*helmet",
    ]
    assert library(runs, own, "glasses")[1] == ["both", "both_too", "specs"]
    with pytest.raises(ValueError, match="no recipe to select from: both: left out: glasses, helmet do not"):
        library(runs, own, "years")
    with pytest.raises(ValueError, match="'beard' is no task of these labels"):
        library(runs, own, "beard")


def test_runs_of_other_labels_are_left_out(own: Cache, coloured: Cache, tmp_path: Path) -> None:
    write_runs(tmp_path, own, "specs", tasks=("glasses",))
    write_runs(tmp_path, coloured, "contest")
    space, names, notes = library(tmp_path, own)
    assert (space, names) == ("glasses", ["specs"])
    assert len(notes) == 1 and notes[0].startswith("contest: left out: ") and "\n" not in notes[0]


@pytest.mark.parametrize("task", [pytest.param("", marks=pytest.mark.slow), "glasses"])
def test_what_is_selected_is_written_with_its_task_where_it_must(
    own: Cache, runs: Path, tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "chosen.toml"
    select.run(select.SelectSettings(cache=own.folder, runs=runs, task=task, size=4, out=out, compute=CPU))
    written = read_ensemble(out)
    heads = {"both": ("glasses", "helmet"), "both_too": ("glasses*helmet",), "specs": ("glasses",)}
    assert space_of(written, heads, OWN) == (task or "glasses*helmet")
    # Named where it does not follow from the heads alone.
    assert written.task == ("" if {*recipes_of(written.root)} <= {"specs"} or not task else task)
    assert f"macro F1 of {task or 'glasses*helmet'}" in written.about
    assert "decades: left out" in capsys.readouterr().out and out.with_suffix(".png").is_file()


def test_what_is_tuned_is_written_with_its_task(
    own: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "mine.toml", tmp_path / "tuned.toml"
    path.write_text('views = ["original"]\ntask = "glasses"\nvote = ["specs", "both"]\n')
    tune_command.run(
        tune_command.TuneSettings(ensemble=path, cache=own.folder, runs=runs, out=out, compute=CPU)
    )
    written = read_ensemble(out)
    assert written.task == "glasses" and "macro F1 of glasses" in written.about
    assert out.with_suffix(".png").is_file()
    printed = capsys.readouterr().out
    assert "recall" not in printed and "tuned, nested folds" in printed
