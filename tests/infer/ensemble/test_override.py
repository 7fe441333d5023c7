"""Overrides: one voice changes a factor of another's answer."""

import numpy as np

from faces.labels import CONTEST
from infer.ensemble import vote
from infer.ensemble.tree import Leaf, Node, Override, Vote
from infer.ensemble.vote import Verdict
from infer.predict.heads import Panels
from tests.helpers.own_labels import OWN


def count_votes(tree: Node, panels: Panels) -> Verdict:
    return vote.count_votes(tree, panels, "class18", CONTEST)


def test_hand_computed_override() -> None:
    # Bases of wear female: 20 years, 40 years twice, 70 years.
    base = np.zeros((4, 18))
    base[:, 3:6] = [[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.7, 0.2], [0.0, 0.3, 0.7]]
    senior = np.array([[0.1, 0.9], [0.91, 0.09], [0.92, 0.08], [0.99, 0.01]])
    tree = Override(
        base=Leaf("base"),
        by=Leaf("senior"),
        task="senior",
        category=">=60",
        above=0.08,
        where=(("age", ("30-59", ">=60")),),
    )
    panels = {"base": [{"class18": base}], "senior": [{"senior": senior}]}
    verdict = count_votes(tree, panels)
    # Below 30 nothing changes; 0.08 is not above 0.08; what is 60+ already stays so.
    np.testing.assert_array_equal(verdict.classes, [3, 5, 4, 5])
    np.testing.assert_allclose(verdict.probabilities[1, 3:6], [0.1, 0.0, 0.9])
    np.testing.assert_allclose(verdict.probabilities[[0, 2, 3]], base[[0, 2, 3]])
    everywhere = Override(base=Leaf("base"), by=Leaf("senior"), task="senior", category=">=60", above=0.5)
    np.testing.assert_array_equal(count_votes(everywhere, panels).classes, [5, 4, 4, 5])


def test_an_override_may_decide_both_ways_among_those_it_is_asked_about() -> None:
    """Team B's rule: of 30 or older it is the binary model that tells 30-59 from 60+."""
    base = np.zeros((4, 18))
    base[:, 3:6] = [[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.1, 0.2, 0.7], [0.1, 0.2, 0.7]]
    senior = np.array([[0.99, 0.01], [0.91, 0.09], [0.92, 0.08], [0.9, 0.1]])
    tree = Override(
        base=Leaf("base"),
        by=Leaf("senior"),
        task="senior",
        category=">=60",
        above=0.08,
        otherwise="30-59",
        where=(("age", ("30-59", ">=60")),),
    )
    panels = {"base": [{"class18": base}], "senior": [{"senior": senior}]}
    verdict = count_votes(tree, panels)
    np.testing.assert_array_equal(verdict.classes, [3, 5, 4, 5])
    np.testing.assert_allclose(verdict.probabilities[2, 3:6], [0.1, 0.9, 0.0])
    np.testing.assert_allclose(verdict.probabilities[[0, 3]], base[[0, 3]])


def test_an_override_keeps_its_choices_whatever_the_largest_probability() -> None:
    base = np.zeros((1, 18))
    base[:, 3:6] = [[0.5, 0.3, 0.2]]
    tree = Override(base=Leaf("b"), by=Leaf("s"), task="senior", category=">=60", above=0.08)
    # The mass of <30 moves to >=60.
    panels = {"b": [{"class18": base}], "s": [{"senior": np.array([[0.9, 0.1]])}]}
    assert count_votes(tree, panels).classes[0] == 5
    # Here the base's choice is a majority's, 30-59 by mean probability: most of the mass is not moved.
    voters = Vote(members=(Leaf("x"), Leaf("y"), Leaf("z")), rule="hard")
    for name, ages in zip("xyz", ([0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.0, 0.9, 0.1]), strict=True):
        probabilities = np.zeros((1, 18))
        probabilities[:, 3:6] = ages
        panels[name] = [{"class18": probabilities}]
    over = Override(base=voters, by=Leaf("s"), task="senior", category=">=60", above=0.08)
    verdict = count_votes(over, panels)
    assert verdict.classes[0] == 5
    assert verdict.probabilities.argmax() == 4


