"""What a run keeps: the trained weights with all that is needed to use them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from faces.files import write_atomically
from faces.storage.tables import table_bytes
from train.engine.card import CURE, HEADER, OOF_FILE, TENSORS_NOTE, RunCard, RunError, card_text, parse_card
from train.network.model import Network, build_model
from train.network.weights_file import METADATA, digest_of, header_of, unfinite

_DRAWS = (
    *(Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_),
    *(nn.init.kaiming_normal_, nn.init.kaiming_uniform_),
)


def save_best(network: nn.Module, card: RunCard, path: Path, answers: pd.DataFrame | None = None) -> None:
    """Write weights and card as one safetensors file, and their answers as oof.parquet beside it.

    Each file names the other by its digest, and each is written atomically, the answers first: a kill
    between the two leaves files that do not fit each other, until the same training goes on and writes both.

    Args:
        network: whose weights are kept.
        card: without digests, which are filled in.
        path: best.safetensors.
        answers: of `train.results.oof.oof_table`; None where nobody validates.
    """
    # Copies: safetensors takes no tensor under two names, as backbones that share weights have them.
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    tensors, oof = digest_of(save(state)), ""
    if answers is not None:
        data = table_bytes(answers, {TENSORS_NOTE: tensors})
        oof = hashlib.sha256(data).hexdigest()
        write_atomically(path.with_name(OOF_FILE), data)
    card = dataclasses.replace(card, tensors=tensors, oof=oof)
    # One key: safetensors writes several in an order of its own, and equal runs are to be equal files.
    write_atomically(path, save(state, metadata={HEADER: card_text(card)}))


def load_weights(path: Path) -> tuple[dict[str, Tensor], RunCard]:
    """The weights of a run's file by name, on the CPU, and its card; both checked, in one read of the file.

    Raises:
        RunError: as `read_card`; weights that are not those of the card's digest; or any that is not finite.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; train it with `make train`")
    data = path.read_bytes()
    try:
        state, header = load(data), header_of(data)[0]
    except Exception as error:  # safetensors raises an exception type of its own for every kind of damage
        raise RunError(f"{path}: not a whole safetensors file ({error}); {CURE}") from error
    card = parse_card(header.get(METADATA, {}).get(HEADER), path)
    if card.tensors and digest_of(data) != card.tensors:
        raise RunError(f"{path}: edited or damaged, its weights do not fit the sha256 in its card; {CURE}")
    if wrong := unfinite(state):
        more = f" and {len(wrong) - 1} more tensors" if wrong[1:] else ""
        raise RunError(
            f"{path}: values of {wrong[0]!r}{more} are NaN or infinite; {CURE}, in precision fp32 if it was "
            "another"
        )
    return state, card


def load_best(path: Path) -> tuple[Network, RunCard]:
    """The trained network, in evaluation mode on the CPU, and its card.

    Raises:
        RunError: as `load_weights`, or weights of another network than the card's recipe describes.
    """
    state, card = load_weights(path)
    try:
        with _Undrawn():
            network = build_model(card.recipe, card.labels, initialise=False)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise RunError(f"{path}: its network cannot be built ({_first_line(error)}); {CURE}") from error
    own = network.state_dict()
    wrong = [name for name in {**own, **state} if not _alike(own.get(name), state.get(name))]
    if wrong:
        sides = [f"{[*side[wrong[0]].shape]}" if wrong[0] in side else "none" for side in (state, own)]
        raise RunError(
            f"{path}: weights of another network than its card describes, {len(wrong)} tensors differ: "
            f"{wrong[0]!r} is {sides[0]} there, {sides[1]} by the recipe; {CURE}"
        )
    network.load_state_dict(state)
    return network.eval(), card


class _Undrawn(TorchFunctionMode):
    """Where it is on, initial weights are not drawn: what was trained takes their place at once."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return (args or [*(kwargs or {}).values()])[0] if func in _DRAWS else func(*args, **(kwargs or {}))


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
