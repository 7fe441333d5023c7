"""`python -m infer.cards`: the model card of a trained recipe, or of one of its folds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class CardSettings:
    """Write what must be known of a trained network before it is used: data, folds, scores out of fold with
    intervals and slices, limits, intended and excluded use, licences, settings and versions.

    All of it is read from the run's own files. `make evaluate` writes the card of an ensemble, and `make
    export` one beside each model.

    Example: make card RUN=runs/quick
    """

    run: Path
    """Folder of a recipe's folds, runs/<recipe>, or of one, runs/<recipe>/fold<k>."""
    out: Path | None = None
    """File to write; model_card.md in that folder if not given."""


def run(settings: CardSettings) -> None:
    """Read the run and write its card."""
    # torch takes seconds to import, for which --help should not wait.
    from faces.files import write_atomically
    from infer.cards.runs import card_of_run
    from infer.cards.text import CARD

    out = settings.out or settings.run / CARD
    write_atomically(out, card_of_run(settings.run).encode())
    print(f"wrote {out}")


def main() -> None:
    """`python -m infer.cards`."""
    run_command(CardSettings, run)
