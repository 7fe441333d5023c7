"""Where the networks of an ensemble look on a face: Grad-CAM, on demand."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image

from faces.framing.face import Pixels
from infer.export.program.predictor import Told
from serve.limits import Refusal


class Explainer:
    """Grad-CAM of an ensemble's networks, which are read when they are asked for the first time.

    Args:
        ensemble: its file.
        runs: folder of all runs.
    """

    def __init__(self, ensemble: Path, runs: Path) -> None:
        self._ensemble, self._runs = ensemble, runs
        self._networks: list[Any] = []

    def picture(self, crop: Pixels, factor: str, told: Told) -> bytes:
        """The crop, dimmed, with what speaks for the answered value lit up, as PNG.

        The mean over those networks whose heads tell the factor.

        Args:
            crop: [size, size, 3].
            factor: to explain.
            told: what was answered of it.

        Raises:
            Refusal: no network's map can be made.
        """
        # torch: the service itself does without.
        from infer.explain.maps import vote_maps
        from infer.explain.overlay import lit

        try:
            [strength] = vote_maps(self._loaded(), crop[None], factor, [told.place])
        except ValueError as error:
            raise Refusal(422, f"{factor} cannot be explained: {error}") from error
        buffer = io.BytesIO()
        Image.fromarray(lit(crop, strength)).save(buffer, "PNG")
        return buffer.getvalue()

    def _loaded(self) -> list[Any]:
        if not self._networks:
            from infer.ensemble.file import read_ensemble
            from infer.ensemble.tree import recipes_of
            from infer.explain.network import load_trained
            from infer.predict.runs import find_runs

            members = find_runs(recipes_of(read_ensemble(self._ensemble).root), self._runs)
            self._networks = [load_trained(run.path) for folds in members.values() for run in folds]
        return self._networks


def can_explain() -> bool:
    """Whether torch is there, without which there are exported models alone."""
    from importlib.util import find_spec

    return find_spec("torch") is not None and find_spec("captum") is not None
