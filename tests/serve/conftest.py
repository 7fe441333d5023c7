"""Services of models whose answers are known in closed form: how bright a crop is."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
import uvicorn
from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from PIL import Image
from skimage.data import astronaut
from starlette.testclient import TestClient

from infer.export.detector import SIDES
from infer.export.metadata import describe_detector
from infer.export.onnx import quiet
from serve.app import make_app
from serve.limits import Limits
from serve.work import make_service
from tests.infer.export.test_predictor_damage import DESCRIPTION, SEARCHED, model_bytes

PORTRAIT: np.ndarray = astronaut()[:300, 80:380]
PAIR = np.concatenate([PORTRAIT, PORTRAIT[:, ::-1]], 1)
FEW = Limits(
    photo_mb=1, request_mb=3, photos=4, megapixels=1, faces=1, upload_s=2, answer_s=30, waiting=8, held_mb=3
)
"""Limits that a test can reach."""


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def grey(value: int) -> bytes:
    """A photo that `yes` is said of with probability value / 255 where no face is searched."""
    return png(np.full((20, 20, 3), value, np.uint8))


def files(*photos: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("photos", ("a.png", photo, "image/png")) for photo in photos]


def written(folder: Path, description: object, detector: object = None, **more: str) -> Path:
    folder.mkdir()
    (folder / "model.onnx").write_bytes(model_bytes(description, detector, **more))
    return folder


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of photos as they are."""
    return written(tmp_path_factory.mktemp("plain") / "hats", DESCRIPTION)


def traced_detector() -> dict[str, bytes]:
    """What `infer.export.detector.detector_networks` gives, by the older exporter, which takes a tenth of the
    time and is not fit for all networks."""
    found = {}
    for name, kind in (("pnet", PNet), ("rnet", RNet), ("onet", ONet)):
        free = (0, 2, 3) if name == "pnet" else (0,)
        buffer, example = io.BytesIO(), torch.zeros(2, 3, SIDES[name], SIDES[name])
        axes = {"x": {axis: f"x{axis}" for axis in free}}
        with quiet():
            torch.onnx.export(
                kind().eval(), (example,), buffer, input_names=["x"], dynamic_axes=axes, dynamo=False
            )
        found[name] = buffer.getvalue()
    return found


@pytest.fixture(scope="session")
def searching(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose photos are searched for faces."""
    networks = json.loads(describe_detector(traced_detector()))
    crop = {**SEARCHED, "clamp": True}
    return written(tmp_path_factory.mktemp("searching") / "hats", {**DESCRIPTION, "crop": crop}, networks)


@contextmanager
def asked(model: Path, limits: Limits | None = None) -> Iterator[TestClient]:
    with TestClient(make_app(make_service(model, limits or Limits()))) as client:
        yield client


@pytest.fixture(scope="module")
def client(plain: Path) -> Iterator[TestClient]:
    with asked(plain) as client:
        yield client


@pytest.fixture(scope="module")
def strict(plain: Path) -> Iterator[TestClient]:
    with asked(plain, FEW) as client:
        yield client


@pytest.fixture(scope="module")
def looking(searching: Path) -> Iterator[TestClient]:
    with asked(searching) as client:
        yield client


@contextmanager
def listening(make: Callable[[], object]) -> Iterator[int]:
    """A real server of an app in a thread, and its port."""
    server = uvicorn.Server(uvicorn.Config(make(), host="127.0.0.1", port=0, log_level="error"))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
