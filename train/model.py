"""timm backbones with one linear classifier that serves all heads of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
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

from faces.labels import TASKS
from faces.settings import nearest
from train.recipe import Recipe

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
"""Where timm looks for what the models registered here expect."""


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


def head_sizes(tasks: Sequence[str]) -> list[int]:
    """Number of classes of each task, in order: how the classifier's outputs are split."""
    return [len(TASKS[task].classes) for task in tasks]


def split_heads(logits: Tensor, tasks: Sequence[str]) -> dict[str, Tensor]:
    """[n, all heads' classes] -> [n, classes] by task name."""
    return dict(zip(tasks, torch.split(logits, head_sizes(tasks), dim=1), strict=True))


def build_model(recipe: Recipe, *, initialise: bool = True) -> nn.Module:
    """The recipe's network: float RGB [n, 3, S, S], normalised -> logits [n, all heads' classes].

    Args:
        recipe: names backbone, tasks, input size, dropout and where weights come from.
        initialise: load the weights the recipe starts from; False when trained ones follow anyway.

    Raises:
        ValueError: unknown backbone, weights that cannot be fetched, or a file that does not fit.
    """
    if not timm.is_model(recipe.backbone):
        raise ValueError(
            f"backbone {recipe.backbone!r} is unknown: {nearest(recipe.backbone, timm.list_models())}"
        )
    options: dict[str, Any] = {"num_classes": sum(head_sizes(recipe.tasks)), "drop_rate": recipe.dropout}
    config = timm.get_pretrained_cfg(recipe.backbone)
    if config is not None and config.fixed_input_size:
        options["img_size"] = recipe.image_size
    if initialise and recipe.pretrained:
        network = _from_hub(recipe.backbone, options)
    else:
        network = timm.create_model(recipe.backbone, **options)
    if initialise and recipe.weights:
        _load_backbone(network, Path(recipe.weights))
    if isinstance(classifier := network.get_classifier(), nn.Linear):  # type: ignore[operator]
        # torch's bound 1 / sqrt(features); timm's EfficientNets use 1 / sqrt(classes), and their first logits
        # of a few classes are then so large that the steps that undo it spoil pretrained features.
        classifier.reset_parameters()
    return network


def normalisation(network: nn.Module) -> Normalisation:
    """Mean and standard deviation the backbone's weights were, or would be, trained with."""
    config = timm.data.resolve_model_data_config(network)
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


def _load_backbone(network: nn.Module, path: Path) -> None:
    """Load all weights but the classifier's, whose width is the recipe's own."""
    if not path.is_file():
        raise ValueError(f"weights={str(path)!r}: no such file")
    if path.suffix == ".safetensors":
        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    names = network.pretrained_cfg["classifier"]  # type: ignore[index]
    heads = (names,) if isinstance(names, str) else tuple(names)
    state = {k: v for k, v in state.items() if not k.startswith(tuple(f"{head}." for head in heads))}
    wrong = [k for k, v in state.items() if k not in own or own[k].shape != v.shape]
    missing = [k for k in own if k not in state and not k.startswith(tuple(f"{head}." for head in heads))]
    missing = [k for k in missing if not k.endswith("num_batches_tracked")]
    if wrong or missing:
        raise ValueError(
            f"weights={str(path)!r} do not fit the backbone: {len(wrong)} of its tensors have no place "
            f"({wrong[:2]}), {len(missing)} of the backbone's are missing ({missing[:2]})"
        )
    network.load_state_dict(state, strict=False)
