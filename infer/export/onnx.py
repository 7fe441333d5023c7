"""A module as a torch.export program and as ONNX, and ONNX files in ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch.export import Dim, ExportedProgram

from faces.labels import FloatArray
from infer.export.network import Exported
from infer.export.program.sessions import check_seal, open_session

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
    examples = tuple(torch.zeros(2, 3, each.size, each.size) for each in model.inputs)
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
    """Silence the exporter, which warns of its own internals."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


class OnnxModel:
    """An exported model, on the CPU.

    Args:
        path: the ONNX file.
        threads: of ONNX Runtime within an operator; 0 for as many as there are cores.

    Attributes:
        sizes: side in pixels of the photos of each input, by name.

    Raises:
        ValueError: not as it was exported.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        check_seal(path)
        self._session = open_session(str(path), threads)
        self.sizes: dict[str, int] = {each.name: each.shape[2] for each in self._session.get_inputs()}
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, photos: Mapping[str, FloatArray]) -> dict[str, NDArray[Any]]:
        """Answers.

        Args:
            photos: float32 RGB [n, 3, S, S], 0 to 255, for each input by name.

        Returns:
            By name: probabilities float32 [n, classes], the choice int64 [n].
        """
        return dict(zip(self._outputs, self._session.run(None, dict(photos)), strict=True))

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of the file, by key."""
        return dict(self._session.get_modelmeta().custom_metadata_map)
