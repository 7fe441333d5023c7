"""Where a run can be followed while it trains: TensorBoard always, W&B and MLflow on request."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from faces.cache.reader import Cache
from faces.plots import legible
from train.results.head_scores import CLASS_PREFIX
from train.results.report import confusion_figure, group_of
from train.results.tracker_backends import Backend, MLflow, TensorBoard, WandB
from train.results.worst import draw_worst

TrackerName = Literal["wandb", "mlflow"]
_PACKAGES: Mapping[TrackerName, str] = {"wandb": "wandb", "mlflow": "mlflow-skinny"}
_DRAWING_SHARE = 0.05
"""Share of a run's time that drawing its pictures may take."""


class Tracker:
    """Tells all backends of a run what happens in it; use it in a `with` statement.

    Scalars are sent after each epoch. Pictures of an epoch that is kept are drawn at once while that takes no
    more than a twentieth of the run's time so far, and at the end otherwise, so that short epochs do not wait
    for them.
    """

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = backends
        self._waiting: tuple[pd.DataFrame, Cache, int] | None = None
        self._begun = time.perf_counter()
        self._drawn = 0.0
        # What the next drawing will take, about.
        self._cost = 1.0

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(failed=kind is not None)

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch is over: its row of metrics.csv. Values that are not finite are left out.

        loss, lr, images_per_s and seconds become `train/<name>`, main scores `score/<name>` and columns
        `f1 <class>` `class_f1/<class>`.
        """
        values = {
            f"{group_of(name)}/{name.removeprefix(CLASS_PREFIX)}": float(value)
            for name, value in row.items()
            if name != "epoch" and math.isfinite(value)
        }
        for backend in self._backends:
            backend.scalars(values, int(row["epoch"]))

    def kept(self, table: pd.DataFrame, cache: Cache, epoch: int) -> None:
        """The epoch is kept so far: its confusion matrices and worst errors become pictures.

        Args:
            table: of `train.results.oof.oof_table`.
            cache: of the table's photos.
            epoch: from 0.
        """
        self._waiting = table, cache, epoch
        if self._drawn + self._cost <= _DRAWING_SHARE * (time.perf_counter() - self._begun):
            self._draw()

    def close(self, *, failed: bool = False) -> None:
        """Draw the epoch kept if it was not drawn yet, and end.

        Args:
            failed: the run was stopped by an error.
        """
        try:
            self._draw()
        finally:
            for backend in self._backends:
                backend.close(failed=failed)

    def _draw(self) -> None:
        if self._waiting is None:
            return
        begun = time.perf_counter()
        (table, cache, epoch), self._waiting = self._waiting, None
        pictures = {
            "confusion": confusion_figure(table, f"validation, epoch {epoch + 1}", cache.label_set),
            "worst": draw_worst(cache, table),
        }
        for name, figure in pictures.items():
            pixels = _render(figure)
            for backend in self._backends:
                backend.picture(name, pixels, epoch)
        self._cost = time.perf_counter() - begun
        self._drawn += self._cost


def check_installed(names: Sequence[TrackerName]) -> None:
    """Refuse trackers whose package is missing.

    Raises:
        ValueError: naming the package and the command that installs it.
    """
    for name in names:
        spec = importlib.util.find_spec(name)
        # A folder named wandb, as W&B makes them, also counts as a package, but without a file.
        if spec is None or spec.origin is None:
            raise ValueError(
                f"tracker {name!r} needs a package that is not installed, extra [{name}] of setup.cfg: "
                f".venv/bin/python -m pip install {_PACKAGES[name]}"
            )


def open_trackers(
    names: Sequence[TrackerName], folder: Path, recipe: Mapping[str, Any], first_epoch: int
) -> Tracker:
    """Begin to follow a run, or go on following it after an interruption.

    Args:
        names: what to use beside TensorBoard.
        folder: the run, runs/<recipe>/fold<k>.
        recipe: its settings as nested tables.
        first_epoch: the epoch, from 0, that is trained next; what was kept of it and later ones gives
            way to the same values.

    Raises:
        ValueError: a package is missing.
    """
    check_installed(names)
    backends: list[Backend] = [TensorBoard(folder, first_epoch)]
    if "wandb" in names:
        backends.append(WandB(folder, recipe))
    if "mlflow" in names:
        backends.append(MLflow(folder, recipe))
    return Tracker(backends)


def _render(figure: Figure) -> NDArray[np.uint8]:
    """The figure as RGB uint8 [height, width, 3]."""
    figure.set_dpi(80)
    canvas: Any = FigureCanvasAgg(figure)  # matplotlib types none of its methods
    with legible(figure):
        canvas.draw()
    return np.asarray(canvas.buffer_rgba(), np.uint8)[..., :3].copy()
