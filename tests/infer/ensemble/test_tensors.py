"""Votes in tensors, as exported models take them, against those of numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from faces.labels import CONTEST, TASKS, FloatArray
from infer.ensemble import rules, vote
from infer.ensemble.rules import poll, take_vote
from infer.ensemble.tree import Compose, Leaf, Node, Override, Vote
from infer.ensemble.vote import Ballot


def random_heads(rng: np.random.Generator, tasks: Sequence[str]) -> dict[str, FloatArray]:
    return {task: rng.dirichlet(np.full(len(TASKS[task].classes), 0.5), 300) for task in tasks}


def random_panels(seed: int = 0) -> dict[str, list[dict[str, FloatArray]]]:
    rng = np.random.default_rng(seed)
    tasks_of = {
        "one": ("class18",),
        "three": ("mask", "gender", "age3"),
        "wide": ("mask_gender", "age6"),
        "old": ("senior",),
    }
    return {
        name: [random_heads(rng, tasks) for _ in range(1 if name == "wide" else 3)]
        for name, tasks in tasks_of.items()
    }


def in_torch(
    panels: Mapping[str, Sequence[Mapping[str, FloatArray]]],
) -> dict[str, list[dict[str, torch.Tensor]]]:
    return {
        name: [{task: torch.from_numpy(values) for task, values in heads.items()} for heads in folds]
        for name, folds in panels.items()
    }


def trees() -> list[Node]:
    old = Override(
        base=Leaf("three"),
        by=Leaf("old"),
        task="senior",
        category=">=60",
        above=0.3,
        where=(("age", ("30-59", ">=60")),),
    )
    mask = Override(base=Leaf("one"), by=Leaf("wide"), task="mask", category="incorrect", above=0.4)
    parts = Compose(parts=(("mask", Leaf("one")), ("gender", Vote(members=(Leaf("wide"),))), ("age3", old)))
    pairs = Compose(parts=(("mask_gender", Leaf("wide")), ("age3", Leaf("one"))))
    six = Vote(members=(Leaf("wide"),), rule="hard")
    bands = Vote(members=(Compose(parts=(("mask_gender", Leaf("wide")), ("age6", six))),), rule="hard")
    ways = replace(old, base=bands, by=Leaf("old"), otherwise="30-59")
    alone = Override(base=Leaf("wide"), by=Leaf("old"), task="senior", category="30-59", above=0.5)
    found: list[Node] = [Leaf("one"), Leaf("wide"), old, mask, parts, pairs, alone, bands, ways]
    for rule in ("soft", "log", "hard"):
        inner = Vote(members=(Leaf("three"), parts), rule=rule, temperature=0.5)  # type: ignore[arg-type]
        found.append(Vote(members=(Leaf("one"), Leaf("wide"), old), rule=rule, weights=(1, 2, 3)))  # type: ignore[arg-type]
        found.append(Vote(members=(inner, mask, Leaf("wide")), rule=rule, temperature=2.0))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("space", ["class18", "mask", "age3", "mask_gender", "senior"])
def test_votes_in_tensors_are_those_of_numpy(space: str) -> None:
    panels = random_panels()
    for tree in trees():
        ours = poll(tree, in_torch(panels), space, CONTEST).result
        theirs = vote.count_votes(tree, panels, space, CONTEST)
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-12)
        np.testing.assert_array_equal(ours.choices, theirs.classes)


@pytest.mark.parametrize("rule", ["soft", "log", "hard"])
def test_ties_go_to_the_larger_sum_and_then_to_the_lower_class(rule: str) -> None:
    # Of eighths all sums are exact, and many photos have a tie.
    rng = np.random.default_rng(0)
    eighths = rng.multinomial(8, np.full(18, 1 / 18), (4, 400)) / 8
    panels = {"one": [{"class18": member} for member in eighths]}
    tree = Vote(members=(Leaf("one"),), rule=rule)  # type: ignore[arg-type]
    ours = poll(tree, in_torch(panels), "class18", CONTEST).result
    np.testing.assert_array_equal(ours.choices, vote.count_votes(tree, panels, "class18", CONTEST).classes)
    if rule == "soft":
        mean = eighths.mean(0)
        assert ((mean == mean.max(1, keepdims=True)).sum(1) > 1).sum() > 100
        np.testing.assert_array_equal(ours.choices, mean.argmax(1))


def test_tensors_vote_by_every_rule_but_rank() -> None:
    members = np.random.default_rng(0).dirichlet(np.ones(18), (3, 25))
    ballots = [Ballot.of(member) for member in members]
    tensors = [rules.Ballot.of(torch.from_numpy(member)) for member in members]
    for rule in ("soft", "log", "hard"):
        ours, theirs = (take_vote(voters, [0.5, 0.3, 0.2], rule) for voters in (ballots, tensors))
        np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-12)
        np.testing.assert_array_equal(theirs.choices, ours.choices)
    with pytest.raises(
        ValueError, match=r'rule="rank".*depends on the other photos.*vote by soft, log or hard'
    ):
        take_vote(tensors, [0.5, 0.3, 0.2], "rank")
    with pytest.raises(ValueError, match="rule='median': known are soft, log, hard, rank"):
        take_vote(tensors, [0.5, 0.3, 0.2], "median")  # type: ignore[arg-type]
