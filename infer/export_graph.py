"""From a module to a torch.export program and to ONNX, without the exporter's noise."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from infer.export_network import Exported

LARGEST = 2_000_000_000
"""Bytes of weights that fit into one ONNX file: protobuf ends at 2 GiB."""


def to_program(model: Exported) -> ExportedProgram:
    """The model as a torch.export program of any batch size.

    Raises:
        ValueError: more weights than one ONNX file can hold.
    """
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    if size > LARGEST:
        raise ValueError(
            f"{len(model.members)} runs have {size / 1e9:.1f} GB of weights, and one ONNX file holds "
            f"{LARGEST / 1e9:.0f}: export fewer runs, or smaller ones"
        )
    examples = tuple(torch.zeros(2, 3, put.size, put.size) for put in model.inputs)
    photos = Dim("photos", min=1)
    with quiet():
        return torch.export.export(
            model, examples, dynamic_shapes={"photos": tuple({0: photos} for _ in examples)}, strict=False
        )


def to_onnx(program: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str] | None) -> Any:
    """The program as an ONNX ModelProto.

    Args:
        program: of `to_program`, or any other.
        inputs: names, in the order of its arguments.
        outputs: names, in the order of its results; those of the graph if None.
    """
    with quiet():
        exported = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=inputs, output_names=outputs
        )
    assert exported is not None
    return exported.model_proto


@contextmanager
def quiet() -> Iterator[None]:
    """The exporter and what it calls warn of their own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
