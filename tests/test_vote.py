import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.vote import take_vote


def random_members(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(18), (count, 25))


def test_hand_computed_votes() -> None:
    members = np.array([[[0.5, 0.4, 0.1]], [[0.5, 0.4, 0.1]], [[0.0, 0.9, 0.1]]])
    soft, hard = take_vote(members, "soft"), take_vote(members, "hard")
    assert (soft.classes[0], hard.classes[0]) == (1, 0)
    np.testing.assert_allclose(soft.probabilities[0], [1 / 3, 1.7 / 3, 0.1])
    np.testing.assert_allclose([soft.agreement[0], hard.agreement[0]], [1 / 3, 2 / 3])


def test_hand_computed_tie_goes_to_the_larger_sum() -> None:
    tie = np.array([[[0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3]], [[0.2, 0.1, 0.7]]])
    assert take_vote(tie, "hard").classes[0] == 2
    # class 2 has the largest sum, but not a single vote
    voteless = np.array([[[0.51, 0.0, 0.49]], [[0.0, 0.505, 0.495]]])
    assert take_vote(voteless, "soft").classes[0] == 2
    assert take_vote(voteless, "hard").classes[0] == 0


@given(count=st.integers(1, 6), seed=st.integers(0, 100), rule=st.sampled_from(["soft", "hard"]))
def test_order_of_members_does_not_matter(count: int, seed: int, rule: str) -> None:
    members = random_members(count, seed)
    shuffled = members[np.random.default_rng(seed).permutation(count)]
    one, other = take_vote(members, rule), take_vote(shuffled, rule)  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.classes, other.classes)
    np.testing.assert_allclose(one.probabilities, other.probabilities)


@pytest.mark.parametrize("rule", ["soft", "hard"])
def test_one_member_and_equal_members_vote_themselves(rule: str) -> None:
    alone = random_members(1, 0)
    for members in (alone, np.repeat(alone, 3, 0)):
        verdict = take_vote(members, rule)  # type: ignore[arg-type]
        np.testing.assert_array_equal(verdict.classes, alone[0].argmax(1))
        np.testing.assert_allclose(verdict.probabilities, alone[0])
        assert (verdict.agreement == 1).all()
