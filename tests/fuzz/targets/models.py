"""Exported models, as predict.py reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from faces.storage.seal import UNSEALED, sealed
from infer.export.metadata import DESCRIPTION, DETECTOR
from infer.export.program.description import FORMAT, SEAL
from infer.export.program.predictor import Predictor
from tests.fuzz.mutate import mutate
from tests.fuzz.sealing import resealed
from tests.fuzz.structure import changed
from tests.fuzz.target import Case, Target, placed
from tests.helpers.runs.untrained_runs import CROP

SIZE: Final = 8
CLASSES: Final = ("worn", "incorrect", "normal")
_TOLD: Final = {
    "format": FORMAT,
    "inputs": [{"name": "photos", "size": SIZE, "centre": 1.0}],
    "outputs": [{"name": "mask", "task": "mask", "classes": [*CLASSES], "factors": {"mask": [*CLASSES]}}],
    "crop": CROP,
    "views": ["original"],
    "ensemble": "",
    "runs": {"some/fold0": "0" * 64},
}


def _network(name: str, output: str, classes: int, side: int) -> onnx.ModelProto:
    """A network of the means of colours."""
    weight = np.linspace(-1, 1, 3 * classes, dtype=np.float32).reshape(3, classes) / 255
    nodes = [
        helper.make_node("GlobalAveragePool", [name], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
        helper.make_node("Softmax", ["scores"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, side, side])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(weight, "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _model(crop: Mapping[str, Any]) -> bytes:
    model = _network("photos", "mask", len(CLASSES), SIZE)
    detector = _network("x", "chances", 2, 24).SerializeToString()
    parts = {name: base64.b64encode(detector).decode() for name in ("pnet", "rnet", "onet")}
    told = {DESCRIPTION: json.dumps({**_TOLD, "crop": crop}), DETECTOR: json.dumps(parts), SEAL: UNSEALED}
    helper.set_model_props(model, told)
    return sealed(model.SerializeToString())


def _with_metadata(data: bytes, random: Random) -> bytes:
    """A model whose metadata say something else."""
    model = onnx.load_from_string(data)
    entry = random.choice([each for each in model.metadata_props if each.key != SEAL])
    if random.random() < 0.8:
        entry.value = json.dumps(changed(json.loads(entry.value), random)).encode(errors="replace").decode()
    else:
        entry.value = mutate(entry.value.encode(), [entry.value.encode()], random).decode(errors="replace")
    return bytes(model.SerializeToString())


def models() -> Target:
    """`Predictor`, and its answer to one crop."""
    seeds: Sequence[bytes] = [_model(CROP), _model({**CROP, "faces": "as_is"})]

    def make(random: Random) -> Case:
        data = random.choice(seeds)
        data = _with_metadata(data, random) if random.random() < 0.6 else mutate(data, seeds, random)
        return Case("model.onnx", resealed(data) if random.random() < 0.9 else data)

    def read(case: Case, folder: Path) -> None:
        predictor = Predictor(placed(case, folder), threads=1)
        predictor([np.zeros((SIZE, SIZE, 3), np.uint8)])

    return Target(make=make, read=read)
