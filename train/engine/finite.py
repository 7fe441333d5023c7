"""Outputs and training states that are not finite: found where they come about, and what to do about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from faces.command import typed
from train.engine.card import BEST_FILE
from train.engine.processes import Processes
from train.network.weights_file import unfinite
from train.recipe.recipe import Recipe

CHANGE: Final = 'a lower optimiser.lr, optimiser.clip, or precision = "fp32"'
"""What keeps a network's numbers in the range of its arithmetic, where the recipe is not at hand."""
_STATES: Final = ("model", "optimiser", "average")
"""Tables of a training state whose tensors must be finite. Scores may be NaN, where nobody is of a class."""


class FiniteOutputs:
    """Which photos got outputs, or probabilities, that are not finite.

    Probabilities alone do not tell it: of infinite logits a sigmoid makes 0 or 1, so that an overflowed
    network is sure of one class. It is kept on the device, so that nothing waits until `check`.

    Args:
        photos: how many are answered.
    """

    def __init__(self, photos: int) -> None:
        self._photos = photos
        self._wrong: dict[str, Tensor] = {}

    def look(self, head: str, outputs: Tensor, answers: Tensor, places: slice) -> None:
        """Note some photos, in the precision that the network ran in.

        Args:
            head: its task.
            outputs: [n, outputs] of the head.
            answers: [n, classes] the probabilities made of them.
            places: of the n photos among all.
        """
        wrong = self._wrong.setdefault(
            head, torch.zeros(self._photos, dtype=torch.bool, device=answers.device)
        )
        wrong[places] |= ~(outputs.isfinite().all(1) & answers.isfinite().all(1))

    def check(
        self,
        where: str,
        cure: str,
        key_of: Callable[[int], object],
        processes: Processes = Processes(),
    ) -> None:
        """Refuse what was noted of any process; the host waits for the device.

        Args:
            where: run and precision, which the message begins with.
            cure: its end.
            key_of: the key of the photo at a place.
            processes: those that share the photos; all of them must call this.

        Raises:
            ValueError: naming the first head, how many photos, and the first of them that is this process's.
        """
        if not self._wrong:
            return
        each = torch.stack([wrong.sum() for wrong in self._wrong.values()]).double()
        counts = (processes.mean(each) * processes.world).round().long().tolist()
        for (head, wrong), count in zip(self._wrong.items(), counts, strict=True):
            if count:
                mine = wrong.nonzero()
                first = f", the first has key {key_of(int(mine[0]))}" if len(mine) else ""
                raise ValueError(
                    f"{where}, head {head}: the outputs for {count:,} photos are not finite{first}; {cure}"
                )


def unfinite_state(state: Mapping[str, Any]) -> str:
    """Which tensors of a training state hold a NaN or an infinity, `'model: heads.layer.weight' and 2 more
    tensors`; "" where none does."""
    found: dict[str, Tensor] = {}

    def gather(value: Any, name: str) -> None:
        if isinstance(value, Tensor):
            found[name] = value
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                gather(inner, f"{name}{'.' if ': ' in name else ': '}{key}")

    for table in _STATES:
        gather(state.get(table), table)
    wrong = unfinite(found)
    more = f" and {len(wrong) - 1} more tensors" if wrong[1:] else ""
    return f"{wrong[0]!r}{more}" if wrong else ""


def way_out(folder: Path, recipe: Recipe | None = None) -> str:
    """What to do about a training whose numbers left the range of its arithmetic; it ends a message.

    A training is a function of its recipe, so that going on, from whatever state, comes to the same end.

    Args:
        folder: of the run.
        recipe: of the run; None where it is not at hand.
    """
    best = folder / BEST_FILE
    change = CHANGE if recipe is None else _change(recipe)
    start = f", or from the epoch kept so far with WEIGHTS={typed(best)}" if best.is_file() else ""
    return (
        "going on from a saved state comes to the same end: copy the recipe under another name, there use "
        f"{change}, and train that; it begins anew{start}"
    )


def _change(recipe: Recipe) -> str:
    """Which settings of a recipe to change."""
    optimiser = recipe.optimiser
    changes = [
        f"a lower optimiser.lr than {optimiser.lr:g}",
        f"a lower optimiser.clip than {optimiser.clip:g}" if optimiser.clip else "optimiser.clip = 1.0",
    ]
    if recipe.precision != "fp32":
        changes.append(f'precision = "fp32" instead of {recipe.precision}')
    return f"{', '.join(changes[:-1])} or {changes[-1]}"
