"""Tensors as the compiled loops see them: rows of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def trains_here(x: Tensor) -> bool:
    """Whether a training step in float32 on a CPU passes by, with the channels of a pixel side by side."""
    return (
        x.device.type == "cpu"
        and x.dtype is torch.float32
        and torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and not torch.is_autocast_enabled("cpu")
        and x.ndim == 4
        and x.numel() > x.shape[1] > 1
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def images_of(x: Tensor) -> NDArray[np.float32]:
    """float32 [n, h, w, channels] the same memory as an array."""
    array: NDArray[Any] = x.detach().permute(0, 2, 3, 1).numpy()
    return array


def rows_of(x: Tensor) -> NDArray[np.float32]:
    """float32 [n * h * w, channels] the same memory as an array."""
    return images_of(x).reshape(-1, x.shape[1])