def test_a_single_base_is_overridden_by_the_mean_of_folds_and_folds_by_their_own() -> None:
    base = np.zeros((1, 18))
    base[0, 4] = 1
    folds = [{"senior": np.array([[1 - p, p]])} for p in (0.0, 0.1, 0.2)]
    tree = Override(base=Leaf("b"), by=Leaf("s"), task="senior", category=">=60", above=0.15)
    assert count_votes(tree, {"b": [{"class18": base}], "s": folds}).classes[0] == 4
    assert count_votes(tree, {"b": [{"class18": base}] * 3, "s": folds}).classes[0] == 4
    sooner = Override(base=Leaf("b"), by=Leaf("s"), task="senior", category=">=60", above=0.09)
    assert count_votes(sooner, {"b": [{"class18": base}], "s": folds}).classes[0] == 5
    verdict = count_votes(sooner, {"b": [{"class18": base}] * 3, "s": folds})
    assert verdict.classes[0] == 5
    np.testing.assert_allclose(verdict.agreement, 2 / 3)


def test_an_override_may_change_any_factor_under_a_condition_on_another() -> None:
    base = np.eye(18)[[0, 6, 12]]
    masks = np.array([[0.2, 0.2, 0.6]] * 3)
    tree = Override(
        base=Leaf("b"), by=Leaf("m"), task="mask", category="normal", above=0.5, where=(("mask", ("wear",)),)
    )
    panels = {"b": [{"class18": base}], "m": [{"mask": masks}]}
    np.testing.assert_array_equal(count_votes(tree, panels).classes, [12, 6, 12])


def test_an_override_moves_mass_to_the_last_bit_and_leaves_its_base_alone() -> None:
    random = np.random.default_rng(7)
    base, senior = random.dirichlet(np.ones(18), 25), random.dirichlet(np.ones(2), 25)
    tree = Override(base=Leaf("b"), by=Leaf("s"), task="senior", category=">=60", above=0.4)
    kept = base.copy()
    verdict = count_votes(tree, {"b": [{"class18": base}], "s": [{"senior": senior}]})
    np.testing.assert_array_equal(base, kept)
    for row, (probabilities, old) in enumerate(zip(verdict.probabilities, base, strict=True)):
        expected, choice = old.reshape(6, 3).copy(), old.argmax() % 3
        if senior[row, 1] > 0.4 and choice != 2:
            expected[:, 2] += expected[:, choice]
            expected[:, choice] = 0
        np.testing.assert_array_equal(probabilities, expected.ravel())


def test_an_override_changes_a_number_of_its_own_edges_and_moves_its_mass() -> None:
    # glasses x years: yes <40, yes >=40, no <40, no >=40.
    base = np.array([[0.5, 0.1, 0.3, 0.1], [0.1, 0.1, 0.7, 0.1], [0.1, 0.1, 0.2, 0.6]])
    older = np.array([[0.2, 0.8], [0.2, 0.8], [0.2, 0.8]])
    tree = Override(
        base=Leaf("both"),
        by=Leaf("years"),
        task="years",
        category=">=40",
        above=0.7,
        where=(("glasses", ("no",)),),
    )
    panels = {"both": [{"glasses*years": base}], "years": [{"years": older}]}
    verdict = vote.count_votes(tree, panels, "glasses*years", OWN)
    np.testing.assert_array_equal(verdict.classes, [0, 3, 3])  # the first wears glasses
    np.testing.assert_allclose(verdict.probabilities[1], [0, 0.2, 0, 0.8])
    np.testing.assert_array_equal(verdict.probabilities[[0, 2]], base[[0, 2]])
    # Seen from one factor, the choice stays what the override made of it.
    years = vote.count_votes(tree, panels, "years", OWN)
    np.testing.assert_array_equal(years.classes, [0, 1, 1])
    np.testing.assert_allclose(years.probabilities, verdict.probabilities.reshape(3, 2, 2).sum(1))


def test_the_base_of_an_override_votes_on_all_that_it_tells_and_others_see_a_part() -> None:
    # The guard asks for a factor that the answer does not hold.
    heads = {"glasses": np.array([[0.6, 0.4]] * 2), "helmet": np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])}
    tree = Override(
        base=Leaf("a"),
        by=Leaf("b"),
        task="glasses",
        category="no",
        above=0.5,
        where=(("helmet", ("no", "unsure")),),
    )
    panels = {"a": [heads], "b": [{"glasses": np.array([[0.1, 0.9]] * 2)}]}
    np.testing.assert_array_equal(vote.count_votes(tree, panels, "glasses", OWN).classes, [0, 1])
    np.testing.assert_array_equal(vote.count_votes(tree, panels, "glasses*helmet", OWN).classes, [0, 4])
