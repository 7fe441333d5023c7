"""Shares of the classes among the training photos, of any task from what runs keep."""

import numpy as np
import pytest

from faces.labels import CONTEST
from infer.answers.prior import training_shares
from tests.helpers.own_labels import OWN

RANDOM = np.random.default_rng(0)


def test_of_the_contest_it_is_the_mean_over_runs_to_the_bit() -> None:
    priors = [tuple(row) for row in RANDOM.dirichlet(np.ones(18), 5).tolist()]
    found = training_shares([{"class18": prior} for prior in priors], "class18", CONTEST)
    assert found.tolist() == np.mean(priors, axis=0).tolist()


def test_of_some_factors_of_the_classes_kept_it_is_a_sum() -> None:
    prior = RANDOM.dirichlet(np.ones(18))
    found = training_shares([{"class18": prior.tolist()}], "gender", CONTEST)
    np.testing.assert_allclose(found, prior.reshape(3, 2, 3).sum((0, 2)))
    older = prior.reshape(3, 2, 3).sum((0, 1))[1:]
    found = training_shares([{"class18": prior.tolist()}], "senior", CONTEST)
    np.testing.assert_allclose(found, older / older.sum())


def test_factors_that_no_run_knows_together_are_taken_as_independent() -> None:
    priors = [
        {"glasses": (0.2, 0.8)},
        {"glasses": (0.4, 0.6), "years": (0.5, 0.5)},
        {"helmet": (1.0, 0.0, 0.0), "years": (0.9, 0.1)},
    ]
    found = training_shares(priors, "glasses*years", OWN)
    # The second run knows both.
    np.testing.assert_allclose(found, np.outer((0.4, 0.6), (0.5, 0.5)).ravel())
    found = training_shares([priors[0], priors[2]], "glasses*years", OWN)
    np.testing.assert_allclose(found, np.outer((0.2, 0.8), (0.9, 0.1)).ravel())


def test_a_factor_that_no_run_knows_is_named() -> None:
    with pytest.raises(ValueError, match=r"task glasses\*helmet: these runs did not keep .*leave `task` out"):
        training_shares([{"glasses": (0.5, 0.5)}], "glasses*helmet", OWN)
