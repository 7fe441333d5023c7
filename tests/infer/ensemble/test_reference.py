"""Random trees over own factors vote as each photo reckoned by itself in plain Python."""

import itertools
import math
import random

import numpy as np
import pytest
import torch

from faces.labels import FloatArray
from infer.ensemble.rules import LEAST, poll
from infer.ensemble.space import space_of
from infer.ensemble.tree import Compose, Ensemble, Leaf, Node, Override, Rule, Vote
from infer.ensemble.vote import count_votes
from tests.helpers.own_labels import OWN

FACTORS = {factor.name: factor.classes for factor in OWN.factors}
RECIPES = {
    "joint": ("glasses*helmet*years",),
    "three": ("glasses", "helmet", "years"),
    "pair": ("helmet*years", "glasses"),
    "turned": ("years*glasses", "helmet"),
}
Values = tuple[str, ...]
Voice = tuple[dict[Values, float], Values]
"""Probability of each combination of values, and the one chosen."""
Photo = dict[str, list[dict[str, dict[Values, float]]]]
"""By recipe and fold, each head's probability of each combination of values of its factors."""


def combinations(factors: tuple[str, ...]) -> list[Values]:
    return list(itertools.product(*(FACTORS[factor] for factor in factors)))


def summed(table: dict[Values, float], told: tuple[str, ...], wanted: tuple[str, ...]) -> dict[Values, float]:
    found = dict.fromkeys(combinations(wanted), 0.0)
    for values, share in table.items():
        by_name = dict(zip(told, values, strict=True))
        found[tuple(by_name[factor] for factor in wanted)] += share
    return found


def surest(table: dict[Values, float]) -> Values:
    return max(table, key=lambda values: table[values])


def heads_to(heads: dict[str, dict[Values, float]], wanted: tuple[str, ...]) -> dict[Values, float]:
    for head, table in heads.items():
        if {*wanted} <= {*head.split("*")}:
            return summed(table, tuple(head.split("*")), wanted)
    single = [heads_to(heads, (factor,)) for factor in wanted]
    return {v: math.prod(s[x,] for s, x in zip(single, v, strict=True)) for v in combinations(wanted)}


def decided(voices: list[Voice], weights: list[float], rule: Rule) -> Voice:
    keys = [*voices[0][0]]
    total = sum(weights)
    mean = {k: sum(w * table[k] for w, (table, _) in zip(weights, voices, strict=True)) / total for k in keys}
    if rule == "log":
        powers = {
            k: math.prod(
                max(table[k], LEAST) ** (w / total) for w, (table, _) in zip(weights, voices, strict=True)
            )
            for k in keys
        }
        mean = {k: power / sum(powers.values()) for k, power in powers.items()}
    if rule != "hard":
        return mean, surest(mean)
    votes = {k: sum(w for w, (_, mine) in zip(weights, voices, strict=True) if mine == k) for k in keys}
    leading = {k: mean[k] for k in keys if votes[k] > max(votes.values()) - 1e-9}
    return mean, surest(leading)


