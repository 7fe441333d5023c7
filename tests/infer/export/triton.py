"""NVIDIA Triton's part in tests: its words for a configuration, and what its Python backend gives a model."""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

TYPES = {"TYPE_BOOL": 1, "TYPE_INT64": 9, "TYPE_FP32": 11, "TYPE_STRING": 13}
MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "Reshape": {"shape": (1, "int64*")},
    "Input": {"name": (1, "string"), "data_type": (2, "Type"), "dims": (4, "int64*")},
    "Output": {
        "name": (1, "string"), "data_type": (2, "Type"), "dims": (3, "int64*"),
        "label_filename": (4, "string"), "reshape": (5, "Reshape"),
    },
    "Batching": {},
    "Group": {"count": (2, "int32"), "kind": (4, "Kind")},
    "Pair": {"key": (1, "string"), "value": (2, "string")},
    "Step": {
        "model_name": (1, "string"), "model_version": (2, "int64"), "input_map": (3, "Pair*"),
        "output_map": (4, "Pair*"),
    },
    "Ensemble": {"step": (1, "Step*")},
    "Config": {
        "name": (1, "string"), "platform": (2, "string"), "max_batch_size": (4, "int32"),
        "input": (5, "Input*"), "output": (6, "Output*"), "instance_group": (7, "Group*"),
        "dynamic_batching": (11, "Batching"), "ensemble_scheduling": (15, "Ensemble"),
        "backend": (17, "string"),
    },
}  # fmt: skip
"""The fields of Triton's model_config.proto that exports use, with their numbers; `*` is repeated. In text a
map is a repeated message of key and value."""
PLAIN = {"int64": 3, "int32": 5, "string": 9}


def _schema() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="config.proto", package="t", syntax="proto3")
    for name, values in (("Type", {"TYPE_INVALID": 0, **TYPES}), ("Kind", {"KIND_AUTO": 0, "KIND_CPU": 2})):
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            bare = kind.removesuffix("*")
            added = message.field.add(name=field, number=number, label=3 if kind.endswith("*") else 1)
            if bare in PLAIN:
                added.type = PLAIN[bare]  # type: ignore[assignment]
            else:
                added.type = 14 if bare in ("Type", "Kind") else 11  # type: ignore[assignment]
                added.type_name = f".t.{bare}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)  # type: ignore[no-untyped-call]
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Config"))  # type: ignore[no-untyped-call]


CONFIG = _schema()


def parsed(text: str) -> Any:
    """A config.pbtxt; a field that Triton does not know, or of another type, is an error."""
    return text_format.Parse(text, CONFIG())


class Tensor:
    """`triton_python_backend_utils.Tensor`."""

    def __init__(self, name: str, values: np.ndarray) -> None:
        assert isinstance(values, np.ndarray)
        self._name, self._values = name, values

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> np.ndarray:
        return self._values


class InferenceResponse:
    """The backend's own: tensors, or an error."""

    def __init__(self, output_tensors: list[Tensor], error: Exception | None = None) -> None:
        self.tensors = {tensor.name(): tensor.as_numpy() for tensor in output_tensors}
        self.error = error


class TritonError(Exception):
    """The backend's own."""


def load(source: str) -> Any:
    """The `TritonPythonModel` of a model.py, in a module of its own."""
    backend = ModuleType("triton_python_backend_utils")
    backend.__dict__.update(
        Tensor=Tensor,
        InferenceResponse=InferenceResponse,
        TritonError=TritonError,
        get_input_tensor_by_name=lambda request, name: request[name],
    )
    module = ModuleType("triton_model")
    sys.modules |= {"triton_python_backend_utils": backend, "triton_model": module}
    exec(compile(source, "model.py", "exec"), module.__dict__)
    return module.TritonPythonModel()  # type: ignore[attr-defined]


def request(*photos: bytes) -> Mapping[str, Tensor]:
    """One request of some photos, as the backend hands it to a model."""
    return {"photo": Tensor("photo", np.array(photos, object).reshape(-1, 1))}
