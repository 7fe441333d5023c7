"""The services that a run is kept in; each goes on with the same run after an interruption.

The ids by which W&B and MLflow know a run are kept in its folder's trackers.json.
"""

from __future__ import annotations

import logging
import os
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from faces.storage.documents import DamagedError, read_document, write_document

_PROJECT = "facefold"
_BATCH = 100
"""Parameters that MLflow takes at once."""


class Backend(Protocol):
    """One place where runs are followed."""

    def scalars(self, values: Mapping[str, float], epoch: int) -> None:
        """Keep the finite numbers of an epoch, by `<group>/<name>`."""

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        """Keep a picture, RGB [height, width, 3]."""

    def close(self, *, failed: bool) -> None:
        """Write what is not written, and note how the run ended."""


class TensorBoard:
    """Event files in the run's folder `events`."""

    def __init__(self, folder: Path, first_epoch: int) -> None:
        self._events = SummaryWriter(folder / "events", purge_step=first_epoch)

    def scalars(self, values: Mapping[str, float], epoch: int) -> None:
        for name, value in values.items():
            self._events.add_scalar(name, value, epoch)
        # Where TensorFlow is installed, its writer is used, which keeps events back for minutes.
        self._events.flush()

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        self._events.add_image(name, pixels, epoch, dataformats="HWC")

    def close(self, *, failed: bool) -> None:
        self._events.close()


class WandB:
    """A run of Weights & Biases in the run's folder `wandb`.

    It is sent, pictures of faces included, only if the user is logged in (`wandb login`) or `WANDB_MODE` says
    `online`. Otherwise it stays on disk, a folder for each life of the run: `wandb sync --append` sends them.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        import wandb

        # Asks neither the user nor the network.
        mode: Any = os.environ.get("WANDB_MODE") or (
            "online" if wandb.login(prompt=False, verify=False) else "offline"
        )
        number = _known_ids(folder).get("wandb") or uuid.uuid4().hex[:8]
        _keep_id(folder, "wandb", number)
        begin: dict[str, Any] = {
            "project": _PROJECT,
            "id": number,
            "resume": "allow",
            "name": f"{folder.parent.name}/{folder.name}",
            "group": folder.parent.name,
            "dir": folder,
            "config": dict(recipe),
            "settings": wandb.Settings(console="off", silent=True, init_timeout=30),
        }
        try:
            self._run = wandb.init(mode=mode, **begin)
        except wandb.errors.CommError:
            self._run = wandb.init(mode="offline", **begin)
        self._image = wandb.Image
        # The service's own count of steps begins again with each offline life.
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")

    def scalars(self, values: Mapping[str, float], epoch: int) -> None:
        self._run.log({"epoch": epoch, **values})

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        self._run.log({"epoch": epoch, name: self._image(pixels)})

    def close(self, *, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class MLflow:
    """A run in runs/mlflow.db and its pictures in runs/mlartifacts, or at `MLFLOW_TRACKING_URI` if it is set.

    `mlflow ui --backend-store-uri sqlite:///runs/mlflow.db`, of the whole package mlflow, shows them.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        # Its notes on making tables would cut through the progress bar.
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        runs = folder.resolve().parents[1]
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        self._metric = Metric
        self._client = MlflowClient(uri or f"sqlite:///{runs / 'mlflow.db'}")
        self._run = _known_ids(folder).get("mlflow") or ""
        if not self._go_on():
            # A new run, or one that another store holds.
            self._run = self._begin(folder, None if uri else (runs / "mlartifacts").as_uri())
            _keep_id(folder, "mlflow", self._run)
            flat = pd.json_normalize(dict(recipe)).iloc[0].to_dict()
            params = [Param(name, str(value)) for name, value in flat.items()]
            for at in range(0, len(params), _BATCH):
                self._client.log_batch(self._run, params=params[at : at + _BATCH])
        logged = self._client.get_metric_history(self._run, "train/loss")
        self._last = max((metric.step for metric in logged), default=-1)

    def _go_on(self) -> bool:
        """Mark the run as running again; False where there is none."""
        from mlflow.exceptions import MlflowException

        if not self._run:
            return False
        try:
            self._client.update_run(self._run, status="RUNNING")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def _begin(self, folder: Path, place: str | None) -> str:
        found = self._client.get_experiment_by_name(_PROJECT)
        number = found.experiment_id if found else self._client.create_experiment(_PROJECT, place)
        tags = {"recipe": folder.parent.name, "fold": folder.name}
        name = f"{folder.parent.name}/{folder.name}"
        return str(self._client.create_run(number, run_name=name, tags=tags).info.run_id)

    def scalars(self, values: Mapping[str, float], epoch: int) -> None:
        # It would keep both values of an epoch that is trained again, which gives the same.
        if epoch <= self._last:
            return
        now = int(time.time() * 1000)
        metrics = [self._metric(_mlflow_name(name), value, now, epoch) for name, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def picture(self, name: str, pixels: NDArray[np.uint8], epoch: int) -> None:
        self._client.log_image(self._run, pixels, artifact_file=f"{name}/epoch{epoch:04d}.png")

    def close(self, *, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


def _mlflow_name(name: str) -> str:
    """A metric's name without the signs that MLflow refuses: `class_f1/wear male >=60` ends in `from 60`.

    Other signs become their numbers, so that no two classes share a name.
    """

    def plain(sign: re.Match[str]) -> str:
        return "_" if sign[0] in "[],*" else f"_{ord(sign[0]):x}"

    return re.sub(r"[^\w\-. :/]", plain, name.replace(">=", "from ").replace("<", "under "))


def _known_ids(folder: Path) -> dict[str, str]:
    path, cure = folder / "trackers.json", "move it away, and the run is followed as a new one"
    if not path.is_file():
        return {}
    ids = read_document(path, cure)
    if wrong := [name for name, number in ids.items() if not isinstance(number, str)]:
        raise DamagedError(f"{path}: {wrong[0]!r} is no text; {cure}")
    return ids


def _keep_id(folder: Path, name: str, number: str) -> None:
    write_document(folder / "trackers.json", {**_known_ids(folder), name: number})
