"""A model of NVIDIA Triton's Python backend: the file of a photo in, its face as the network sees it out.

It stands before the network in a Triton ensemble, which `make export ... FORMAT=triton` writes. The server's
Python must have numpy, onnxruntime, opencv-python-headless and pillow>=11.2.1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as backend

from faces.photos.files import BadPhoto
from faces.photos.gate import decode_photo
from infer.export.program.crops import look
from infer.export.program.detector import Detector
from infer.export.program.faces import cut_faces


class TritonPythonModel:
    """Photos to faces. A request holds photos, [n, 1] bytes; one that is none fails its request alone."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read description.json and the detector's networks, which lie beside this file."""
        folder = Path(args["model_repository"]) / args["model_version"]
        told = json.loads((folder / "description.json").read_text(encoding="utf-8"))
        self._inputs, self._crop = told["inputs"], told["crop"]
        networks = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.onnx"))}
        self._detector = Detector(folder, networks, self._crop, threads=1) if networks else None

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """An answer for each request, in order."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        photos = backend.get_input_tensor_by_name(request, "photo").as_numpy().ravel()
        try:
            decoded = [np.asarray(decode_photo(data)[0]) for data in photos]
        except BadPhoto as bad:
            return backend.InferenceResponse(output_tensors=[], error=backend.TritonError(bad.reason))
        seen = [cut_faces(photo, self._crop, self._detector)[0] for photo in decoded]
        tensors = {
            each["name"]: np.stack([look(crop, each["size"], each["centre"]) for crop, _ in seen])
            for each in self._inputs
        }
        tensors["box"] = np.array([box or (0, 0, 0, 0) for _, box in seen], np.float32)
        tensors["detected"] = np.array([[box is not None] for _, box in seen])
        return backend.InferenceResponse(
            output_tensors=[backend.Tensor(name, values) for name, values in tensors.items()]
        )
