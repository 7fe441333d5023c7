"""A model repository for Triton: its configurations fit each other and the network, its model answers."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from skimage.data import astronaut

from infer.export.command import ExportSettings
from infer.export.compose import ROOT, compose
from infer.export.metadata import describe_detector
from infer.export.program.predictor import Predictor
from infer.export.triton import KINDS, MODEL_PARTS, MOST, write_repository
from tests.infer.export.test_predictor_damage import DESCRIPTION, SEARCHED, model_bytes
from tests.infer.export.triton import TYPES, load, parsed, request
from tests.serve.conftest import traced_detector

PORTRAIT = astronaut()[:300, 80:380]


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def searching(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model that searches faces, with its repository beside it, of the name `hats 2_`."""
    folder = tmp_path_factory.mktemp("triton")
    networks = json.loads(describe_detector(traced_detector()))
    crop = {**SEARCHED, "clamp": True}
    (folder / "model.onnx").write_bytes(model_bytes({**DESCRIPTION, "crop": crop}, networks))
    write_repository(folder / "model.onnx", folder / "triton", "hats 2")
    return folder


def configurations(folder: Path) -> dict[str, Any]:
    return {path.parent.name: parsed(path.read_text()) for path in (folder / "triton").glob("*/config.pbtxt")}


def test_the_repository_is_laid_out_as_triton_reads_it(searching: Path) -> None:
    found = configurations(searching)
    assert sorted(found) == ["hats_2", "hats_2_faces", "hats_2_network"]
    for name, config in found.items():
        assert (config.name, config.max_batch_size) == (name, MOST)
        assert (searching / "triton" / name / "1").is_dir()
        for output in config.output:
            if output.label_filename:
                labels = searching / "triton" / name / output.label_filename
                assert (output.name, labels.read_text()) == ("probabilities", "yes\nno\n")
    assert (found["hats_2"].platform, found["hats_2_faces"].backend) == ("ensemble", "python")
    network = searching / "triton/hats_2_network/1/model.onnx"
    assert network.read_bytes() == (searching / "model.onnx").read_bytes()
    assert found["hats_2_network"].backend == "onnxruntime"


def test_names_types_and_sides_are_those_of_the_network(searching: Path) -> None:
    config = configurations(searching)["hats_2_network"]
    session = onnxruntime.InferenceSession(searching / "model.onnx", providers=["CPUExecutionProvider"])
    for told, nodes in ((config.input, session.get_inputs()), (config.output, session.get_outputs())):
        assert [each.name for each in told] == [node.name for node in nodes]
        for each, node in zip(told, nodes, strict=True):
            assert each.data_type == TYPES[KINDS[node.type]]
            # Triton puts the photos first, and reshapes what has no other side.
            reshaped = list(each.reshape.shape) if each.name == "choice" else list(each.dims)
            assert reshaped == node.shape[1:] and isinstance(node.shape[0], str)
            assert list(each.dims)


def test_the_steps_of_the_ensemble_fit_together(searching: Path) -> None:
    """As Triton compares them: all inputs are given, and a tensor has one type and shape everywhere."""
    found = configurations(searching)
    ensemble = found["hats_2"]
    known = {each.name: (each.data_type, list(each.dims)) for each in ensemble.input}
    for step in ensemble.ensemble_scheduling.step:
        model = found[step.model_name]
        assert {pair.key: pair.value for pair in step.input_map} == {
            each.name: each.name for each in model.input
        }
        assert {pair.key for pair in step.output_map} == {each.name for each in model.output}
        for each in model.input:
            assert known[each.name] == (each.data_type, list(each.dims)), each.name
        known |= {each.name: (each.data_type, list(each.dims)) for each in model.output}
    for each in ensemble.output:
        assert known[each.name] == (each.data_type, list(each.dims)), each.name
    assert {each.name for each in ensemble.output} == {"probabilities", "choice", "box", "detected"}


def test_a_field_that_triton_does_not_know_would_be_found() -> None:
    with pytest.raises(Exception, match="no field named"):
        parsed('name: "a" max_batch: 3')


def test_the_model_gives_the_network_what_the_predictor_does(searching: Path) -> None:
    folder = searching / "triton/hats_2_faces"
    model = load((folder / "1/model.py").read_text())
    model.initialize({"model_repository": str(folder), "model_version": "1"})
    photos = [png(PORTRAIT), png(np.full((60, 50, 3), 200, np.uint8)), png(np.rot90(PORTRAIT, 2))]
    [first, bad, last] = model.execute([request(*photos[:2]), request(b"no photo"), request(photos[2])])
    assert str(bad.error) == "no photo but a text file"
    config = configurations(searching)["hats_2_faces"]
    predictor = Predictor(searching / "model.onnx", threads=1)
    answered = []
    for response, count in ((first, 2), (last, 1)):
        assert response.error is None
        assert sorted(response.tensors) == sorted(each.name for each in config.output)
        for each in config.output:
            assert response.tensors[each.name].shape == (count, *each.dims), each.name
            assert response.tensors[each.name].dtype == {1: np.bool_, 11: np.float32}[each.data_type]
        fed = {"faces_8": response.tensors["faces_8"]}
        session = onnxruntime.InferenceSession(searching / "model.onnx", providers=["CPUExecutionProvider"])
        answered += [row[0] for row in session.run(["probabilities"], fed)[0]]
    assert first.tensors["detected"].tolist() == [[True], [False]]
    assert first.tensors["box"][1].tolist() == [0, 0, 0, 0]
    for number, photo in enumerate(photos):
        path = searching / f"{number}.png"
        path.write_bytes(photo)
        [(crop, box)] = predictor.see(path)
        assert answered[number] == pytest.approx(predictor.values([crop])["probabilities"][0, 0], abs=1e-6)
        if number == 0 and box:
            np.testing.assert_allclose(first.tensors["box"][0], box, rtol=1e-6)
    assert len({round(float(answer), 3) for answer in answered}) == 3


def test_photos_as_they_are_need_no_detector(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model_bytes())
    write_repository(tmp_path / "model.onnx", tmp_path / "triton", "hats")
    folder = tmp_path / "triton/hats_faces"
    assert not [*folder.rglob("*.onnx")]
    model = load((folder / "1/model.py").read_text())
    model.initialize({"model_repository": str(folder), "model_version": "1"})
    [answer] = model.execute([request(png(np.full((20, 30, 3), 77, np.uint8)))])
    assert (answer.tensors["faces_8"] == 77).all()
    assert answer.tensors["box"].tolist() == [[0, 0, 30, 20]]


def test_model_py_is_clean_and_imports_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(compose(MODEL_PARTS))
    assert not {"from faces", "from infer", "import torch"} & {
        " ".join(line.split()[:2]).split(".")[0] for line in (tmp_path / "model.py").read_text().splitlines()
    }
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_triton_without_a_detector_is_refused() -> None:
    with pytest.raises(ValueError, match="format=triton: its models search faces; leave --no-predictor out"):
        ExportSettings(run=Path("runs/x/fold0"), format="triton", predictor=False)
