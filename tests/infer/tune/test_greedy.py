import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.scores import macro_f1
from infer.ensemble.calibration import log_loss
from infer.ensemble.vote import Ballot
from infer.tune.greedy import select_members
from tests.helpers.runs.fold_runs import guesses


def classes(count: int, seed: int) -> np.ndarray:
    """True 18-class codes of some photos."""
    return np.random.default_rng(seed).integers(0, 18, count)


@settings(max_examples=25, deadline=None)
@given(members=st.integers(1, 5), by=st.sampled_from(["macro_f1", "log_loss"]), seed=st.integers(0, 99))
def test_greedy_is_never_worse_than_the_best_single_one_where_it_was_fitted(
    members: int, by: str, seed: int
) -> None:
    truth = classes(60, seed)
    rows = np.arange(0, 60, 2)
    ballots = [Ballot.of(guesses(truth, 18, skill=1, seed=seed + m).astype(float)) for m in range(members)]
    found = select_members(ballots, truth, rows, by=by, size=8)  # type: ignore[arg-type]
    single = [
        (macro_f1(truth[rows], b.choices[rows], 18), log_loss(b.probabilities[rows], truth[rows]))
        for b in ballots
    ]
    if by == "macro_f1":
        assert found.macro_f1[found.best] >= max(f1 for f1, _ in single) - 1e-9
    else:
        assert found.log_loss[found.best] <= min(loss for _, loss in single) + 1e-9
    assert found.counts.sum(1).tolist() == [*range(1, 9)] and (np.diff(found.counts, axis=0) >= 0).all()


def test_the_start_holds_only_those_that_help_each_other() -> None:
    truth = classes(400, 8)
    twins = [Ballot.of(guesses(truth, 18, skill=2, seed=seed)) for seed in (0, 1)]
    noise = [Ballot.of(guesses(truth, 18, skill=0, seed=seed)) for seed in (2, 3, 4)]
    found = select_members([*noise, *twins], truth, np.arange(400), by="log_loss", size=6)
    assert found.started == 2
    assert found.counts[1].tolist() == [0, 0, 0, 1, 1]


def test_equal_macro_f1_is_decided_by_log_loss() -> None:
    truth = np.array([0, 1, 2])
    sure, unsure = np.eye(3) * 0.8 + 0.2 / 3, np.eye(3) * 0.1 + 0.3
    found = select_members([Ballot.of(unsure), Ballot.of(sure)], truth, np.arange(3), by="macro_f1", size=4)
    assert found.chosen.tolist() == [0, 1] and found.best == 0
