"""An ensemble: a tree of votes over trained recipes, and the views of a photo that they are shown.

A recipe's trained folds each have a voice. `Vote` makes one voice of many, `Compose` makes a voice on several
factors together of voices on each, fold by fold, and `Override` lets one voice change a factor of another.
All nest freely; each node votes on the classes of one task, onto which its members' answers are projected.

A tree names tasks, factors and categories, but what these are the labels of the trained runs say:
`infer.ensemble.space` checks one against the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, get_args

from faces.command import nearest
from infer.predict.views import ViewsRule, looks_of

Rule = Literal["soft", "log", "hard", "rank"]
ADJUSTED: Final[tuple[Rule, ...]] = ("soft", "log")
"""Rules whose choice follows from probabilities, so that it can be adjusted."""


@dataclass(frozen=True)
class Leaf:
    """A recipe, for all its trained folds."""

    recipe: str

    def __post_init__(self) -> None:
        path = PurePosixPath(self.recipe)
        if not self.recipe.isprintable() or path.is_absolute() or not path.name or ".." in path.parts:
            raise ValueError(f"member {self.recipe!r}: no name of a recipe, which has a folder below RUNS")


@dataclass(frozen=True, kw_only=True)
class Vote:
    """One voice of many."""

    members: tuple[Node, ...]
    rule: Rule = "soft"
    """soft: mean probability. log: geometric mean, so that a sure No of one weighs more. hard: the class that
    most choose, of equally many the one with the larger summed probability, then the lower. rank: mean over
    members of a photo's rank among all photos, class by class; it depends on which photos are voted on."""
    weights: tuple[float, ...] = ()
    """Weights of the members, equal when left out. The folds of a member share its weight equally, so that
    five folds of one recipe do not outvote another recipe's single one."""
    temperature: float = 1.0
    """Probabilities are raised to 1 / temperature and normalised (Guo et al. 2017): above 1 less sure."""
    adjust: tuple[tuple[str, tuple[tuple[str, float], ...]], ...] = ()
    """By factor of the task voted on, of some of its values: how many times as probable as it is a class of
    that value counts in the choice; of several factors the numbers are multiplied. 1 / share among the
    training photos is the logit adjustment of Menon et al. (2021) with tau = 1, by which rare classes are
    chosen as often as they should be for a mean over classes. Probabilities stay as they are. Of rules soft
    and log, whose choice follows from probabilities."""

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("vote=[]: name at least one member")
        leaves = [member.recipe for member in self.members if isinstance(member, Leaf)]
        if twice := {name for name in leaves if leaves.count(name) > 1}:
            raise ValueError(f"vote: {', '.join(sorted(twice))} named twice: name each once and give weights")
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule={self.rule!r}: {nearest(self.rule, get_args(Rule))}")
        if self.weights and len(self.weights) != len(self.members):
            raise ValueError(
                f"weights={list(self.weights)}: give one for each of the {len(self.members)} members"
            )
        if not all(weight > 0 for weight in self.weights) or not math.isfinite(sum(self.weights)):
            raise ValueError(
                f"weights={list(self.weights)}: must be above 0 and finite; leave out who has no say"
            )
        if self.adjust and self.rule not in ADJUSTED:
            raise ValueError(
                f"adjust: weighs probabilities, by which rule={self.rule!r} does not choose; use soft or log"
            )
        for factor, values in self.adjust:
            for value, times in values:
                if not 0 < times < math.inf:
                    raise ValueError(f"adjust.{factor}.{value}={times}: must be above 0 and finite")
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"temperature={self.temperature}: must be above 0 and finite; 1 changes nothing")

    @property
    def shares(self) -> tuple[float, ...]:
        """Weights that sum to 1."""
        weights = self.weights or (1.0,) * len(self.members)
        return tuple(weight / sum(weights) for weight in weights)


@dataclass(frozen=True, kw_only=True)
class Compose:
    """A voice on several factors together from voices on each, fold by fold; all factors are taken as
    independent, also those that one part tells together."""

    parts: tuple[tuple[str, Node], ...]
    """Tasks that tell each factor's own values or finer ones, together each factor once, and the voice of
    each. Votes below `age6` are counted in six bands, and what they choose is told in three."""

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError('compose of nothing: name a voice for each task, mask = "...", glasses = "..."')


@dataclass(frozen=True, kw_only=True)
class Override:
    """A voice whose factor another voice may change: fold by fold or, where the base is a single voice, by
    the mean probability of all folds of the other."""

    base: Node
    by: Node
    task: str
    """Task that `by` votes on, of one factor: `mask`, `age`, or a part of the people as in `age>=30[60]`."""
    category: str
    """The class of that task, a value of the factor, which is set where `by` gives it a probability above
    `above`."""
    above: float
    """In [0, 1)."""
    otherwise: str = ""
    """The value of the factor that is set where the probability is not above it, so that `by` decides both
    ways; left out, the base's choice stays."""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Only where the base's choice has one of these values of a factor that it tells: age 30-59 or >=60."""

    def __post_init__(self) -> None:
        if not 0 <= self.above < 1:
            raise ValueError(f"override.above={self.above}: a probability in [0, 1)")


Node = Leaf | Vote | Compose | Override


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A tree of votes with a name, and the views of a photo that its networks see."""

    name: str
    """Name of its file, without the ending."""
    about: str = ""
    """One line on what the ensemble is and when to use it."""
    views: tuple[str, ...] = ("original", "flip")
    """Test-time augmentation: the views of a photo over which each run's answers are averaged."""
    views_rule: ViewsRule = "soft"
    """How they are: the mean of probabilities, or by log their geometric mean, the softmax of mean logits."""
    task: str = ""
    """The task that it answers; left out, what follows from its members' heads (`infer.ensemble.space`)."""
    root: Node

    def __post_init__(self) -> None:
        looks_of(self.views)

    @property
    def shown_views(self) -> str:
        """`original + flip`, and how they are averaged where that is not by the mean."""
        return " + ".join(self.views) + (" by geometric mean" if self.views_rule == "log" else "")


def children(node: Node) -> tuple[Node, ...]:
    """The nodes below a node."""
    match node:
        case Leaf():
            return ()
        case Vote():
            return node.members
        case Compose():
            return tuple(part for _, part in node.parts)
        case Override():
            return node.base, node.by


def recipes_of(node: Node) -> tuple[str, ...]:
    """The recipes of a tree, each once, in the order in which they are read."""
    if isinstance(node, Leaf):
        return (node.recipe,)
    return tuple(dict.fromkeys(name for child in children(node) for name in recipes_of(child)))