def beside(members: list[list[Voice]]) -> list[tuple[Voice, ...]]:
    count = max(map(len, members))
    return list(zip(*(voices * (count // len(voices)) for voices in members), strict=True))


def voices(node: Node, photo: Photo, wanted: tuple[str, ...]) -> list[Voice]:
    match node:
        case Leaf():
            tables = [heads_to(heads, wanted) for heads in photo[node.recipe]]
            return [(table, surest(table)) for table in tables]
        case Vote():
            found, weights = [], []
            for member, weight in zip(node.members, node.weights, strict=True):
                mine = voices(member, photo, wanted)
                found += mine
                weights += [weight / len(mine)] * len(mine)
            return [decided(found, weights, node.rule)]
        case Compose():
            order = tuple(factor for task, _ in node.parts for factor in task.split("*"))
            rows = beside([voices(part, photo, tuple(task.split("*"))) for task, part in node.parts])
            return [seen(composed(node, row), order, wanted) for row in rows]
        case Override():
            every = tuple(FACTORS)
            bases, bys = voices(node.base, photo, every), voices(node.by, photo, (node.task,))
            if len(bases) == 1:
                bys = [decided(bys, [1.0] * len(bys), "soft")]
            return [seen(changed(node, base, by), every, wanted) for base, by in beside([bases, bys])]


def composed(node: Compose, row: tuple[Voice, ...]) -> Voice:
    """All factors are independent, also those that one part tells together."""
    told = [tuple(task.split("*")) for task, _ in node.parts]
    single = [
        summed(voice[0], mine, (factor,)) for voice, mine in zip(row, told, strict=True) for factor in mine
    ]
    order = tuple(factor for mine in told for factor in mine)
    table = {v: math.prod(s[x,] for s, x in zip(single, v, strict=True)) for v in combinations(order)}
    return table, tuple(value for voice in row for value in voice[1])


def seen(voice: Voice, told: tuple[str, ...], wanted: tuple[str, ...]) -> Voice:
    by_name = dict(zip(told, voice[1], strict=True))
    return summed(voice[0], told, wanted), tuple(by_name[factor] for factor in wanted)


def changed(node: Override, base: Voice, by: Voice) -> Voice:
    table, chosen = dict(base[0]), dict(zip(FACTORS, base[1], strict=True))
    before = chosen[node.task]
    allowed = all(chosen[factor] in values for factor, values in node.where)
    if by[0][node.category,] > node.above and allowed and before != node.category:
        for values in combinations(tuple(FACTORS)):
            mine = dict(zip(FACTORS, values, strict=True))
            if mine[node.task] == before:
                table[tuple({**mine, node.task: node.category}.values())] += table[values]
                table[values] = 0.0
        chosen[node.task] = node.category
    return table, tuple(chosen.values())


def random_tree(draw: random.Random, depth: int, wanted: tuple[str, ...]) -> Node:
    kind = draw.choice(["leaf", "vote", "vote", "compose", "override"]) if depth else "leaf"
    if kind == "leaf":
        return Leaf(draw.choice([*RECIPES]))
    if kind == "vote":
        members = [random_tree(draw, depth - 1, wanted) for _ in range(draw.randint(1, 3))]
        members = [m for at, m in enumerate(members) if not isinstance(m, Leaf) or m not in members[:at]]
        weights = tuple(draw.choice([1.0, 2.5]) for _ in members)
        rule: Rule = draw.choice(["soft", "log", "hard"])
        return Vote(members=tuple(members), rule=rule, weights=weights)
    if kind == "compose":
        # A composition may tell more than is asked of it.
        factors = draw.choice([tuple(FACTORS), draw.sample(wanted, len(wanted))])
        parts = [*factors] if len(factors) < 3 else [f"{factors[2]}*{factors[0]}", factors[1]]
        return Compose(
            parts=tuple((part, random_tree(draw, depth - 1, tuple(part.split("*")))) for part in parts)
        )
    task = draw.choice([*FACTORS])
    guard = draw.choice([*FACTORS])
    return Override(
        base=random_tree(draw, depth - 1, tuple(FACTORS)),
        by=random_tree(draw, depth - 1, (task,)),
        task=task,
        category=draw.choice(FACTORS[task]),
        above=draw.choice([0.2, 0.5]),
        where=draw.choice([(), ((guard, FACTORS[guard][:-1]),)]),
    )


def random_photos(seed: int, count: int) -> tuple[dict[str, list[dict[str, FloatArray]]], list[Photo]]:
    """The same answers as arrays and as tables; one recipe has a single fold."""
    rng = np.random.default_rng(seed)
    panels = {
        recipe: [
            {task: rng.dirichlet(np.full(len(OWN.task(task).classes), 0.7), count) for task in tasks}
            for _ in range(1 if recipe == "pair" else 3)
        ]
        for recipe, tasks in RECIPES.items()
    }
    photos = [
        {
            recipe: [
                {
                    task: dict(zip(combinations(OWN.task(task).factors), values[row].tolist(), strict=True))
                    for task, values in heads.items()
                }
                for heads in folds
            ]
            for recipe, folds in panels.items()
        }
        for row in range(count)
    ]
    return panels, photos


@pytest.mark.parametrize("seed", range(40))
def test_random_trees_vote_as_each_photo_reckoned_by_itself(seed: int) -> None:
    draw = random.Random(seed)
    space = draw.choice(
        ["glasses*helmet*years", "glasses*helmet*years", "helmet*years", "years*glasses", "helmet"]
    )
    tree = random_tree(draw, 3, tuple(space.split("*")))
    assert space_of(Ensemble(name="x", root=tree, task=space), RECIPES, OWN) == space
    panels, photos = random_photos(seed, 12)
    verdict = count_votes(tree, panels, space, OWN)
    wanted = tuple(space.split("*"))
    order = combinations(wanted)
    for row, photo in enumerate(photos):
        own = voices(tree, photo, wanted)
        rule: Rule = "hard" if isinstance(tree, Override) else "soft"
        table, chosen = own[0] if len(own) == 1 else decided(own, [1.0] * len(own), rule)
        np.testing.assert_allclose(verdict.probabilities[row], [table[v] for v in order], atol=1e-9)
        assert verdict.classes[row] == order.index(chosen)
    tensors = {
        recipe: [{task: torch.from_numpy(values) for task, values in heads.items()} for heads in folds]
        for recipe, folds in panels.items()
    }
    traced = poll(tree, tensors, space, OWN).result
    np.testing.assert_allclose(traced.probabilities, verdict.probabilities, atol=1e-12)
    np.testing.assert_array_equal(traced.choices, verdict.classes)
