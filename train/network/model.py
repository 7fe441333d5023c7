"""timm backbones with the heads of a recipe in the place of their classifiers."""

from __future__ import annotations

from collections.abc import Sequence

import timm
import torch
from torch import Tensor, nn

from faces.labels import LabelSet
from train.loops.swap import use_loops
from train.network.backbone import make_backbone, unseen_note
from train.network.heads import Heads, pool_generalised
from train.network.kinds import codings_of
from train.network.normalisation import Normalisation
from train.network.targets import number_output
from train.network.weights import load_weights
from train.recipe.recipe import Recipe
from train.weights.kept import kept_weights


class Network(nn.Module):
    """A timm backbone without its classifier, and our heads.

    Args:
        backbone: maps images to features.
        heads: map features to outputs.

        notes: lines on what became of the recipe's input size and weights, for whoever trains.

    Attributes:
        frozen: whether the backbone is not trained now: it computes as in evaluation and gets no gradients.
        still: names of the backbone's modules that never are, and compute so, too.
    """

    def __init__(self, backbone: nn.Module, heads: Heads, notes: Sequence[str] = ()) -> None:
        super().__init__()
        self.backbone, self.heads, self.notes = backbone, heads, tuple(notes)
        self.frozen = False
        self.still: tuple[str, ...] = ()

    def train(self, mode: bool = True) -> Network:
        """Training mode; what is frozen of the backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.train(mode and not self.frozen)
        for layer in self.still_layers():
            layer.eval()
        return self

    def still_layers(self) -> list[nn.Module]:
        """The modules that `still` names."""
        return [self.backbone.get_submodule(name) for name in self.still]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Float RGB [n, 3, S, S], normalised -> outputs by name (`Heads.forward`)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features = self.backbone(images)
        outputs: dict[str, Tensor] = self.heads(features)
        return outputs


def build_model(recipe: Recipe, labels: LabelSet, *, initialise: bool = True) -> Network:
    """The recipe's network.

    Args:
        recipe: names backbone, tasks, input size, head and where weights come from.
        labels: that the tasks are of.
        initialise: load the weights the recipe starts from; False when trained ones follow anyway.

    Raises:
        ValueError: unknown backbone, an input size or a pooling it does not take, weights that cannot be
            fetched, or a file that does not fit (`load_weights`).
    """
    made = make_backbone(recipe.backbone, recipe.image_size, hub=initialise and recipe.pretrained)
    notes = []
    if initialise and (note := unseen_note(recipe.backbone, made.network, recipe.image_size)):
        notes.append(note)
    if initialise and recipe.weights:
        notes.append(load_weights(kept_weights(recipe.weights), made, recipe.backbone))
    if recipe.head.pool == "gem":
        pool_generalised(made.network, recipe.backbone)
    regression = number_output(recipe.tasks) if recipe.age.regression else ""
    heads = Heads(
        made.width,
        recipe.head,
        codings_of(recipe, labels),
        regression=regression,
        scaled=recipe.optimiser.name == "lbfgs",
    )
    use_loops(made.network)
    return Network(made.network, heads, notes)


def normalisation(network: Network, recipe: Recipe) -> Normalisation:
    """Mean and standard deviation the backbone's weights were, or would be, trained with; 0 and 1 where the
    recipe normalises nothing."""
    if not recipe.normalise:
        return Normalisation((0.0,) * 3, (1.0,) * 3)
    config = timm.data.resolve_model_data_config(network.backbone)
    return Normalisation(tuple(config["mean"]), tuple(config["std"]))
