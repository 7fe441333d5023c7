"""timm backbones with the heads of a recipe in the place of their classifiers."""

from __future__ import annotations

from collections.abc import Sequence

import timm
import torch
from safetensors.torch import save
from torch import Tensor, nn

from faces.failures import is_exhaustion
from faces.labels import LabelSet
from train.loops.swap import use_loops
from train.network.backbone import Backbone, make_backbone, unseen_note
from train.network.heads import Heads, pool_generalised
from train.network.kinds import codings_of
from train.network.normalisation import Normalisation
from train.network.targets import number_output
from train.network.weights import load_weights
from train.network.weights_file import digest_of
from train.recipe.recipe import Recipe
from train.weights.kept import kept_weights


class Network(nn.Module):
    """A timm backbone without its classifier, and our heads.

    Args:
        backbone: maps images to features.
        heads: map features to outputs.

        notes: lines on what became of the recipe's input size and weights, for whoever trains.
        stages: how many of the backbone's last stages the heads stand on.

    Attributes:
        frozen: whether the backbone is not trained now: it computes as in evaluation and gets no gradients.
        still: names of the backbone's modules that never are, and compute so, too.
    """

    def __init__(
        self, backbone: nn.Module, heads: Heads, notes: Sequence[str] = (), *, stages: int = 1
    ) -> None:
        super().__init__()
        self.stages = stages
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
            features = self.features(images)
        outputs: dict[str, Tensor] = self.heads(features)
        return outputs

    def features(self, images: Tensor) -> Tensor:
        """Float RGB [n, 3, S, S], normalised -> [n, width] or [n, tokens, width], for the heads."""
        return features_of(self.backbone, images, self.stages)


def backbone_digest(network: Network) -> str:
    """Hex sha256 of the backbone's weights and statistics: equal for networks that make the same features."""
    state = network.backbone.state_dict()
    return digest_of(save({name: tensor.cpu().contiguous() for name, tensor in state.items()}))


def features_of(backbone: nn.Module, images: Tensor, stages: int) -> Tensor:
    """The backbone's features, and beside them the means of the maps of the stages before the last.

    Args:
        backbone: a timm model without classifier.
        images: float RGB [n, 3, S, S], normalised.
        stages: how many of its last stages; more than 1 of backbones that make maps.
    """
    if stages == 1:
        features: Tensor = backbone(images)
        return features
    last, maps = backbone.forward_intermediates(images, indices=stages)  # type: ignore[operator]
    means = [each.mean((2, 3)) for each in maps[:-1]]
    return torch.cat([backbone.forward_head(last, pre_logits=True), *means], 1)  # type: ignore[operator]


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
        _width(made, recipe),
        recipe.head,
        codings_of(recipe, labels),
        regression=regression,
        scaled=recipe.optimiser.name == "lbfgs",
    )
    use_loops(made.network)
    return Network(made.network, heads, notes, stages=recipe.head.stages)


def _width(made: Backbone, recipe: Recipe) -> int:
    """Of the features that the heads stand on.

    Raises:
        ValueError: more stages than the backbone has, or tells.
    """
    stages, size = recipe.head.stages, recipe.image_size
    if stages == 1:
        return made.width
    try:
        with torch.inference_mode():
            features = features_of(made.network.eval(), torch.zeros(1, 3, size, size), stages)
    except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        if is_exhaustion(error):
            raise
        raise ValueError(
            f"head.stages={stages}: backbone {recipe.backbone!r} does not give the maps of so many stages "
            f"({next(iter(str(error).splitlines()), type(error).__name__)[:80]}); use fewer, or stages = 1"
        ) from error
    made.network.train()
    return features.shape[1]


def normalisation(network: Network, recipe: Recipe) -> Normalisation:
    """Mean and standard deviation the backbone's weights were, or would be, trained with; 0 and 1 where the
    recipe normalises nothing."""
    if not recipe.normalise:
        return Normalisation((0.0,) * 3, (1.0,) * 3)
    config = timm.data.resolve_model_data_config(network.backbone)
    return Normalisation(tuple(config["mean"]), tuple(config["std"]))
