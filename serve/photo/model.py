"""An exported model on photos in memory, by the parts of the program that is exported beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faces.framing.face import Pixels
from faces.photos.gate import decode_photo
from infer.export.program.detector import Detector
from infer.export.program.faces import Box
from infer.export.program.predictor import Predictor, Told

MODEL = "model.onnx"
"""The model in the folder of an export."""


@dataclass(frozen=True)
class Cut:
    """One face of a photo, as it is cut out for the networks."""

    crop: Pixels
    """[size, size, 3]."""
    box: Box | None
    """Of the face, in pixels of the upright photo, which it may reach beyond; None where no face was found
    and the crop is the photo's middle."""


@dataclass(frozen=True)
class Seen:
    """A photo, looked at."""

    height: int
    """Pixels of the upright photo."""
    width: int
    cuts: tuple[Cut, ...]
    """At least one, first the face that the photo is about."""
    faces: int
    """How many were found; 0 where `cuts` is the photo's middle."""


class PhotoModel:
    """An exported model that answers photos in memory as its predict.py does.

    Both methods may be called from several threads at once.

    Args:
        path: model.onnx, or the folder of an export.
        threads: of the networks; 0 for as many as there are cores.
        detector_threads: of the search of faces; 1 where several photos are searched side by side.

    Attributes:
        path: the model.onnx.
        name: of its folder.
        factors: the values of each factor that is answered, in order.
        drawn: whether its networks learned from drawn people alone.

    Raises:
        ValueError: no such model.
    """

    def __init__(self, path: Path, threads: int = 0, detector_threads: int = 0) -> None:
        self.path = model_file(path)
        self.name = self.path.resolve().parent.name
        self._predictor = Predictor(self.path, threads)
        if self._predictor.detector is not None and detector_threads != threads:
            self._predictor.detector = Detector(
                self.path, self._predictor.networks, self.description["crop"], detector_threads
            )
        self.factors: dict[str, list[str]] = {
            factor: values
            for output in self.description["outputs"]
            for factor, values in output["factors"].items()
        }
        self.drawn = bool(self.description.get("drawn"))

    @property
    def description(self) -> dict[str, Any]:
        """What the model says of itself: see docs/deploy.md."""
        return self._predictor.description

    def see(self, data: bytes, *, every: bool = True, max_megapixels: int = 89) -> Seen:
        """Decode a photo and cut its faces out.

        Args:
            data: the photo's file, of any kind that stage 1 reads.
            every: cut out every face, not the one that the photo is about alone.
            max_megapixels: most pixels, in millions, by its header.

        Raises:
            BadPhoto: see `faces.photos.gate.open_photo`.
        """
        photo: Pixels = np.asarray(decode_photo(data, max_megapixels=max_megapixels)[0])
        cuts = tuple(Cut(crop, box) for crop, box in self._predictor.cut_out(photo, every))
        return Seen(photo.shape[0], photo.shape[1], cuts, sum(cut.box is not None for cut in cuts))

    def answer(self, crops: Sequence[Pixels]) -> list[dict[str, Told]]:
        """What the networks tell of crops, of each by factor.

        Raises:
            ValueError: they do not run, or give numbers that are not finite.
        """
        values = self._predictor.values(crops)
        return [self._predictor.told(values, number) for number in range(len(crops))]


def model_file(path: Path) -> Path:
    """The model of an export, by itself or by its folder.

    Raises:
        ValueError: there is none.
    """
    found = path / MODEL if path.is_dir() else path
    if not found.is_file():
        raise ValueError(f"{path}: no model.onnx there; write one with `make export ENSEMBLE=...`")
    return found
