"""How training reports its progress."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import TracebackType
from typing import Final

from rich.console import Console

from faces.terminal.progress import photo_progress
from train.recipe.ending import VALIDATION_LOSS


class Watch:
    """Hears how training goes; this one keeps silent."""

    def begin(self, name: str, photos: int, done: int) -> None:
        """A fold starts: its name, all photos of all its epochs, and those done before."""

    def advance(self, photos: int, loss: float = math.nan) -> None:
        """So many more photos are done; the epoch's mean training loss so far, NaN where it was not read."""

    def scored(self, name: str, epochs: int, row: Mapping[str, float], best: bool) -> None:
        """An epoch is over: the fold's name, all epochs, its row of metrics.csv, whether it is the best so
        far by the recipe's `best_by`."""

    def say(self, line: str) -> None:
        """A line worth keeping."""


SILENT: Final = Watch()


class BarWatch(Watch):
    """A progress bar with loss, macro F1 and images/s, and a line an epoch above it; shown within `with`."""

    def __init__(self) -> None:
        self.console = Console(markup=False)
        self.progress = photo_progress("loss", "score", console=self.console)
        self.task = self.progress.add_task("", total=None, loss="", score="", visible=False)

    def __enter__(self) -> BarWatch:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.update(self.task, visible=False)
        self.progress.stop()

    def begin(self, name: str, photos: int, done: int) -> None:
        self.progress.reset(
            self.task, description=name, total=photos, completed=done, visible=True, loss="", score=""
        )

    def advance(self, photos: int, loss: float = math.nan) -> None:
        shown = {} if math.isnan(loss) else {"loss": f"loss {loss:.3f}"}
        self.progress.update(self.task, advance=photos, **shown)  # type: ignore[arg-type]

    def scored(self, name: str, epochs: int, row: Mapping[str, float], best: bool) -> None:
        score = f"macro F1 {row['macro_f1']:.3f}" if "macro_f1" in row else ""
        self.progress.update(self.task, score=score)
        shown_score = f"{score}{' (best)' if best else ''}, " if score else ""
        validated = f"validation loss {row[VALIDATION_LOSS]:.3f}, " if VALIDATION_LOSS in row else ""
        self.say(
            f"{name} epoch {row['epoch'] + 1:.0f}/{epochs}: loss {row['loss']:.3f}, {validated}"
            f"{shown_score}{row['images_per_s']:,.0f} images/s"
        )

    def say(self, line: str) -> None:
        # Tasks and values may have brackets, which are no markup.
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)
