"""The exported model on photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faces.framing.face import Pixels
from faces.photos.gate import open_photo
from infer.export.program.boxes import Singles
from infer.export.program.crops import look
from infer.export.program.description import described
from infer.export.program.detector import Detector
from infer.export.program.faces import Box, cut_faces
from infer.export.program.sessions import AGAIN, check_seal, first_line, opened


class Told(NamedTuple):
    """What is answered of a factor."""

    values: list[str]
    place: int
    """Of the answer in `values`; under some votes not the most probable one."""
    probabilities: Singles
    """Of each of `values`."""


class Predictor:
    """The exported model with its detector and the settings that its metadata carry.

    Args:
        path: the model.
        threads: 0 for as many as there are cores.

    Attributes:
        columns: names of a row's values.
        description: what the model says of itself.
        networks: of its detector, each an ONNX file.
        outputs: of its network, each with its `name`, `type` and `shape`.
        detector: None for a model of photos as they are.

    Raises:
        ValueError: not such a model.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        self._path = path
        check_seal(path)
        self._session = opened(path, str(path), threads)
        self.description, self.networks = described(path, self._session)
        self._inputs, self._outputs = self.description["inputs"], self.description["outputs"]
        self.outputs = self._session.get_outputs()
        crop = self.description["crop"]
        searches = crop.get("faces") != "as_is"
        self.detector = Detector(path, self.networks, crop, threads) if searches else None
        self.columns: list[str] = []
        for output in self._outputs:
            self.columns += [
                name for factor in output["factors"] for name in (factor, f"{factor} probability")
            ]

    def see(self, path: Path, every: bool = False) -> list[tuple[Pixels, Box | None]]:
        """The crops of a photo that the networks look at, [size, size, 3], and the faces' boxes: of the face
        that it is about, of `every` face, or of a photo without one its middle and no box.

        Raises:
            BadPhoto: see `open_photo`.
        """
        return self.cut_out(np.asarray(open_photo(path)[0]), every)

    def cut_out(self, photo: Pixels, every: bool = False) -> list[tuple[Pixels, Box | None]]:
        """`see` of a photo's pixels, [height, width, 3], upright."""
        return cut_faces(photo, self.description["crop"], self.detector, every)

    def __call__(self, crops: Sequence[Pixels]) -> list[list[str]]:
        """The model's answers to crops: a row for each, by `columns`.

        Raises:
            ValueError: see `values`.
        """
        values = self.values(crops)
        return [self._row(values, number) for number in range(len(crops))]

    def values(self, crops: Sequence[Pixels]) -> dict[str, NDArray[Any]]:
        """What the network gives for n crops, by the names of its outputs: float32 [n, classes] or, of a
        choice, int64 [n].

        Raises:
            ValueError: the network does not run on them, or gives numbers that are not finite.
        """
        feeds = {
            each["name"]: np.stack([look(crop, each["size"], each["centre"]) for crop in crops])
            for each in self._inputs
        }
        names = [output.name for output in self.outputs]
        try:
            values = dict(zip(names, self._session.run(None, feeds), strict=True))
        except Exception as error:  # as of `opened`
            raise ValueError(
                f"{self._path}: its network does not run ({first_line(error)}); {AGAIN}"
            ) from error
        if not all(np.isfinite(values[each["name"]]).all() for each in self._outputs):
            raise ValueError(f"{self._path}: its network gives numbers that are not finite; {AGAIN}")
        return values

    def _row(self, values: dict[str, NDArray[Any]], number: int) -> list[str]:
        row: list[str] = []
        for told in self.told(values, number).values():
            row += [told.values[told.place], f"{told.probabilities[told.place]:.4f}"]
        return row

    def told(self, values: dict[str, NDArray[Any]], number: int) -> dict[str, Told]:
        """What `values` say of one crop, by factor."""
        told: dict[str, Told] = {}
        for output in self._outputs:
            factors = output["factors"]
            cube = values[output["name"]][number].reshape([len(names) for names in factors.values()])
            choice = values[output["choice"]][number] if "choice" in output else cube.argmax()
            places = np.unravel_index(choice, cube.shape)
            for axis, factor in enumerate(factors):
                others = tuple(other for other in range(cube.ndim) if other != axis)
                told[factor] = Told(factors[factor], int(places[axis]), cube.sum(others))
        return told
