from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.labels import CONTEST, TASKS
from faces.projection import project
from infer.ensemble import vote
from infer.ensemble.rules import take_vote
from infer.ensemble.tree import Compose, Leaf, Node, Rule, Vote
from infer.ensemble.vote import Ballot, Verdict
from infer.predict.heads import Panels
from tests.helpers.own_labels import OWN

RULES: list[Rule] = ["soft", "log", "hard", "rank"]


def count_votes(tree: Node, panels: Panels, space: str = "class18") -> Verdict:
    return vote.count_votes(tree, panels, space, CONTEST)


def composed(heads: dict[str, np.ndarray]) -> np.ndarray:
    return project(heads, "class18", CONTEST)


def random_members(count: int, seed: int, classes: int = 18) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), (count, 25))


def vote_of(members: np.ndarray | list, rule: Rule = "soft", weights: Sequence[float] = ()) -> Verdict:
    """Each member a recipe with a single fold, who vote on masks."""
    names = [f"m{number}" for number in range(len(members))]
    tree = Vote(members=tuple(map(Leaf, names)), rule=rule, weights=tuple(weights))
    task = "mask" if np.shape(members)[-1] == 3 else "class18"
    panels = {name: [{task: np.asarray(member)}] for name, member in zip(names, members, strict=True)}
    return count_votes(tree, panels, task)


def one_hot(task: str, codes: Sequence[int]) -> np.ndarray:
    return np.eye(len(TASKS[task].classes))[list(codes)]


def test_hand_computed_votes() -> None:
    members = [[[0.5, 0.4, 0.1]], [[0.5, 0.4, 0.1]], [[0.0, 0.9, 0.1]]]
    soft, hard = vote_of(members), vote_of(members, "hard")
    assert (soft.classes[0], hard.classes[0]) == (1, 0)
    np.testing.assert_allclose(soft.probabilities[0], [1 / 3, 1.7 / 3, 0.1])
    np.testing.assert_allclose([soft.agreement[0], hard.agreement[0]], [1 / 3, 2 / 3])


def test_hand_computed_tie_goes_to_the_larger_sum_then_to_the_lower_class() -> None:
    tie = [[[0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3]], [[0.2, 0.1, 0.7]]]
    assert vote_of(tie, "hard").classes[0] == 2
    # class 2 has the largest sum, but not a single vote
    voteless = [[[0.51, 0.0, 0.49]], [[0.0, 0.505, 0.495]]]
    assert vote_of(voteless).classes[0] == 2
    assert vote_of(voteless, "hard").classes[0] == 0
    assert vote_of([[[0.0, 0.75, 0.25]], [[0.0, 0.25, 0.75]]], "hard").classes[0] == 1


def test_hand_computed_weights_logarithms_and_ranks() -> None:
    two = [[[0.6, 0.4, 0.0]], [[0.1, 0.9, 0.0]]]
    np.testing.assert_allclose(vote_of(two, weights=[3, 1]).probabilities[0], [0.475, 0.525, 0])
    assert vote_of(two, "hard", [3, 1]).classes[0] == 0
    roots = np.sqrt([0.06, 0.36])
    np.testing.assert_allclose(vote_of(two, "log").probabilities[0, :2], roots / roots.sum(), atol=1e-9)
    # A member who is always surer of class 0 has no more say than another: only its order of photos counts.
    sure = [[0.9, 0.1, 0.0], [0.8, 0.2, 0.0]]
    np.testing.assert_allclose(vote_of([sure], "rank").probabilities, [[4, 2, 3], [2, 4, 3]] / np.array(9))


@given(count=st.integers(1, 6), seed=st.integers(0, 100), rule=st.sampled_from(RULES))
def test_order_of_members_does_not_matter(count: int, seed: int, rule: Rule) -> None:
    members, weights = random_members(count, seed), np.random.default_rng(seed).integers(1, 4, count)
    order = np.random.default_rng(seed).permutation(count)
    one, other = vote_of(members, rule, weights), vote_of(members[order], rule, weights[order])
    np.testing.assert_array_equal(one.classes, other.classes)
    np.testing.assert_allclose(one.probabilities, other.probabilities)
    np.testing.assert_allclose(one.agreement, other.agreement)


@pytest.mark.parametrize("rule", ["soft", "log", "hard"])
def test_one_member_and_equal_members_vote_themselves(rule: Rule) -> None:
    alone = random_members(1, 0)
    for members in (alone, np.repeat(alone, 3, 0)):
        verdict = vote_of(members, rule)
        np.testing.assert_array_equal(verdict.classes, alone[0].argmax(1))
        np.testing.assert_allclose(verdict.probabilities, alone[0])
        np.testing.assert_allclose(verdict.agreement, 1)


