"""What trees are fitted to: photos, what networks that never saw them answered, and what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from faces.labels import UNKNOWN, IntArray, LabelSet
from infer.ensemble.rules import poll
from infer.ensemble.space import task_of_base
from infer.ensemble.tree import Compose, Leaf, Node, Override, Rule, Vote
from infer.ensemble.vote import Ballot, Verdict, count_votes
from infer.predict.heads import Panels


@dataclass(frozen=True, kw_only=True)
class Answered:
    """n photos with their answers."""

    panels: Panels
    """Of networks that never saw a photo's person: one voter a recipe, or several of nested trainings."""
    truth: Callable[[str], IntArray]
    """[n] classes of the photos in a task, `UNKNOWN` where not labelled."""
    labels: LabelSet
    space: str
    """The task that the root of a tree votes on."""

    def labelled(self, rows: IntArray, task: str) -> IntArray:
        """Those of some photos whose class in a task is known."""
        return np.asarray(rows[self.truth(task)[rows] != UNKNOWN], np.int64)

    def vote(self, node: Node, task: str) -> Verdict:
        """The answers of a tree, or a part of it, in a task."""
        return count_votes(node, self.panels, task, self.labels)

    def ballot(self, node: Node, task: str, rule: Rule = "soft") -> Ballot:
        """A node's probabilities in a task, as a vote of a rule counts them, and its own choices."""
        # A hard vote of one voter keeps its choices; a soft one would take the most probable classes.
        verdict = self.vote(Vote(members=(node,), rule="log" if rule == "log" else "hard"), task)
        return Ballot(probabilities=verdict.probabilities, choices=verdict.classes)

    def is_one_voice(self, node: Node, task: str) -> bool:
        """Whether a node has one voice in a task, and not one for each fold."""
        panels: Any = self.panels
        return isinstance(node, Vote) or len(poll(node, panels, task, self.labels).ballots) == 1

    def base_task(self, node: Override, task: str) -> str:
        """The task that the base of an override votes on, which itself is asked for `task`."""
        heads = {recipe: [*voters[0]] for recipe, voters in self.panels.items()}
        return task_of_base(node, heads, task, self.labels).name

    def fitted_nodes(self, root: Node) -> list[tuple[str, Node]]:
        """The votes and overrides of a tree that are fitted, each with the task it votes on, from the root
        down: of an override that is the task of its base."""
        return self._fitted(root, self.space)

    def _fitted(self, node: Node, task: str) -> list[tuple[str, Node]]:
        match node:
            case Leaf():
                return []
            case Vote():
                return [(task, node)]
            case Compose():
                return [found for own, part in node.parts for found in self._fitted(part, own)]
            case Override():
                own = self.base_task(node, task)
                return [(own, node), *self._fitted(node.base, own)]
