"""Matting through rembg's real session, with a model of one layer: the mask is the photo's brightness."""

from pathlib import Path

import numpy as np
import pytest

from preprocess.matte import Matting, find_weights


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, channels: int) -> bytes:
    """ValueInfoProto of float32 [n, channels, 320, 320]."""
    dims = [_field(2, "n"), *(_field(1, d) for d in (channels, 320, 320))]
    shape = b"".join(_field(1, dim) for dim in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def brightness_model() -> bytes:
    """ONNX file with U-2-Net's signature, [n, 3, 320, 320] to seven maps, each the mean of the channels.

    Field numbers are those of onnx.proto: ModelProto, GraphProto, NodeProto, AttributeProto.
    """
    axes = _field(1, "axes") + _field(8, 1) + _field(20, 7)
    graph = b""
    for output in range(7):
        node = _field(1, "x") + _field(2, f"d{output}") + _field(4, "ReduceMean") + _field(5, axes)
        graph += _field(1, node) + _field(12, _tensor(f"d{output}", 1))
    graph += _field(2, "brightness") + _field(11, _tensor("x", 3))
    return _field(1, 7) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    return tmp_path


def test_the_background_is_painted_over_and_the_person_kept(home: Path) -> None:
    (home / "u2netp.onnx").write_bytes(brightness_model())
    crop = np.zeros((64, 64, 3), np.uint8)
    crop[16:48, 16:48] = 250
    for background, colour in (("white", 255), ("grey", 128)):
        painted = Matting("u2netp", background)(crop)  # type: ignore[arg-type]
        assert painted.shape == crop.shape and painted.dtype == np.uint8
        np.testing.assert_allclose(painted[20:44, 20:44], 250, atol=2)
        np.testing.assert_allclose(painted[:10], colour, atol=2)
        np.testing.assert_allclose(painted[:, -10:], colour, atol=2)
    np.testing.assert_array_equal(crop[:10], 0)


def test_a_crop_without_a_person_is_kept(home: Path) -> None:
    (home / "models" / "u2netp").mkdir(parents=True)
    (home / "models" / "u2netp" / "u2netp.onnx").write_bytes(brightness_model())
    flat = np.full((64, 64, 3), 90, np.uint8)
    np.testing.assert_array_equal(Matting("u2netp", "white")(flat), flat)


def test_missing_weights_are_named_with_their_place(home: Path) -> None:
    with pytest.raises(ValueError, match=rf"matting_model=u2net: no u2net.onnx; .* to {home}/u2net.onnx"):
        find_weights("u2net")


def test_weights_that_are_none_are_an_error(home: Path) -> None:
    (home / "silueta.onnx").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"silueta.onnx: not usable as rembg's silueta"):
        Matting("silueta", "white")
