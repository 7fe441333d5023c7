"""The face network of the npm package, a graph of TensorFlow.js, as timm's mobilenetv1_100 and three heads.

Every operation is exact, or rounded once from a sum in float64 that does not depend on an order, so that the
result is the same bits on every machine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import timm
import torch
from numpy.typing import NDArray

from train.network.weights_file import State, WeightsError

Arrays = dict[str, NDArray[np.float32]]
BACKBONE: Final = "backbone."
"""Stands before the names of the backbone's tensors."""
SOURCE: Final = "source."
"""Stands before those of the network's own heads: `feats` [256, 1024] with ReLU, and on it `gender` [1, 256],
the logit of male, and `age` [100, 256], the logits of 1 to 100 years."""
_MEAN_BGR: Final = (103.939, 116.779, 123.68)
"""What the network took off its input, of 0 to 255 (Simonyan and Zisserman 2015)."""
_HALF: Final = 127.5
"""(x - .5) / .5 of x in 0 to 1 times this, and this more, is in 0 to 255."""
_NORM: Final = "_bn/batchnorm_1/"
_HEADS: Final = {"feats": "feats", "gender": "gender_pred", "age": "age_pred"}


def faceres_tensors(files: Mapping[str, bytes], backbone: str) -> State:
    """Tensors of the backbone and of the network's own heads.

    Batch norms stay folded: mean 0, variance 1 less epsilon. The input is RGB with mean and standard
    deviation .5; the mean colour that the network took off BGR is moved into the first norm. At the border,
    where the network saw that colour, it now sees grey.

    Args:
        files: manifest (.json) and tensors (.bin).
        backbone: the timm model.

    Raises:
        WeightsError: a manifest that does not fit the bytes, or tensors of another network.
    """
    found = _arrays(files)
    try:
        state = _heads(found) | {
            BACKBONE + name: values for name, values in _backbone(found, backbone).items()
        }
    except (KeyError, ValueError) as error:
        raise WeightsError(
            f"{next(iter(files))}: not the graph of {backbone} with its heads: {error}"
        ) from error
    return {name: torch.from_numpy(np.array(values, np.float32, order="C")) for name, values in state.items()}


def _arrays(files: Mapping[str, bytes]) -> Arrays:
    """The tensors of a TensorFlow.js manifest, which lie one after another in the .bin."""
    manifest, raw = files.values()
    place, found = 0, {}
    for entry in json.loads(manifest)["weightsManifest"][0]["weights"]:
        kind, count = np.dtype(entry["dtype"]), math.prod(entry["shape"])
        if place + count * kind.itemsize > len(raw):
            break
        found[entry["name"]] = np.frombuffer(raw, kind, count, place).reshape(entry["shape"])
        place += count * kind.itemsize
    if place != len(raw):
        raise WeightsError(f"{[*files][1]}: {len(raw):,} bytes, and its manifest tells of others")
    return found


def _backbone(found: Arrays, backbone: str) -> dict[str, NDArray[Any]]:
    with torch.device("meta"):
        own = timm.create_model(backbone, num_classes=0).state_dict()
    # [height, width, B G R, filters]
    stem = found["conv1/convolution/merged_input"].astype(np.float64)
    state = {
        "conv_stem.weight": (stem * _HALF).transpose(3, 2, 0, 1)[:, ::-1],
        **_norm(found, "conv1", "bn1"),
    }
    grey = stem * (_HALF - np.array(_MEAN_BGR))[:, None]
    state["bn1.bias"] = state["bn1.bias"] + [
        math.fsum(values) for values in grey.reshape(-1, grey.shape[-1]).T
    ]
    blocks = [name.removesuffix(".conv_dw.weight") for name in own if name.endswith(".conv_dw.weight")]
    for number, block in enumerate(blocks, 1):
        depth, points = f"conv_dw_{number}", f"conv_pw_{number}"
        state[f"{block}.conv_dw.weight"] = found[f"{depth}/depthwise_kernel"].transpose(2, 3, 0, 1)
        state[f"{block}.conv_pw.weight"] = found[f"{points}/convolution/merged_input"].transpose(3, 2, 0, 1)
        state |= _norm(found, depth, f"{block}.bn1") | _norm(found, points, f"{block}.bn2")
    wrong = [name for name in state if own[name].shape != state[name].shape]
    if wrong or len(state) != sum(not name.endswith("num_batches_tracked") for name in own):
        raise ValueError(f"shape of {wrong[0]}" if wrong else f"{len(state)} tensors")
    return state


def _norm(found: Arrays, name: str, place: str) -> dict[str, NDArray[Any]]:
    """A batch norm that multiplies and adds what is left of one."""
    shift = found[f"{name}{_NORM}sub"]
    epsilon = np.float32(1e-5)
    return {
        f"{place}.weight": found.get(f"{name}{_NORM}mul", np.ones_like(shift)),
        f"{place}.bias": shift.astype(np.float64),
        f"{place}.running_mean": np.zeros_like(shift),
        f"{place}.running_var": np.ones_like(shift) - epsilon,
    }


def _heads(found: Arrays) -> dict[str, NDArray[Any]]:
    heads: dict[str, NDArray[Any]] = {}
    for name, source in _HEADS.items():
        heads[f"{SOURCE}{name}.weight"] = found[f"{source}/kernel"].T
        heads[f"{SOURCE}{name}.bias"] = found[f"{source}/bias"]
    return heads
