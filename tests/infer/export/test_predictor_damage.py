"""What the predictor that is exported says of models and names that are not as they should be."""

import base64
import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from faces.storage import seal
from infer.export.program.description import SEAL
from tests.infer.export.program import predict

DESCRIPTION: dict[str, Any] = {
    "format": 1,
    "inputs": [{"name": "faces_8", "size": 8, "centre": 1.0}],
    "outputs": [
        {
            "name": "probabilities",
            "task": "hat",
            "classes": ["yes", "no"],
            "choice": "choice",
            "factors": {"hat": ["yes", "no"]},
        }
    ],
    "crop": {"size": 8, "faces": "as_is"},
}
SEARCHED = {"size": 8, "margin": 0.25, "min_face": 20, "detect_size": 640, "steps": ["mtcnn"]}


def model_bytes(description: object = DESCRIPTION, detector: object = None, **more: str) -> bytes:
    """A model that answers `yes` to photos brighter than grey, sealed as exports are."""
    nodes = [
        helper.make_node("ReduceMean", ["faces_8"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Div", ["mean", "most"], ["share"]),
        helper.make_node("Unsqueeze", ["share", "one"], ["bright"]),
        helper.make_node("Sub", ["whole", "bright"], ["dark"]),
        helper.make_node("Concat", ["bright", "dark"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["choice"], axis=1, keepdims=0),
    ]
    constants = [
        helper.make_tensor("most", TensorProto.FLOAT, [], [255.0]),
        helper.make_tensor("whole", TensorProto.FLOAT, [], [1.0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "hat",
        [helper.make_tensor_value_info("faces_8", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2]),
            helper.make_tensor_value_info("choice", TensorProto.INT64, ["n"]),
        ],
        constants,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    told = {"facefold": json.dumps(description), "facefold_detector": json.dumps(detector or {})}
    helper.set_model_props(proto, {**told, **more, SEAL: seal.UNSEALED})
    return seal.sealed(proto.SerializeToString())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(model_bytes())
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(np.full((20, 20, 3), 204, np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_model_that_is_whole_answers(model: Path, photo: Path, tmp_path: Path) -> None:
    assert predict.main([str(model), str(photo), "--out", str(tmp_path / "a.csv")]) == 0
    [row] = csv.DictReader((tmp_path / "a.csv").open())
    assert (row["hat"], row["hat probability"]) == ("yes", "0.8000")


def test_a_model_of_before_has_no_seal_and_answers(model: Path, photo: Path) -> None:
    proto = onnx.load(model)
    [prop] = [prop for prop in proto.metadata_props if prop.key == SEAL]
    proto.metadata_props.remove(prop)
    onnx.save(proto, model)
    assert predict.main([str(model), str(photo)]) == 0


def test_every_flip_and_cut_is_told_before_a_photo_is_read(
    model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, rng, out = model.read_bytes(), random.Random(0), tmp_path / "answers.csv"
    out.write_text("answers of before")
    at = whole.rindex(seal.MARK)
    damaged = [b"", b"no model", whole[: len(whole) // 2], whole[:-1], whole + b"\0"]
    for _ in range(40):
        place = rng.randrange(len(whole))
        damaged.append(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
    damaged.append(whole[:at] + b"F" + whole[at + 1 :])  # the mark itself
    for data in damaged:
        model.write_bytes(data)
        assert predict.main([str(model), str(photo), "--out", str(out)]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {model}: ") and line.endswith("; export it again with `make export`")
        assert out.read_text() == "answers of before"


def changed(place: str, value: object) -> dict[str, Any]:
    """The description with one value set, or left out where it is None."""
    told = json.loads(json.dumps(DESCRIPTION))
    *steps, last = place.split(".")
    inner = told
    for step in steps:
        inner = inner[int(step)] if step.isdigit() else inner[step]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return told


WRONG = [
    *((changed(key, value), key) for key in ("inputs", "outputs", "crop") for value in (None, 3, [3], "a")),
    *((changed("inputs.0.name", value), "inputs") for value in (None, 3, "other")),
    *((changed("inputs.0.size", value), "inputs") for value in (None, "8", 0, -8, 9, 10**9, 8.5, True)),
    *((changed("inputs.0.centre", v), "inputs") for v in (None, "1", 0, -1, 1.5, float("nan"), [1])),
    *((changed("outputs.0.name", value), "outputs") for value in (None, 3, "other", [])),
    *((changed("outputs.0.choice", value), "outputs") for value in (3, "other", [], "probabilities")),
    *((changed("outputs.0.factors", value), "outputs") for value in (3, {}, {"a": 3}, {"a": ["b"]}, ["b"])),
    *((changed("crop.size", value), "crop") for value in (None, "8", 0, 10**9)),
    *(
        (changed("crop", {**SEARCHED, key: value}), f"crop.{key}")
        for key in ("margin", "min_face", "detect_size", "steps")
        for value in ("a", -1, 10**9, float("nan"))
    ),
    ({**DESCRIPTION, "outputs": [{**DESCRIPTION["outputs"][0], "choice": None}]}, "outputs"),
    (changed("crop", SEARCHED), "its detector has not the networks"),
    (["no table"], "FaceFold exported no such model"),
    (changed("format", 2), "FaceFold exported no such model"),
]


@pytest.mark.parametrize(("told", "word"), WRONG)
def test_metadata_that_are_none_are_told_with_the_field(
    model: Path, photo: Path, capsys: pytest.CaptureFixture[str], told: object, word: str
) -> None:
    model.write_bytes(model_bytes(told))
    assert predict.main([str(model), str(photo)]) == 2
    shown = capsys.readouterr()
    [line] = shown.err.splitlines()
    assert line.startswith(f"error: {model}: ") and word in line and not shown.out


def test_a_detector_that_is_none_is_told(
    model: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for networks, what in (
        (dict.fromkeys(predict.SCORES, "?"), "its metadata are not readable"),
        ({name: base64.b64encode(b"no").decode() for name in predict.SCORES}, "not a model that ONNX"),
        ({"pnet": 3}, "its metadata are not readable"),
        ([1], "its metadata are not readable"),
    ):
        model.write_bytes(model_bytes(changed("crop", SEARCHED), networks))
        assert predict.main([str(model), str(photo)]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {model}: ") and what in line


def test_a_table_that_cannot_be_written_is_told(
    model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path, tmp_path / "none" / "a.csv", Path("/dev/full")):
        assert predict.main([str(model), str(photo), "--out", str(out)]) == 2
        assert capsys.readouterr().err.startswith(f"error: {out}: ")
