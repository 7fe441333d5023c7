"""An ensemble: a tree of votes over trained recipes, and the views of a photo that they are shown.

A recipe's trained folds each have a voice. `Vote` makes one voice of many, `Compose` makes a voice on the 18
classes of voices on their factors, fold by fold, and `Override` lets one voice change a factor of another.
All nest freely; each node votes on the classes of one task, onto which its members' answers are projected.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from faces.command import nearest
from faces.labels import AGE_BANDS, GENDERS, MASKS, TASKS, covers
from infer.predict.views import looks_of

Rule = Literal["soft", "log", "hard", "rank"]
FACTORS = {"mask": MASKS, "gender": GENDERS, "age": AGE_BANDS}
PARTS = ("mask", "gender", "age3", "mask_gender")
"""Tasks that tell whole factors, of which 18 classes can be composed."""


@dataclass(frozen=True)
class Leaf:
    """A recipe, for all its trained folds."""

    recipe: str


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
        if not all(weight > 0 for weight in self.weights):
            raise ValueError(f"weights={list(self.weights)}: must be above 0; leave out who has no say")
        if not self.temperature > 0:
            raise ValueError(f"temperature={self.temperature}: must be above 0; 1 changes nothing")

    @property
    def shares(self) -> tuple[float, ...]:
        """Weights that sum to 1."""
        weights = self.weights or (1.0,) * len(self.members)
        return tuple(weight / sum(weights) for weight in weights)


@dataclass(frozen=True, kw_only=True)
class Compose:
    """A voice on the 18 classes from voices on mask, gender and age, fold by fold."""

    parts: tuple[tuple[str, Node], ...]
    """Tasks of `PARTS`, together each factor once, and the voice of each."""

    def __post_init__(self) -> None:
        for task, _ in self.parts:
            if task not in PARTS:
                raise ValueError(f"compose: {task!r} is no whole factor: {nearest(task, PARTS)}")
        factors = [factor for task, _ in self.parts for factor in TASKS[task].factors]
        for factor in FACTORS:
            if factors.count(factor) != 1:
                raise ValueError(
                    f"compose of {', '.join(task for task, _ in self.parts) or 'nothing'}: {factor} is said "
                    f"{factors.count(factor)} times; say mask, gender and age once each, by mask, gender and "
                    "age3 or by mask_gender and age3"
                )


@dataclass(frozen=True, kw_only=True)
class Override:
    """A voice whose factor another voice may change: fold by fold or, where the base is a single voice, by
    the mean probability of all folds of the other."""

    base: Node
    by: Node
    task: str
    """Task that `by` votes on: `senior`, `mask`, `gender` or `age3`."""
    category: str
    """The class of that task which is set where `by` gives it a probability above `above`."""
    above: float
    """In [0, 1)."""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Only where the base's choice has one of these values of a factor: age 30-59 or >=60, for example."""

    def __post_init__(self) -> None:
        single = [name for name, task in TASKS.items() if len(task.factors) == 1 and name != "age6"]
        if self.task not in single:
            raise ValueError(f"override.task={self.task!r}: {nearest(self.task, single)}")
        if self.category not in TASKS[self.task].classes:
            raise ValueError(
                f"override.category={self.category!r}: task {self.task} has "
                f"{nearest(self.category, TASKS[self.task].classes)}"
            )
        if not 0 <= self.above < 1:
            raise ValueError(f"override.above={self.above}: a probability in [0, 1)")
        for factor, values in self.where:
            if factor not in FACTORS:
                raise ValueError(f"override.where: {factor!r}: {nearest(factor, [*FACTORS])}")
            for value in values:
                if value not in FACTORS[factor]:
                    raise ValueError(f"override.where.{factor}: {value!r}: {nearest(value, FACTORS[factor])}")

    @property
    def factor(self) -> str:
        """The factor that is changed."""
        return TASKS[self.task].factors[0]


Node = Leaf | Vote | Compose | Override


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """A tree of votes with a name, and the views of a photo that its networks see."""

    name: str
    """Name of its file, without the ending."""
    about: str = ""
    """One line on what the ensemble is and when to use it."""
    views: tuple[str, ...] = ("original", "flip")
    """Test-time augmentation: the views of a photo over which each run's probabilities are averaged."""
    root: Node

    def __post_init__(self) -> None:
        looks_of(self.views)


def children(node: Node) -> Iterator[tuple[str, Node]]:
    """The nodes below a node, each with the task that it votes on; "" where that is the node's own."""
    match node:
        case Leaf():
            return
        case Vote():
            yield from (("", member) for member in node.members)
        case Compose():
            yield from node.parts
        case Override():
            yield "class18", node.base
            yield node.task, node.by


def recipes_of(node: Node) -> tuple[str, ...]:
    """The recipes of a tree, each once, in the order in which they are read."""
    if isinstance(node, Leaf):
        return (node.recipe,)
    return tuple(dict.fromkeys(name for _, child in children(node) for name in recipes_of(child)))


def check_tasks(node: Node, tasks: Mapping[str, Sequence[str]], space: str = "class18") -> None:
    """Refuse a tree in which a recipe must answer what its heads do not tell.

    Args:
        node: the root, or a part of it.
        tasks: heads of each recipe in it.
        space: the task that the node votes on.

    Raises:
        ValueError: naming the recipe, its heads and the task.
    """
    if isinstance(node, Leaf):
        if not covers(tasks[node.recipe], space):
            raise ValueError(
                f"member {node.recipe!r} was trained on {', '.join(tasks[node.recipe])}, but is asked for "
                f"{space}: put it where it can answer, or use a recipe that tells "
                f"{', '.join(TASKS[space].factors)}"
            )
        return
    for own, child in children(node):
        check_tasks(child, tasks, own or space)
