"""Matting through rembg's real session, with a model of one layer: the mask is the photo's brightness."""

from pathlib import Path
from typing import get_args

import numpy as np
import onnxruntime
import pytest

from preprocess.crop.matte import CPU, CUDA, MODELS, Matting, find_weights, models_help
from preprocess.settings import MattingModel
from tests.helpers.matting import brightness_model


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    return tmp_path


def bright_square(height: int = 64, width: int = 64) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[height // 4 : -height // 4, width // 4 : -width // 4] = 250
    return picture


@pytest.mark.parametrize("model", get_args(MattingModel))
def test_every_model_gives_the_person_of_a_picture_of_any_shape(home: Path, model: MattingModel) -> None:
    (home / f"{model}.onnx").write_bytes(brightness_model())
    matting = Matting(model, "auto")
    for height, width in ((64, 64), (60, 100)):
        picture = bright_square(height, width)
        alpha = matting(picture)
        assert alpha.shape == (height, width) and alpha.dtype == np.uint8
        np.testing.assert_allclose(alpha[height // 3 : -height // 3, width // 3 : -width // 3], 255, atol=8)
        np.testing.assert_allclose(alpha[: height // 8], 0, atol=3)
        np.testing.assert_array_equal(picture, bright_square(height, width))
    assert matting.provider == CPU


def test_a_picture_without_a_person_gives_nothing(home: Path) -> None:
    (home / "models" / "u2netp").mkdir(parents=True)
    (home / "models" / "u2netp" / "u2netp.onnx").write_bytes(brightness_model())
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert not Matting("u2netp", "cpu")(flat).any()


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"U2NET_HOME": "u2"}, "u2/models/silueta/silueta.onnx"),
        ({"U2NET_HOME": "u2", "REMBG_HOME": "re", "XDG_DATA_HOME": "xdg"}, "u2/silueta.onnx"),
        ({"REMBG_HOME": "re", "XDG_DATA_HOME": "xdg"}, "re/models/silueta/silueta.onnx"),
        ({"XDG_DATA_HOME": "xdg"}, "xdg/rembg/models/silueta/silueta.onnx"),
        ({"XDG_DATA_HOME": "xdg"}, "xdg/.u2net/silueta.onnx"),
        ({}, ".rembg/models/silueta/silueta.onnx"),
        ({}, ".u2net/silueta.onnx"),
    ],
)
def test_weights_are_found_where_rembg_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], place: str
) -> None:
    from rembg.sessions.silueta import SiluetaSession

    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("U2NET_HOME", "REMBG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, folder in variables.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    with pytest.raises(ValueError, match=r"no silueta.onnx"):
        find_weights("silueta")
    (tmp_path / place).parent.mkdir(parents=True)
    (tmp_path / place).touch()
    assert find_weights("silueta") == tmp_path / place
    assert SiluetaSession.resolve_existing("silueta.onnx") == str(tmp_path / place)


def test_missing_weights_are_named_with_their_place_and_licence(home: Path) -> None:
    with pytest.raises(ValueError, match=rf"no u2net.onnx; .* to {home}/u2net.onnx.*stated: Apache-2.0"):
        find_weights("u2net")


def test_weights_that_are_none_are_an_error(home: Path) -> None:
    (home / "silueta.onnx").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"silueta.onnx: not usable as rembg's silueta"):
        Matting("silueta", "cpu")


def test_a_gpu_that_onnxruntime_cannot_use_is_refused_with_the_cure(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "u2netp.onnx").write_bytes(brightness_model())
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(ValueError, match=r"device=cuda: .*--device auto.* put onnxruntime-gpu in its place$"):
        Matting("u2netp", "cuda")


@pytest.mark.skipif(CUDA in onnxruntime.get_available_providers(), reason="here CUDA is really there")
def test_a_silent_fallback_to_the_cpu_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime that names CUDA and whose session then runs on the CPU, as without CUDA's libraries."""
    (home / "u2netp.onnx").write_bytes(brightness_model())
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    with pytest.raises(ValueError, match=rf"device=cuda: onnxruntime fell back to {CPU}"):
        Matting("u2netp", "cuda")
    assert Matting("u2netp", "auto").provider == CPU


def test_the_help_has_a_line_for_each_model_with_size_and_licence() -> None:
    assert {*MODELS} == {*get_args(MattingModel)}
    lines = models_help().splitlines()
    assert [line.split()[0] for line in lines] == [*MODELS]
    for line, model in zip(lines, MODELS.values(), strict=True):
        assert f"{model.megabytes:g} MB" in line and model.licence in line
    assert "bria" not in models_help()
