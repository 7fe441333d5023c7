"""Files of weights: every tensor in them, by name, without running code."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor

State = dict[str, Tensor]
METADATA = "__metadata__"
"""What stands beside the tensors in the header of a safetensors file."""

_SCALARS = [(np.float64(0).__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
_HARMLESS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    *_SCALARS,
    *{type(np.dtype(kind)) for kind in "fdilq?"},
]
"""Settings and scores that training scripts put beside weights; reading them runs no code."""


class WeightsError(ValueError):
    """A file of weights that does not fit; one line with the file, the reason and the cure."""


def read_weights(path: Path) -> State:
    """All tensors of a file, by the names under which they stand in it.

    Raises:
        WeightsError: no such file, or no tensors in it that can be read without running code.
    """
    if not path.is_file():
        what = "a folder, not a file of weights" if path.is_dir() else "no such file"
        raise WeightsError(f"weights={str(path)!r}: {what}")
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            state = dict(tensors_in(timm.models.load_state_dict(str(path), weights_only=True)))
    except Exception as error:  # both loaders raise whatever they stumble over
        reason = next(iter(str(error).splitlines()), "")
        if "Unsupported globals" in reason:
            raise WeightsError(
                f"weights={str(path)!r}: holds Python objects beside tensors, which are not read, as reading "
                "them can run code; where you trust the file, save its tensors alone: "
                "torch.save(model.state_dict(), file)"
            ) from error
        if "weights_only" in reason or not re.search("[a-z]{3}", reason):
            reason = ""  # an option of torch that is not ours, or a number
        why = _stand_in(path) or reason[:120]
        raise WeightsError(
            f"weights={str(path)!r}: neither safetensors nor a state dict saved by torch"
            f"{f' ({why})' if why else ''}"
        ) from error
    if not state:
        raise WeightsError(f"weights={str(path)!r}: no tensor in it; give a file of a network's state dict")
    return state


def tensors_in(table: Mapping[Any, Any], head: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors of nested tables, by their keys joined by dots."""
    for key, value in table.items():
        if isinstance(value, Tensor):
            yield f"{head}{key}", value
        elif isinstance(value, Mapping):
            yield from tensors_in(value, f"{head}{key}.")


def header_of(data: bytes) -> tuple[dict[str, Any], int]:
    """The table at the beginning of a safetensors file's bytes, and where the tensors begin behind it.

    Args:
        data: of a file that safetensors has read.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:end])
    return header, end


def digest_of(data: bytes) -> str:
    """Hex sha256 of the tensors in a safetensors file's bytes: names, dtypes, shapes and values, and nothing
    of what stands beside them in the header."""
    header, begin = header_of(data)
    tensors = {name: header[name] for name in sorted(header) if name != METADATA}
    digest = hashlib.sha256(json.dumps(tensors, sort_keys=True).encode())
    digest.update(memoryview(data)[begin:])
    return digest.hexdigest()


def unfinite(state: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that hold a NaN or an infinity."""
    # The least and the greatest value tell it in one pass: they are NaN where any value is.
    return [
        name
        for name, tensor in state.items()
        if tensor.is_floating_point()
        and tensor.numel()
        and not all(math.isfinite(end.item()) for end in tensor.aminmax())
    ]


def _stand_in(path: Path) -> str:
    """What lies in place of weights that were not fetched, or ""."""
    with path.open("rb") as file:
        start = file.read(64).lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer: git lfs pull fetches the file itself"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page, such as a server's error: fetch the file again"
    return ""
