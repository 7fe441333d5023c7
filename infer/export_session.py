"""An exported model in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from faces.labels import FloatArray
from infer.deploy.predict import open_session


class OnnxModel:
    """An exported model, on the CPU.

    Args:
        path: the ONNX file.
        threads: of ONNX Runtime within an operator; 0 for as many as there are cores.

    Attributes:
        sizes: side in pixels of the photos of each input, by name.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self._session = open_session(str(path), threads)
        self.sizes: dict[str, int] = {put.name: put.shape[2] for put in self._session.get_inputs()}
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
        """What the file says of itself."""
        return dict(self._session.get_modelmeta().custom_metadata_map)
