"""`python -m serve.one --photo FILE`: the answer to one photo, with whatever model there is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class TrySettings:
    """Answer one photo, in words and as a picture, with a trained or exported model: the one named, or the
    newest there is, and it is said which. Without any it is said how to come by one.

    Example: make try PHOTO=photo.jpg, or make try PHOTO=photo.jpg ENSEMBLE=ensembles/quick.toml
    """

    photo: Path
    """The photo."""
    model: Path | None = None
    """model.onnx of `make export`, or its folder."""
    ensemble: Path | None = None
    """Ensemble file (TOML) of trained runs, exported on its first use."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    every: bool = False
    """Answer every face, not the one alone that the photo is about."""
    out: Path = Path("answer.png")
    """Picture to write."""


def run(settings: TrySettings) -> None:
    """Answer, print and draw.

    Raises:
        ValueError: no photo, or a model that cannot be used.
        SystemExit: there is no model, which is said with what to do.
    """
    # ONNX Runtime takes a second to import, which --help should not wait for.
    from faces.sample.note import drawn_note
    from serve.one.answer import answer, in_words
    from serve.one.chosen import choose, how_to_have_one
    from serve.one.picture import draw_answered
    from serve.photo.model import PhotoModel

    chosen = choose(settings.model, settings.ensemble, settings.runs)
    if chosen is None:
        print(how_to_have_one(settings.photo, settings.runs), file=sys.stderr)
        sys.exit(2)
    model = PhotoModel(chosen.model)
    answered = answer(model, settings.photo, every=settings.every)
    note = drawn_note(model.drawn)
    draw_answered(answered, settings.out, note)
    lines = [*in_words(answered, settings.photo), f"answered by {chosen.words}", *([note] if note else [])]
    print("\n".join([*lines, f"picture: {settings.out}"]))


def main() -> None:
    """The command line."""
    run_command(TrySettings, run)
