"""Files of a run with other things in them, as damage, copying and programs of before leave them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from faces.storage.documents import document
from train.engine.card import HEADER
from train.network.weights_file import METADATA, digest_of, header_of

Table = dict[str, Any]


def card_table(best: Path) -> Table:
    """The card in a file of weights, without its seal."""
    table: Table = json.loads(header_of(best.read_bytes())[0][METADATA][HEADER])
    table.pop("seal", None)
    return table


def write_card(best: Path, table: Table, *, sealed: bool = True) -> None:
    """Give weights another card."""
    text = document(table).decode() if sealed else json.dumps(table)
    save_file(load_file(best), best, metadata={HEADER: text})


def save_unsealed(best: Path) -> None:
    """Make a run's weights, and its answers if they have no digest, those of a program of before."""
    table = card_table(best)
    write_card(
        best, {key: table[key] for key in table if key not in ("tensors", "oof", "cache")}, sealed=False
    )


def change_weights(best: Path, change: Callable[[Table], Table], *, resealed: bool = False) -> None:
    """Change the tensors by name; where `resealed`, their digest fits them again."""
    table = card_table(best)
    save_file(change(load_file(best)), best)
    if resealed:
        table["tensors"] = digest_of(best.read_bytes())
    write_card(best, table)
