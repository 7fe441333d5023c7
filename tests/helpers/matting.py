"""A matting model of one layer for rembg's real session: the mask is the photo's brightness."""


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
    """ValueInfoProto of float32 [n, channels, height, width]: models want 320 x 320, but one 1024 x 1024."""
    dims = [_field(2, "n"), _field(1, channels), _field(2, "h"), _field(2, "w")]
    shape = b"".join(_field(1, dim) for dim in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def brightness_model() -> bytes:
    """ONNX file with U-2-Net's signature, [n, 3, h, w] to seven maps, each the mean of the channels.

    Field numbers are those of onnx.proto: ModelProto, GraphProto, NodeProto, AttributeProto.
    """
    axes = _field(1, "axes") + _field(8, 1) + _field(20, 7)
    graph = b""
    for output in range(7):
        node = _field(1, "x") + _field(2, f"d{output}") + _field(4, "ReduceMean") + _field(5, axes)
        graph += _field(1, node) + _field(12, _tensor(f"d{output}", 1))
    graph += _field(2, "brightness") + _field(11, _tensor("x", 3))
    return _field(1, 7) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))
