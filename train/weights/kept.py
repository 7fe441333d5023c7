"""Which file a recipe's `weights` stands for, and whether the one of a known name is what it should be."""

from __future__ import annotations

from pathlib import Path

from faces.command import nearest
from train.network.weights_file import WeightsError, digest_of
from train.weights.card import read_weights_card
from train.weights.known import KNOWN, Known


def kept_weights(weights: str) -> Path:
    """The file that a recipe's `weights` stands for: of a known name the one in the folder of weights.

    Raises:
        WeightsError: of a known name no file is there, or as `is_made`; or a word that is no known name.
    """
    known, path = KNOWN.get(weights), Path(weights)
    if known is None:
        if path.parts == (weights,) and not path.suffix and not path.exists():
            raise WeightsError(
                f"weights={weights!r}: no such file, and no such name: {nearest(weights, [*KNOWN])}"
            )
        return path
    if not is_made(known):
        raise WeightsError(
            f"weights={weights!r}: no file {known.path}; `make weights NAME={weights}` brings it"
        )
    return known.path


def is_made(known: Known) -> bool:
    """Whether the file of known weights is there, and is the one known.

    Raises:
        WeightsError: another file lies in its place: edited, cut short, or made by another version.
    """
    path = known.path
    if not path.exists():
        return False
    try:
        card = read_weights_card(path)
        right = card is not None and digest_of(path.read_bytes()) == card.tensors == known.tensors
    except (OSError, ValueError, KeyError):
        right = False
    if not right:
        raise WeightsError(
            f"weights={known.name!r}: {path} is not the file of that name, but edited, damaged or of another "
            "version; move it elsewhere (WEIGHTS=file takes it from there), and let "
            f"`make weights NAME={known.name}` make it"
        )
    return True


def check_backbone(weights: str, backbone: str) -> None:
    """Refuse weights for a backbone that they do not fit, before they are fetched or read.

    Args:
        weights: of a recipe: a name, a file, or "".
        backbone: of the same.

    Raises:
        WeightsError: with the backbone that they are for; or a word that is no known name.
    """
    if weights in KNOWN:
        refuse_other(weights, KNOWN[weights].backbone, backbone)
    elif weights and (card := read_weights_card(kept_weights(weights))):
        refuse_other(weights, card.backbone, backbone)


def refuse_other(weights: str, wanted: str, backbone: str) -> None:
    """Refuse a backbone that weights are not for, by the name that timm gives it without its pretrained tag.

    Raises:
        WeightsError: with both.
    """
    if backbone.partition(".")[0] != wanted:
        raise WeightsError(
            f"weights={weights!r} are for backbone {wanted!r}, not {backbone!r}: "
            f'use backbone = "{wanted}", or other weights'
        )
