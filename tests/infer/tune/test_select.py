from pathlib import Path

import numpy as np
import pytest

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from faces.scores import macro_f1
from infer.ensemble.file import read_ensemble
from infer.ensemble.tree import Leaf, Vote, recipes_of
from infer.ensemble.vote import Ballot, count_votes
from infer.tune import select
from infer.tune.greedy import weighted_vote
from infer.tune.nested import select_nested
from infer.tune.select_work import library
from tests.helpers.runs.fold_runs import change_card, guesses, out_of_fold_panels, write_runs
from train.engine.compute import PredictCompute


def ballots_of(truth: np.ndarray, skills: tuple[float, ...]) -> list[Ballot]:
    return [Ballot.of(guesses(truth, 18, skill=skill, seed=place)) for place, skill in enumerate(skills)]


def test_what_is_selected_for_a_fold_never_sees_its_labels() -> None:
    truth = np.random.default_rng(0).integers(0, 18, 300)
    fold, ballots = np.arange(300) % 3, ballots_of(truth, (1.5, 1.5, 1.0, 0.5))
    clean = select_nested(ballots, truth, fold, by="macro_f1", size=6)
    for number in range(3):
        poisoned = np.where(fold == number, (truth + 5) % 18, truth)
        again = select_nested(ballots, poisoned, fold, by="macro_f1", size=6)
        np.testing.assert_array_equal(again.folds[number].counts, clean.folds[number].counts)
        mine = fold == number
        np.testing.assert_array_equal(again.nested[:, mine], clean.nested[:, mine])
        np.testing.assert_array_equal(again.chosen[mine], clean.chosen[mine])
        assert (again.whole.macro_f1 != clean.whole.macro_f1).any()


def test_nested_answers_of_every_size_come_from_the_selection_without_the_fold() -> None:
    truth = np.random.default_rng(1).integers(0, 18, 120)
    fold, ballots = np.arange(120) % 2, ballots_of(truth, (2.0, 1.0, 1.0))
    found = select_nested(ballots, truth, fold, by="log_loss", size=4)
    for number, selection in found.folds.items():
        mine = fold == number
        for size in range(4):
            own = weighted_vote(ballots, selection.counts[size], "soft").choices[mine]
            assert found.nested[size, mine].tolist() == own.tolist()
        assert found.chosen[mine].tolist() == found.nested[selection.best, mine].tolist()
    with pytest.raises(ValueError, match="only fold 0 validates"):
        select_nested(ballots, truth, np.zeros_like(fold), by="log_loss", size=4)


def test_members_that_complement_each_other_are_selected_and_noise_is_not() -> None:
    truth = np.random.default_rng(2).integers(0, 18, 2_000)
    half = truth < 9
    knows = [guesses(np.where(mine, truth, -1), 18, skill=4, seed=s) for s, mine in enumerate((half, ~half))]
    ballots = [*map(Ballot.of, knows), *ballots_of(truth, (0.0,))]
    chosen = select_nested(ballots, truth, np.arange(2_000) % 2, by="macro_f1", size=10).whole.chosen
    assert chosen[0] > 0 and chosen[1] > 0 and chosen[2] <= 0.2 * chosen.sum()


def test_the_library_leaves_out_what_cannot_be_scored_together(coloured: Cache, tmp_path: Path) -> None:
    for name in ("one", "two", "everybody", "part"):
        write_runs(tmp_path, coloured, name, seed=len(name), folds=(0, 1) if name == "part" else (0, 1, 2))
    write_runs(tmp_path, coloured, "only_mask", tasks=("mask",))
    for fold in range(3):
        change_card(tmp_path / "everybody" / f"fold{fold}", scheme="everything")
    space, names, notes = library(tmp_path, coloured)
    assert (space, names) == ("class18", ["one", "two"])
    lines = "\n".join(notes)
    assert "everybody: left out: run everybody/fold0: fold scheme everything" in lines
    assert "fold 2 of 3 is not trained" in lines and "only_mask: left out: mask do not tell class18" in lines
    with pytest.raises(ValueError, match="no recipe to select from: no trained fold there"):
        library(tmp_path / "one", coloured)


@pytest.mark.parametrize("by", ["macro_f1", pytest.param("log_loss", marks=pytest.mark.slow)])
def test_the_command_writes_counts_as_weights(
    coloured: Cache, tmp_path: Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, name in enumerate(("one", "two", "three")):
        write_runs(tmp_path / "runs", coloured, name, skill=2, seed=seed)
    out = tmp_path / "made" / "chosen.toml"
    select.run(
        select.SelectSettings(
            cache=coloured.folder,
            runs=tmp_path / "runs",
            by=by,  # type: ignore[arg-type]
            size=6,
            out=out,
            compute=PredictCompute(device="cpu"),
        )
    )
    assert out.with_suffix(".png").is_file()
    written = read_ensemble(out)
    assert isinstance(written.root, Vote) and written.views == ("original",) and written.task == ""
    panels, photos = out_of_fold_panels(["one", "three", "two"], tmp_path / "runs", coloured, ("original",))
    truth = TASKS["class18"].encode(photos)
    votes = [Vote(members=(Leaf(name),)) for name in panels]
    ballots = [Ballot.of(count_votes(vote, panels, "class18", CONTEST).probabilities) for vote in votes]
    found = select_nested(ballots, truth, photos["fold"].to_numpy(), by=by, size=6)  # type: ignore[arg-type]
    chosen = dict(zip(panels, found.whole.chosen, strict=True))
    assert recipes_of(written.root) == tuple(name for name, count in chosen.items() if count)
    assert written.root.weights == tuple(float(count) for count in chosen.values() if count)
    voted = count_votes(written.root, panels, "class18", CONTEST).classes
    assert macro_f1(truth, voted, 18) == pytest.approx(found.whole.macro_f1[found.whole.best])
    assert f"macro F1 {macro_f1(truth, found.chosen, 18):.3f}" in written.about
    assert "selected, nested folds" in capsys.readouterr().out
