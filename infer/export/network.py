"""Runs, views and votes as one torch module: photos in, answers out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from faces.labels import LabelSet, Task
from infer.answers.words import headings
from infer.ensemble.rules import poll
from infer.ensemble.tree import Node
from infer.predict.runs import Run
from infer.predict.views import ViewsRule, averaged, black_of, looks_of, summand
from train.engine.checkpoint import load_best
from train.network.kinds import codings_of
from train.network.model import features_of

CHOICE, PROBABILITIES = "choice", "probabilities"
"""Names of the outputs of a model that votes."""


@dataclass(frozen=True, order=True)
class Input:
    """One input of an exported model: the crop's middle at one size, for all runs that were trained on it."""

    size: int
    """Height and width, pixels."""
    centre: float
    """Share of the crop's side that is shown."""

    @classmethod
    def of(cls, run: Run) -> Input:
        """The input that a run was trained on."""
        return cls(run.card.recipe.image_size, run.card.recipe.centre)

    @property
    def name(self) -> str:
        """Name in the exported model: faces_64, or faces_64_centre_0_8 where a part of the crop is shown."""
        whole = f"faces_{self.size}"
        return whole if self.centre == 1 else f"{whole}_centre_{self.centre:g}".replace(".", "_")


class RunOnViews(nn.Module):
    """One run: photos [n, 3, S, S], 0 to 255, to each head's probabilities, averaged over all views.

    Args:
        run: whose network answers, in float32 whatever it was trained in.
        views: names in `infer.predict.views.VIEWS`.
        rule: by which the answers to them are averaged.
    """

    mean: Tensor
    std: Tensor
    black: Tensor

    def __init__(self, run: Run, views: Sequence[str], rule: ViewsRule) -> None:
        super().__init__()
        self.rule: ViewsRule = rule
        network, card = load_best(run.path)
        self.backbone, self.heads = (
            network.backbone.requires_grad_(False),
            network.heads.requires_grad_(False),
        )
        self.codings = codings_of(card.recipe, card.labels)
        self.stages = network.stages
        self.looks = looks_of(views)
        mean, std = card.normalisation.mean, card.normalisation.std
        self.register_buffer("mean", 255 * torch.tensor(mean)[:, None, None])
        self.register_buffer("std", 255 * torch.tensor(std)[:, None, None])
        self.register_buffer("black", black_of(mean, std))

    def outputs(self, photos: Tensor) -> dict[str, Tensor]:
        """[views * n, outputs] of each head by task, view after view."""
        images = (photos - self.mean) / self.std
        # All views in one batch: the graph would hold the network once for each.
        seen = torch.cat([look(images, self.black) for look in self.looks])
        found: dict[str, Tensor] = self.heads(features_of(self.backbone, seen, self.stages))
        return found

    def forward(self, photos: Tensor) -> dict[str, Tensor]:
        """float64 [n, classes] by task."""
        outputs = self.outputs(photos)
        return {
            task: self._mean(coding.probabilities(outputs[task])) for task, coding in self.codings.items()
        }

    def _mean(self, probabilities: Tensor) -> Tensor:
        """Over the views, [views * n, classes] -> [n, classes]."""
        each = summand(probabilities.double(), self.rule).reshape(len(self.looks), -1, probabilities.shape[1])
        return averaged(each.sum(0), len(self.looks), self.rule)


class Exported(nn.Module):
    """An ensemble, or one run, as it is exported.

    Args:
        members: the runs of each recipe of the tree.
        views: names of test-time views.
        root: a tree that `check_rules` passes; None for a single run whose heads have an output each.
        task: that the root votes on; None where there is none.
        labels: that the runs were trained on.
        views_rule: by which each run's answers to the views are averaged.

    Attributes:
        inputs: in the order of the arguments.
        outputs: names, in the order of the results.
        members: a `RunOnViews` for each run.
        places: of each run's input in `inputs`.

    Raises:
        ValueError: when called, folds that cannot be joined.
    """

    def __init__(
        self,
        members: Mapping[str, Sequence[Run]],
        views: Sequence[str],
        root: Node | None,
        task: Task | None,
        labels: LabelSet,
        views_rule: ViewsRule = "soft",
    ) -> None:
        super().__init__()
        runs = [run for folds in members.values() for run in folds]
        self.root, self.task, self.labels = root, task, labels
        self.inputs = sorted({Input.of(run) for run in runs})
        self._recipes = [recipe for recipe, folds in members.items() for _ in folds]
        self.places = [self.inputs.index(Input.of(run)) for run in runs]
        self.members = nn.ModuleList(RunOnViews(run, views, views_rule) for run in runs)
        self.outputs = [PROBABILITIES, CHOICE] if root is not None else list(runs[0].card.recipe.tasks)
        self.eval()

    def forward(self, *photos: Tensor) -> tuple[Tensor, ...]:
        """Answers on n photos.

        Args:
            photos: float32 RGB [n, 3, S, S], 0 to 255, for each of `inputs`.

        Returns:
            For each of `outputs`: probabilities float32 [n, classes], the choice int64 [n].
        """
        panels: dict[str, list[dict[str, Tensor]]] = {}
        for recipe, place, member in zip(self._recipes, self.places, self.members, strict=True):
            panels.setdefault(recipe, []).append(member(photos[place]))
        if self.root is None or self.task is None:
            [[heads]] = panels.values()
            return tuple(heads[task].float() for task in self.outputs)
        ballot = poll(self.root, panels, self.task.name, self.labels).result
        return ballot.probabilities.float(), ballot.choices


def described_outputs(model: Exported) -> list[dict[str, object]]:
    """The meaning of each output of probabilities, for the model's metadata."""
    if model.task is None:
        heads = [model.labels.task(name) for name in model.outputs]
        return [
            {
                "name": head.name,
                "task": head.name,
                "classes": head.classes,
                "factors": {head.name: head.classes},
            }
            for head in heads
        ]
    values = [part.classes for part in model.task.parts]
    return [
        {
            "name": PROBABILITIES,
            "task": model.task.name,
            "classes": model.task.classes,
            "choice": CHOICE,
            "factors": dict(zip(headings(model.task), values, strict=True)),
        }
    ]
