"""What the page's script knows of each photo, with its small picture."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from rich.console import Console

from faces.cores import usable_cores
from faces.pages.thumbnails import small_jpeg
from faces.terminal.progress import photo_progress
from report.answers import Answers

SIDE, QUALITY = 128, 75
"""Of the small pictures: about 3 kB each."""
MOST = 3000
"""Photos whose pictures stand in a page: about 12 MB."""
SHARES = 4
"""Likeliest values of a factor whose probabilities are told."""


def records(answers: Answers, places: Sequence[int], console: Console) -> list[dict[str, Any]]:
    """A record of each photo: `i` its place, `t` the picture (base64 of a JPEG), `n` name, `p` person, `f`
    fold, `y` true class, `g` answered class, `c` probability of the answer, and `q`, by part of the task,
    the likeliest values with their probabilities.

    Args:
        answers: to all photos.
        places: of the photos that are shown.
        console: where the bar is shown.
    """
    photos, cache = answers.photos, answers.subject.scored.plan.cache
    rows, names = photos["row"].to_numpy(), photos["image_id"].tolist()
    persons, folds = photos["person"].tolist(), photos["fold"].tolist()

    cache.check_places()  # once, before threads ask

    def picture(place: int) -> str:
        return small_jpeg(cache.image(int(rows[place])), SIDE, QUALITY)

    found = []
    # Decoders let go of the interpreter.
    with photo_progress(console=console) as progress, ThreadPoolExecutor(usable_cores()) as pool:
        bar = progress.add_task("pictures", total=len(places))
        for place, image in zip(places, pool.map(picture, places), strict=True):
            found.append(
                {
                    "i": place,
                    "t": image,
                    "n": names[place],
                    "p": persons[place],
                    "f": int(folds[place]),
                    "y": int(answers.truth[place]),
                    "g": int(answers.verdict.classes[place]),
                    "c": round(float(answers.confidence[place]), 4),
                    "q": [_likeliest(shares[place]) for shares in answers.shares],
                }
            )
            progress.advance(bar)
    return found


def _likeliest(shares: np.ndarray) -> list[list[float]]:
    chosen = np.argsort(-shares, kind="stable")[:SHARES]
    return [[int(value), round(float(shares[value]), 4)] for value in chosen]
