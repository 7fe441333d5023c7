"""Runs without their pictures, which take most of the time of small ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def undrawn() -> Iterator[None]:
    """No pictures of best epochs or of folds and no galleries of answers are drawn within."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("train.results.trackers.Tracker._draw", lambda _: None)
        patch.setattr("infer.work.draw_photo_sheet", lambda *_: None)
        patch.setattr("train.all_folds.draw_folds", lambda *_: "none")
        yield
