"""The card of known weights: where they come from and what they expect; it travels in their file's header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from safetensors import safe_open

from faces.command import from_table, to_table
from faces.storage.documents import document, parse_document
from train.network.weights_file import WeightsError
from train.weights.known import Known

HEADER: Final = "facefold_weights"
"""The card's key in the header of the file."""


@dataclass(frozen=True, kw_only=True)
class WeightsCard:
    """What is to be known of weights beside their values."""

    name: str
    """What recipes call them."""
    backbone: str
    """The timm model that they are for."""
    source: str
    """Package, version and registry."""
    author: str
    licence: str
    learned_from: str
    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    norms: Literal["whole", "folded"]
    """folded: batch norms hold no statistics, which training gives them first."""
    files: Mapping[str, str]
    """Hex sha256 of each file of the package that was read."""
    tensors: str
    """Hex sha256 of the tensors (`train.network.weights_file.digest_of`)."""


def card_of(known: Known, tensors: str) -> WeightsCard:
    """The card of known weights whose tensors have this digest."""
    return WeightsCard(
        name=known.name,
        backbone=known.backbone,
        source=f"{known.package} {known.version} ({known.manager})",
        author=known.author,
        licence=known.licence,
        learned_from=known.learned_from,
        image_size=known.image_size,
        mean=known.mean,
        std=known.std,
        norms="folded" if known.folded else "whole",
        files=known.files,
        tensors=tensors,
    )


def card_text(card: WeightsCard) -> str:
    """A card as the sealed text that the file's header holds."""
    return document(to_table(card)).decode()


def read_weights_card(path: Path) -> WeightsCard | None:
    """The card of a file of weights; None of a file without one, whoever wrote it.

    Raises:
        WeightsError: a card that was edited or damaged.
    """
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get(HEADER)
    except Exception:  # of another kind, or none at all: whoever reads the weights tells
        return None
    if text is None:
        return None
    source, cure = f"weights={str(path)!r}", "make the file again with `make weights`"
    try:
        return from_table(WeightsCard, parse_document(text.encode(), source, cure), source)
    except ValueError as error:
        raise WeightsError(str(error) if cure in str(error) else f"{error}; {cure}") from error
