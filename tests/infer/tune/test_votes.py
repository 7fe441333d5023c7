"""What is fitted is what will be voted: on answers of several networks that never saw a photo's person."""

import numpy as np
import pytest

from faces.labels import CONTEST, TASKS
from faces.scores import macro_f1
from infer.ensemble.calibration import fit_temperature, log_loss, tempered
from infer.ensemble.tree import Leaf, Override, Vote
from infer.ensemble.vote import count_votes
from infer.predict.heads import Panels
from infer.tune.answered import Answered
from infer.tune.fit import answers_at, fit, thresholds_of

AGE = TASKS["age3"]
COUNT = 4_000


def networks(truth: np.ndarray, voters: int, seed: int) -> Panels:
    """Networks that know the same of a photo, with errors of their own: each surer than it may be."""
    rng = np.random.default_rng(seed)
    seen = 1.2 * np.eye(3)[truth] + rng.normal(0, 1, (len(truth), 3))
    made = []
    for _ in range(voters):
        logits = 3 * (seen + rng.normal(0, 1, seen.shape))
        powers = np.exp(logits - logits.max(1, keepdims=True))
        made.append({"age3": powers / powers.sum(1, keepdims=True)})
    return {"many": made}


def given_of(voters: int, seed: int) -> Answered:
    truth = np.random.default_rng(seed).integers(0, 3, COUNT)
    return Answered(
        panels=networks(truth, voters, seed + 1), truth=lambda _: truth, labels=CONTEST, space="age3"
    )


@pytest.mark.parametrize("rule", ["soft", "log"])
def test_the_temperature_of_votes_fits_votes_of_new_people_unlike_that_of_one(
    rule: str,
) -> None:
    vote = Vote(members=(Leaf("many"),), rule=rule)  # type: ignore[arg-type]
    fitted = [fit(vote, given_of(voters, 1), np.arange(COUNT), ("temperature",)) for voters in (1, 4)]
    single, nested = (node.temperature for node in fitted if isinstance(node, Vote))
    best, losses = {}, {}
    for voters in (4, 5):
        new = given_of(voters, 7)
        probabilities, truth = new.vote(vote, "age3").probabilities, new.truth("age3")
        best[voters] = fit_temperature(probabilities, truth)
        tried = (single, nested, best[voters])
        losses[voters] = [log_loss(tempered(probabilities, t), truth) for t in tried]
    assert nested == pytest.approx(best[4], rel=0.1) and single > 1.5 * best[4]
    # Of one voter more, as all folds together are, it is nearly the best, too.
    of_single, of_nested, least = losses[5]
    assert of_nested - least < 0.1 * (of_single - least) and of_single > least + 0.03


@pytest.mark.parametrize("rule", ["soft", "log"])
def test_weights_are_fitted_on_the_vote_of_each_members_networks(rule: str) -> None:
    given = given_of(4, 1)
    noise = networks(np.random.default_rng(50).integers(0, 3, COUNT), 4, 51)["many"]
    both = Answered(panels={**given.panels, "noise": noise}, truth=given.truth, labels=CONTEST, space="age3")
    vote = Vote(members=(Leaf("noise"), Leaf("many")), rule=rule)  # type: ignore[arg-type]
    found = fit(vote, both, np.arange(COUNT), ("weights",))
    assert isinstance(found, Vote) and dict(zip(found.members, found.shares, strict=True))[Leaf("many")] > 0.7
    ballot = both.ballot(Leaf("many"), "age3", vote.rule)
    whole = count_votes(Vote(members=(Leaf("many"),), rule=vote.rule), both.panels, "age3", CONTEST)
    np.testing.assert_allclose(ballot.probabilities, whole.probabilities, atol=1e-12)


def test_the_threshold_of_an_override_that_each_network_makes_is_that_of_their_vote() -> None:
    given, rows = given_of(3, 1), np.arange(COUNT)
    node = Override(base=Leaf("many"), by=Leaf("many"), task="age3", category=">=60", above=0.99)
    assert not given.is_one_voice(node.base, "age3")
    scores = thresholds_of(node, given, rows, "age3")
    for place in (3, scores.best, len(scores.above) - 4):
        said = answers_at(node, given, "age3", float(scores.above[place]))
        assert scores.macro_f1[place] == pytest.approx(macro_f1(given.truth("age3"), said, 3))
    assert scores.macro_f1[scores.best] == scores.macro_f1.max()
    found = fit(node, given, rows, ("threshold",))
    assert isinstance(found, Override) and found.above == scores.above[scores.best] < 0.99
