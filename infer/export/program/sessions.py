"""Models: whether they are whole, and opened in ONNX Runtime."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import onnxruntime

from faces.storage.seal import is_intact

AGAIN = "export it again with `make export`"


def open_session(model: bytes | str, threads: int) -> Any:
    """A model in ONNX Runtime, on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def check_seal(path: Path) -> None:
    """Compare a model with the sha256 in it, which is that of the file with zeros in its place.

    Models of before have none.

    Raises:
        ValueError: not as it was exported.
    """
    if not path.stat().st_size:  # which cannot be mapped, and ONNX Runtime refuses
        return
    # Mapped, a model is not copied to be looked at.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        intact = is_intact(data)
    if not intact:
        raise ValueError(f"{path}: edited or damaged, its content does not fit the sha256 in it; {AGAIN}")


def opened(path: Path, model: bytes | str, threads: int) -> Any:
    """`open_session` of a model, or of a network in one.

    Raises:
        ValueError: ONNX Runtime does not open it; it has an exception type for every kind of damage.
    """
    try:
        return open_session(model, threads)
    except Exception as error:
        what = f"not a model that ONNX Runtime opens ({first_line(error)})"
        raise ValueError(f"{path}: {what}; {AGAIN}") from error


def first_line(error: Exception) -> str:
    """The beginning of an error's message."""
    return next(iter(str(error).splitlines()), type(error).__name__)