def test_folds_share_the_weight_of_their_recipe() -> None:
    five, one = random_members(5, 1), random_members(1, 2)
    panels = {"five": [{"class18": fold} for fold in five], "one": [{"class18": one[0]}]}
    verdict = count_votes(Vote(members=(Leaf("five"), Leaf("one"))), panels)
    np.testing.assert_allclose(verdict.probabilities, (five.mean(0) + one[0]) / 2)
    # ... as a vote over the five first would have it
    nested = Vote(members=(Vote(members=(Leaf("five"),)), Leaf("one")))
    np.testing.assert_allclose(count_votes(nested, panels).probabilities, verdict.probabilities)


def test_composing_certain_factors_gives_just_their_class() -> None:
    codes = np.arange(18)
    factors = {"mask": codes // 6, "gender": codes // 3 % 2, "age3": codes % 3}
    tree = Compose(parts=tuple((task, Leaf(task)) for task in factors))
    panels = {task: [{task: one_hot(task, values)}] for task, values in factors.items()}
    verdict = count_votes(tree, panels)
    np.testing.assert_array_equal(verdict.classes, codes)
    np.testing.assert_allclose(verdict.probabilities, np.eye(18))
    six = {
        "mask_gender": [{"mask_gender": one_hot("mask_gender", codes // 3)}],
        "age6": [{"age6": one_hot("age6", np.array([0, 2, 5])[codes % 3])}],
    }
    other = Compose(parts=(("age3", Leaf("age6")), ("mask_gender", Leaf("mask_gender"))))
    np.testing.assert_array_equal(count_votes(other, six).classes, codes)


def test_a_composition_is_the_composed_heads_and_gives_the_factors_back() -> None:
    random = np.random.default_rng(3)
    heads = {task: random.dirichlet(np.ones(k), 30) for task, k in (("mask", 3), ("gender", 2), ("age3", 3))}
    tree = Compose(parts=tuple((task, Leaf("x")) for task in heads))
    verdict = count_votes(tree, {"x": [heads]})
    np.testing.assert_allclose(verdict.probabilities, composed(heads))
    for task, probabilities in heads.items():
        again = count_votes(tree, {"x": [heads]}, task)
        np.testing.assert_allclose(again.probabilities, probabilities)
        np.testing.assert_array_equal(again.classes, probabilities.argmax(1))


def test_a_composition_is_made_fold_by_fold() -> None:
    random = np.random.default_rng(4)
    masks, rest = random.dirichlet(np.ones(3), (2, 9)), random.dirichlet(np.ones(6), (2, 9))
    ages = random.dirichlet(np.ones(3), 9)
    parts: tuple[tuple[str, Node], ...] = (("mask", Leaf("m")), ("gender", Leaf("g")), ("age3", Leaf("a")))
    panels = {
        "m": [{"mask": part} for part in masks],
        "g": [{"mask_gender": part} for part in rest],
        "a": [{"age3": ages}],  # a single voter stands beside each fold of the others
    }
    folds = [
        composed({"mask": masks[k], "gender": rest[k].reshape(9, 3, 2).sum(1), "age3": ages}) for k in (0, 1)
    ]
    np.testing.assert_allclose(
        count_votes(Compose(parts=parts), panels).probabilities, np.mean(folds, axis=0)
    )
    panels["a"] = panels["a"] * 3
    with pytest.raises(ValueError, match="have 2, 2, 3 folds"):
        count_votes(Compose(parts=parts), panels)


def test_a_hard_part_of_a_composition_keeps_its_choice() -> None:
    # By votes 0, by mean probability 1.
    masks = [[[0.5, 0.4, 0.1]], [[0.5, 0.4, 0.1]], [[0.0, 0.9, 0.1]]]
    voters = Vote(members=(Leaf("a"), Leaf("b"), Leaf("c")), rule="hard")
    tree = Compose(parts=(("mask", voters), ("gender", Leaf("g")), ("age3", Leaf("g"))))
    panels = {name: [{"mask": np.array(mask)}] for name, mask in zip("abc", masks, strict=True)}
    panels["g"] = [{"gender": np.array([[0.2, 0.8]]), "age3": np.array([[0.1, 0.2, 0.7]])}]
    assert count_votes(Vote(members=(tree,), rule="hard"), panels).classes[0] == 0 * 6 + 1 * 3 + 2
    assert count_votes(Vote(members=(tree,)), panels).classes[0] == 1 * 6 + 1 * 3 + 2


def test_finer_bands_of_a_composition_are_voted_on_before_they_are_joined() -> None:
    """Team B's six bands of age: <20, 20-29, 30-46, 47-54, 55-59, 60+."""
    bands = [[[0, 0, 0.3, 0.3, 0, 0.4]], [[0, 0, 0.3, 0.3, 0, 0.4]], [[0, 0, 0, 0, 1, 0]]]
    folds = [{"age6": np.array(each)} for each in bands]
    others = {"mask_gender": np.eye(6)[[3]]}
    six = Vote(members=(Leaf("age"),), rule="hard")
    panels = {"age": folds, "others": [others]}
    whole = Compose(parts=(("mask_gender", Leaf("others")), ("age6", six)))
    joined = Compose(parts=(("mask_gender", Leaf("others")), ("age3", six)))
    # Of six bands two of three folds choose 60+; of three all choose 30-59.
    hard = [count_votes(Vote(members=(tree,), rule="hard"), panels) for tree in (whole, joined)]
    assert [verdict.classes[0] for verdict in hard] == [11, 10]
    for verdict in hard:
        np.testing.assert_allclose(verdict.probabilities[0, 9:12], [0, 2.2 / 3, 0.8 / 3])


def test_temperature_is_the_power_of_probabilities_and_changes_no_choice() -> None:
    members = random_members(1, 5)
    tree = Vote(members=(Leaf("x"),), temperature=2.0)
    verdict = count_votes(tree, {"x": [{"class18": members[0]}]})
    roots = np.sqrt(members[0])
    np.testing.assert_allclose(verdict.probabilities, roots / roots.sum(1, keepdims=True))
    np.testing.assert_array_equal(verdict.classes, members[0].argmax(1))


@given(seed=st.integers(0, 50), rule=st.sampled_from(RULES))
def test_every_verdict_is_a_distribution(seed: int, rule: Rule) -> None:
    ballots = [Ballot.of(member) for member in random_members(4, seed)]
    result = take_vote(ballots, np.full(4, 0.25), rule)
    np.testing.assert_allclose(result.probabilities.sum(1), 1)
    assert (result.probabilities >= 0).all()


def test_a_rule_that_is_not_known_is_refused() -> None:
    ballots = [Ballot.of(member) for member in random_members(2, 0)]
    with pytest.raises(ValueError, match="rule='median': known are soft, log, hard, rank"):
        take_vote(ballots, [0.5, 0.5], "median")  # type: ignore[arg-type]


def test_a_vote_on_one_factor_of_own_labels_is_the_mean_of_its_heads() -> None:
    random = np.random.default_rng(5)
    one, other = random.dirichlet(np.ones(3), 20), random.dirichlet(np.ones(3), 20)
    joint = random.dirichlet(np.ones(6), 20)  # glasses x helmet
    panels = {
        "a": [{"helmet": one, "glasses": joint[:, :2]}],
        "b": [{"helmet": other}],
        "c": [{"glasses*helmet": joint}],
    }
    tree = Vote(members=(Leaf("a"), Leaf("b"), Leaf("c")), weights=(2, 1, 1))
    verdict = vote.count_votes(tree, panels, "helmet", OWN)
    expected = one / 2 + other / 4 + joint.reshape(20, 2, 3).sum(1) / 4
    np.testing.assert_allclose(verdict.probabilities, expected)
    np.testing.assert_array_equal(verdict.classes, expected.argmax(1))


def test_a_composition_of_two_own_factors_is_their_product_in_the_order_of_the_labels() -> None:
    random = np.random.default_rng(6)
    glasses, years = random.dirichlet(np.ones(2), 20), random.dirichlet(np.ones(2), 20)
    bands = np.stack([0.25 * years[:, 0], 0.75 * years[:, 0], years[:, 1]], 1)  # <20, 20-39, >=40
    tree = Compose(parts=(("years", Leaf("y")), ("glasses", Leaf("g"))))
    panels = {"g": [{"glasses": glasses}], "y": [{"years[20, 40]": bands}]}
    verdict = vote.count_votes(tree, panels, "glasses*years", OWN)
    np.testing.assert_allclose(verdict.probabilities, (glasses[:, :, None] * years[:, None]).reshape(20, 4))
    np.testing.assert_array_equal(verdict.classes, 2 * glasses.argmax(1) + years.argmax(1))
    turned = vote.count_votes(tree, panels, "years*glasses", OWN)
    np.testing.assert_allclose(turned.probabilities, (years[:, :, None] * glasses[:, None]).reshape(20, 4))
    np.testing.assert_array_equal(turned.classes, 2 * years.argmax(1) + glasses.argmax(1))
    alone = vote.count_votes(tree, panels, "glasses", OWN)
    np.testing.assert_allclose(alone.probabilities, glasses)
