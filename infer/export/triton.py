"""An exported model as a model repository of NVIDIA Triton Inference Server.

Three models: `<name>` is an ensemble, photos in and answers out, of `<name>_faces` (the Python backend: it
decodes, searches and cuts out) and `<name>_network` (ONNX Runtime: the exported model itself).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from faces.files import write_atomically
from infer.export.compose import PARTS, compose
from infer.export.program.predictor import Predictor

PROGRAM: Final = "infer/export/program"
LEFT_OUT: Final = {f"{PROGRAM}/{part}.py" for part in ("description", "predictor", "folders", "run")}
MODEL_PARTS: Final = (*(part for part in PARTS if part not in LEFT_OUT), f"{PROGRAM}/triton.py")
"""What the model.py of the Python backend is composed of."""
MOST: Final = 64
"""Photos of one request, and that go through the network together."""
SEARCHING: Final = 2
"""Processes that search faces side by side; who has more cores writes another `count` into config.pbtxt."""
KINDS: Final = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64"}
"""Types of ONNX Runtime in Triton's words."""


class Tensor(NamedTuple):
    """One input or output, as config.pbtxt describes it."""

    name: str
    kind: str
    sides: Sequence[int]
    """Its shape, without the photos."""
    labelled: bool = False
    """Whether a file has the names of its classes."""
    flat: bool = False
    """Whether the network gives one number a photo, with no side of its own, which Triton cannot describe."""

    def text(self) -> str:
        sides = ", ".join(map(str, self.sides))
        more = f' label_filename: "{self.name}.txt"' if self.labelled else ""
        more += " reshape { shape: [ ] }" if self.flat else ""
        return f'{{ name: "{self.name}" data_type: {self.kind} dims: [ {sides} ]{more} }}'


PHOTO: Final = Tensor("photo", "TYPE_STRING", (1,))
FOUND: Final = (Tensor("box", "TYPE_FP32", (4,)), Tensor("detected", "TYPE_BOOL", (1,)))


def write_repository(model: Path, folder: Path, name: str) -> None:
    """Write the repository of an exported model.

    Args:
        model: model.onnx of an export, with its detector.
        folder: to write; made if missing.
        name: of the ensemble; what is no letter, digit, `.`, `-` or `_` becomes `_`.

    Raises:
        ValueError: no model of `make export`, or one without a detector.
        OSError: the folder cannot be written.
    """
    predictor = Predictor(model, threads=1)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    faces, network = f"{name}_faces", f"{name}_network"
    told = predictor.description
    classes = {each["name"]: each["classes"] for each in told["outputs"]}
    seen = [Tensor(each["name"], "TYPE_FP32", (3, each["size"], each["size"])) for each in told["inputs"]]
    answers = [
        Tensor(each.name, KINDS[each.type], each.shape[1:] or (1,), each.name in classes, not each.shape[1:])
        for each in predictor.outputs
    ]
    files: dict[str, str | bytes] = {
        f"{faces}/config.pbtxt": _config(faces, "python", [PHOTO], [*seen, *FOUND])
        + f"instance_group [ {{ count: {SEARCHING} kind: KIND_CPU }} ]\n",
        f"{faces}/1/model.py": compose(MODEL_PARTS),
        f"{faces}/1/description.json": json.dumps(told),
        f"{network}/config.pbtxt": _config(network, "onnxruntime", seen, answers),
        f"{network}/1/model.onnx": model.read_bytes(),
        f"{name}/config.pbtxt": _ensemble(name, faces, network, seen, answers),
        # Triton wants a folder of the version of an ensemble, too, and stores of objects keep no empty one.
        f"{name}/1/README": f"The ensemble of {faces} and {network}: see config.pbtxt.\n",
    }
    if predictor.detector:
        files |= {f"{faces}/1/{part}.onnx": data for part, data in predictor.networks.items()}
    for output, names in classes.items():
        text = "".join(f"{each}\n" for each in names)
        files |= {f"{name}/{output}.txt": text, f"{network}/{output}.txt": text}
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / path, content if isinstance(content, bytes) else content.encode())


def _config(name: str, backend: str, taken: Sequence[Tensor], given: Sequence[Tensor]) -> str:
    """config.pbtxt of a model that takes the photos of several requests together."""
    lines = [f'name: "{name}"', f'backend: "{backend}"', f"max_batch_size: {MOST}", "dynamic_batching { }"]
    lines += [f"input {each.text()}" for each in taken] + [f"output {each.text()}" for each in given]
    return "\n".join(lines) + "\n"


def _ensemble(name: str, faces: str, network: str, seen: Sequence[Tensor], answers: Sequence[Tensor]) -> str:
    """config.pbtxt of the ensemble."""
    given = [*(each._replace(flat=False) for each in answers), *FOUND]
    lines = [f'name: "{name}"', 'platform: "ensemble"', f"max_batch_size: {MOST}", f"input {PHOTO.text()}"]
    lines += [f"output {each.text()}" for each in given] + ["ensemble_scheduling {"]
    for step, taken, made in ((faces, [PHOTO], [*seen, *FOUND]), (network, seen, answers)):
        lines.append(f'  step {{ model_name: "{step}" model_version: -1')
        for kind, tensors in (("input_map", taken), ("output_map", made)):
            lines += [f'    {kind} {{ key: "{each.name}" value: "{each.name}" }}' for each in tensors]
        lines.append("  }")
    return "\n".join([*lines, "}"]) + "\n"
