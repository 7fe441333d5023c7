"""Backbones that timm lacks, registered so that it makes them by name."""

from __future__ import annotations

from functools import partial
from typing import Any

from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.efficientnet import _gen_mobilenet_v1
from torch import nn

_FACES = {
    "input_size": (3, 160, 160),
    "pool_size": (3, 3),
    "crop_pct": 1.0,
    "interpolation": "bilinear",
    "mean": (0.5,) * 3,
    # It divides what lies 127.5 below 0 to 255 by 128.
    "std": (128 / 255,) * 3,
    "first_conv": "conv2d_1a.conv",
    "classifier": "logits",
}
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
        },
        "inception_resnet_v1.vggface2": {**_FACES, "num_classes": 8631},
        "inception_resnet_v1.casia_webface": {**_FACES, "num_classes": 10575},
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


@register_model  # type: ignore[untyped-decorator]
def inception_resnet_v1(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """facenet-pytorch's InceptionResnetV1; with weights that it learned from VGGFace2, or by the tag
    `.casia_webface` from CASIA-WebFace."""
    from train.network.inception import (
        FaceInception,
        load_published,
    )  # of a library that takes seconds to import

    network: FaceInception = build_model_with_cfg(FaceInception, "inception_resnet_v1", False, **kwargs)
    if pretrained and not next(network.parameters()).is_meta:
        load_published(network, network.pretrained_cfg["tag"].replace("_", "-"))
    return network
