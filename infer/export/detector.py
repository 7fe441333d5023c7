"""The networks of the face detector as ONNX files, for predict.py."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from infer.export.onnx import quiet, to_onnx

SIDES = {"pnet": 12, "rnet": 24, "onet": 48}
"""Side in pixels of the pictures that each network looks at; the first slides over larger ones."""


@cache  # they are the package's own, whatever is exported
def detector_networks() -> dict[str, bytes]:
    """`pnet`, `rnet` and `onet` as ONNX files.

    Each takes `x`, float32 [n, 3, side, side] from about -1 to 1 (`pnet`: any height and width), and gives
    corrections of the box first and the chances of no face and a face last.
    """
    from facenet_pytorch.models.mtcnn import ONet, PNet, RNet

    return {name: _exported(kind(), name) for name, kind in (("pnet", PNet), ("rnet", RNet), ("onet", ONet))}


def _exported(network: nn.Module, name: str) -> bytes:
    side = SIDES[name]
    free = (0, 2, 3) if name == "pnet" else (0,)
    # Height and width differ, or the graph would take them for equal.
    example = torch.zeros(2, 3, side + 7, side + 12) if name == "pnet" else torch.zeros(2, 3, side, side)
    with quiet():
        shapes = {"x": dict.fromkeys(free, torch.export.Dim.DYNAMIC)}
        program = torch.export.export(network.eval(), (example,), dynamic_shapes=shapes, strict=False)
    return bytes(to_onnx(program, ["x"], None).SerializeToString())
