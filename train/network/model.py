"""timm backbones with the heads of a recipe in the place of their classifiers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import generate_default_cfgs, register_model
from timm.models.efficientnet import _gen_mobilenet_v1
from torch import Tensor, nn

from faces.command import nearest
from faces.labels import LabelSet
from train.network.heads import Heads, pool_generalised
from train.network.kinds import codings_of
from train.network.targets import number_output
from train.recipe.recipe import Recipe

default_cfgs = generate_default_cfgs(
    {
        "mobilenetv1_025.untrained": {
            "input_size": (3, 224, 224),
            "pool_size": (7, 7),
            "crop_pct": 0.875,
            "interpolation": "bicubic",
            "mean": IMAGENET_DEFAULT_MEAN,
            "std": IMAGENET_DEFAULT_STD,
            "first_conv": "conv_stem",
            "classifier": "classifier",
        }
    }
)
"""Inputs that the models registered here expect; timm looks for them under this name."""


@register_model  # type: ignore[untyped-decorator]
def mobilenetv1_025(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """MobileNetV1 at a quarter of its width with leaky ReLU: the small face backbone many detectors carry."""
    activation = partial(nn.LeakyReLU, negative_slope=0.1)
    network: nn.Module = _gen_mobilenet_v1(
        "mobilenetv1_025", 0.25, fix_stem_head=False, act_layer=activation, pretrained=pretrained, **kwargs
    )
    return network


@dataclass(frozen=True)
class Normalisation:
    """What the backbone expects its input to be shifted and scaled by, in units of [0, 1] RGB."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Network(nn.Module):
    """A timm backbone without its classifier, and our heads.

    Args:
        backbone: maps images to features.
        heads: map features to outputs.

    Attributes:
        frozen: whether the backbone is not trained now: it computes as in evaluation and gets no gradients.
    """

    def __init__(self, backbone: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.backbone, self.heads = backbone, heads
        self.frozen = False

    def train(self, mode: bool = True) -> Network:
        """Training mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.train(mode and not self.frozen)
        return self

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
            fetched, or a file that does not fit.
    """
    if not timm.is_model(recipe.backbone):
        raise ValueError(
            f"backbone {recipe.backbone!r} is unknown: {nearest(recipe.backbone, timm.list_models())}"
        )
    options: dict[str, Any] = {"num_classes": 0}
    config = timm.get_pretrained_cfg(recipe.backbone)
    if config is not None and config.fixed_input_size:
        options["img_size"] = recipe.image_size
    backbone = _make_backbone(recipe, options, hub=initialise and recipe.pretrained)
    if initialise and recipe.weights:
        _load_backbone(backbone, Path(recipe.weights))
    if recipe.head.pool == "gem":
        pool_generalised(backbone, recipe.backbone)
    width = getattr(backbone, "head_hidden_size", None) or backbone.num_features
    regression = number_output(recipe.tasks) if recipe.age.regression else ""
    heads = Heads(width, recipe.head, codings_of(recipe, labels), regression=regression)  # type: ignore[arg-type]
    return Network(backbone, heads)


def _make_backbone(recipe: Recipe, options: dict[str, Any], *, hub: bool) -> nn.Module:
    """The backbone, having seen one image of the recipe's size: some fail only then."""
    try:
        backbone = (
            _from_hub(recipe.backbone, options) if hub else timm.create_model(recipe.backbone, **options)
        )
        patch = max(getattr(getattr(backbone, "patch_embed", None), "patch_size", (1,)))
        assert recipe.image_size % patch == 0, f"patches of {patch} would leave a margin out"
        with torch.inference_mode():
            backbone.eval()(torch.zeros(1, 3, recipe.image_size, recipe.image_size))
    except (AssertionError, RuntimeError, ZeroDivisionError) as error:
        size = timm.get_pretrained_cfg(recipe.backbone).input_size[1]
        raise ValueError(
            f"image_size={recipe.image_size} does not fit backbone {recipe.backbone!r} "
            f"({str(error).splitlines()[0][:120]}); it was made for {size}: use that or a multiple of 32"
        ) from error
    return backbone.train()


def normalisation(network: Network) -> Normalisation:
    """Mean and standard deviation the backbone's weights were, or would be, trained with."""
    config = timm.data.resolve_model_data_config(network.backbone)
    return Normalisation(tuple(config["mean"]), tuple(config["std"]))


def _from_hub(backbone: str, options: dict[str, Any]) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(backbone, pretrained=True, **options)
    except Exception as error:  # whatever the hub's client raises: no network, no such file, no such weights
        raise ValueError(
            f"pretrained=true: the hub's weights of {backbone!r} could not be had "
            f"({type(error).__name__}: {str(error).splitlines()[0][:120]}). Where there is no network, fetch "
            'the file elsewhere and give it as weights = "path/to/file.safetensors" with pretrained = false, '
            "or WEIGHTS=path/to/file on the command line"
        ) from error
    return network


def _load_backbone(backbone: nn.Module, path: Path) -> None:
    """Load a file's weights, less its classifier's.

    Raises:
        ValueError: no such file, not weights, or those of another backbone.
    """
    if not path.is_file():
        raise ValueError(f"weights={str(path)!r}: no such file")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both loaders raise whatever they stumble over
        reason = str(error).splitlines()[0][:120]
        raise ValueError(
            f"weights={str(path)!r}: neither safetensors nor a state dict saved by torch ({reason})"
        ) from error
    own = backbone.state_dict()
    names = backbone.pretrained_cfg["classifier"]  # type: ignore[index]
    heads = (names,) if isinstance(names, str) else tuple(names)
    state = {k: v for k, v in state.items() if not k.startswith(tuple(f"{head}." for head in heads))}
    wrong = [k for k, v in state.items() if k not in own or own[k].shape != v.shape]
    missing = [k for k in own if k not in state and not k.endswith("num_batches_tracked")]
    if wrong or missing:
        raise ValueError(
            f"weights={str(path)!r} do not fit the backbone: {len(wrong)} of its tensors have no place "
            f"({wrong[:2]}), {len(missing)} of the backbone's are missing ({missing[:2]})"
        )
    backbone.load_state_dict(state, strict=False)
