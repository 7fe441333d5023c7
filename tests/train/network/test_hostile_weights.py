"""Weights that would run code when they are read are refused, and nothing of them runs."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from train.network.weights_file import WeightsError, read_weights


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (str(self.path), "w")


def saved(value: object, **options: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, data in files.items():
            file.writestr(name.replace("__", "/").replace("_pkl", ".pkl"), data)
    return buffer.getvalue()


KINDS: dict[str, Callable[[Payload], bytes]] = {
    "pickle": pickle.dumps,
    "pickle of old": lambda payload: pickle.dumps(payload, protocol=0),
    "saved by torch": saved,
    "beside tensors": lambda payload: saved({"a": torch.ones(2), "b": payload}),
    "saved by torch of old": lambda payload: saved(payload, _use_new_zipfile_serialization=False),
    "script": lambda payload: archive(
        a__data_pkl=pickle.dumps(payload), a__constants_pkl=pickle.dumps(payload)
    ),
    "header without end": lambda _: struct.pack("<Q", 2**62) + b"{}",
    "table without end": lambda _: struct.pack("<Q", 100_000) + b"[" * 100_000,
    "no archive": lambda _: b"PK\3\4" + bytes(1000),
}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".pth.tar"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_runs(kind: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(KINDS[kind](Payload(tmp_path / "pwned")))
    with pytest.raises(WeightsError, match="weights=") as refused:
        read_weights(path)
    assert not (tmp_path / "pwned").exists()
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


def test_the_payload_would_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Payload(tmp_path / "pwned")))
    assert (tmp_path / "pwned").exists()


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "zero.pt").symlink_to("/dev/zero")
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "zero.pt")
