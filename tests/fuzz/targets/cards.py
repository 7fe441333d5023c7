"""Trained weights: the card in their header, and the tensors."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np

from faces.labels import CONTEST
from tests.fuzz.mutate import mutate
from tests.fuzz.sealing import resealed
from tests.fuzz.structure import changed
from tests.fuzz.target import Case, Target, placed
from tests.helpers.untrained_runs import write_run
from train.engine.checkpoint import RunError, load_best, read_card
from train.recipe.recipe import Recipe

TASKS: Final = ("mask", "gender", "age3")
_LENGTH: Final = 8
"""Bytes in front of a safetensors header, which say how long it is."""


def _seed() -> bytes:
    recipe = Recipe(tasks=TASKS, backbone="test_resnet", image_size=32, precision="fp32")
    with tempfile.TemporaryDirectory() as folder:
        return write_run(Path(folder) / "run", recipe, labels=CONTEST).read_bytes()


def _parts(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and its tensors' bytes."""
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    header: dict[str, Any] = json.loads(data[_LENGTH:end])
    return header, data[end:]


def _whole(header: dict[str, Any], tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(_LENGTH, "little") + text + tensors


def _with_card(data: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A file whose card is changed, as text, and fits its seal again."""
    header, tensors = _parts(data)
    for key, text in header["__metadata__"].items():
        header["__metadata__"][key] = resealed(change(text.encode())).decode(errors="replace")
    return _whole(header, tensors)


def _damaged(seed: bytes, random: Random) -> bytes:
    how = random.choice(("card", "card", "card", "card text", "header", "beginning", "bytes", "tensors"))
    if how == "card":
        return _with_card(seed, lambda text: json.dumps(changed(json.loads(text), random)).encode())
    if how == "card text":
        return _with_card(seed, lambda text: mutate(text, [text], random))
    header, tensors = _parts(seed)
    if how == "header":
        return _whole(changed(header, random), tensors)
    if how == "beginning":
        return mutate(seed[: len(seed) - len(tensors)], [seed[:2000]], random) + tensors
    if how == "bytes":
        return mutate(seed, [seed], random)
    values = np.frombuffer(tensors, np.float32).copy()
    values[random.randrange(len(values))] = random.choice((np.nan, np.inf, 1e38))
    return _whole(header, values.tobytes())


def _target(read: Callable[[Path], object]) -> Target:
    seed = _seed()

    def make(random: Random) -> Case:
        return Case("fold0/best.safetensors", _damaged(seed, random))

    return Target(
        make=make, read=lambda case, folder: read(placed(case, folder)), refuses=(RunError, ValueError)
    )


def cards() -> Target:
    """`read_card`."""
    return _target(read_card)


def weights() -> Target:
    """`load_best`."""
    return _target(load_best)
