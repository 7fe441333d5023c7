"""What a run keeps: the card in the header of its weights, the tensors, its request, its training state."""

from __future__ import annotations

import hashlib
import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import torch

from faces.labels import CONTEST
from tests.fuzz.mutate import mutate
from tests.fuzz.sealing import resealed
from tests.fuzz.structure import changed
from tests.fuzz.target import Case, Target, placed
from tests.helpers.runs.untrained_runs import write_run
from train.engine.card import HEADER, read_card
from train.engine.checkpoint import load_best
from train.engine.state import read_state
from train.network.weights_file import METADATA, digest_of
from train.recipe.recipe import Recipe
from train.recipe.request import Request, read_request

RECIPE: Final = Recipe(
    tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=32, precision="fp32"
)
_LENGTH: Final = 8
"""Bytes in front of a safetensors header, which say how long it is."""


def _seed() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_run(Path(folder) / "run", RECIPE, labels=CONTEST).read_bytes()


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
    text = header[METADATA][HEADER].encode()
    header[METADATA][HEADER] = resealed(change(text)).decode(errors="replace")
    return _whole(header, tensors)


def _mended(data: bytes) -> bytes:
    """A file whose card has the digest of its tensors, where it is still such a file."""
    try:
        digest = digest_of(data)
        return _with_card(data, lambda text: json.dumps({**json.loads(text), "tensors": digest}).encode())
    except (ValueError, LookupError, TypeError, AttributeError, MemoryError):
        return data


def _damaged(seed: bytes, random: Random) -> bytes:
    how = random.choice(("card", "card", "card", "card text", "header", "beginning", "bytes", "tensors"))
    if how == "card":
        return _with_card(seed, lambda text: json.dumps(changed(json.loads(text), random)).encode())
    if how == "card text":
        return _with_card(seed, lambda text: mutate(text, [text], random))
    header, tensors = _parts(seed)
    if how == "header":
        data = _whole(changed(header, random), tensors)
    elif how == "beginning":
        data = mutate(seed[: len(seed) - len(tensors)], [seed[:2000]], random) + tensors
    elif how == "bytes":
        data = mutate(seed, [seed], random)
    else:
        values = np.frombuffer(tensors, np.float32).copy()
        values[random.randrange(len(values))] = random.choice((np.nan, np.inf, 1e38))
        data = _whole(header, values.tobytes())
    return _mended(data) if random.random() < 0.8 else data


def _target(read: Callable[[Path], object], name: str, make: Callable[[Random], bytes]) -> Target:
    return Target(
        make=lambda random: Case(f"fold0/{name}", make(random)),
        read=lambda case, folder: read(placed(case, folder)),
        refuses=(ValueError,),
    )


def cards() -> Target:
    """`read_card`."""
    seed = _seed()
    return _target(read_card, "best.safetensors", lambda random: _damaged(seed, random))


def weights() -> Target:
    """`load_best`."""
    seed = _seed()
    return _target(load_best, "best.safetensors", lambda random: _damaged(seed, random))


def requests() -> Target:
    """`read_request`."""
    request = Request(recipe=RECIPE, cache="0" * 64, fold=1, folds=5, fold_seed=0)
    seed = request.document()

    def make(random: Random) -> bytes:
        if random.random() < 0.7:
            return resealed(json.dumps(changed(json.loads(seed), random)).encode())
        return resealed(mutate(seed, [seed], random))

    return _target(read_request, "request.json", make)


def states() -> Target:
    """`read_state`, behind the digest at the end of the file."""
    buffer = io.BytesIO()
    model = {"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.zeros(3, dtype=torch.bfloat16)}
    torch.save(
        {"model": model, "epoch": 3, "rng": torch.get_rng_state()[:64], "notes": ["a", (1, 2.5)]}, buffer
    )
    seed = buffer.getvalue()

    def make(random: Random) -> bytes:
        data = mutate(seed, [seed], random)
        return data + hashlib.sha256(data).digest()

    return _target(read_state, "last.pt", make)
