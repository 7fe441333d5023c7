"""One photo answered from Python: a run is exported once, then asked without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faces.cache.reader import Cache
from faces.photos.files import BadPhoto
from infer.export.program.predictor import Predictor


def export_run(
    run: Path, folder: Path, *, views: Sequence[str] = ("original",), cache: Cache | None = None
) -> Path:
    """Write a trained fold as model.onnx, with its face detector, model.pt2 and predict.py.

    As `make export` does: both models are loaded again and compared with the run; a line says by how much
    they differ.

    Args:
        run: folder of the run, `runs/<recipe>/fold<k>`.
        folder: to write; made if missing.
        views: test-time views whose answers are averaged: original, flip, crops, scales, light.
        cache: finished cache whose crops the models are compared on; made-up pictures if None.

    Returns:
        The model, for `Predictor`.

    Raises:
        ValueError: no run that can be used, crop settings that the detector cannot follow, or a model that
            answers otherwise than the run.
        OSError: the folder cannot be written.
    """
    from infer.export.files import export
    from infer.export.subject import subject_of_run

    export(subject_of_run(run, views), folder, predictor=True, cache=cache)
    return folder / "model.onnx"


def answer_photo(predictor: Predictor, photo: Path, *, every: bool = False) -> list[dict[str, Any]]:
    """What a model says of the face in a photo, which is found and cropped as stage 1 does.

    Args:
        predictor: an exported model.
        photo: file of any kind that stage 1 reads.
        every: answer every face of it, not the one alone that it is about.

    Returns:
        A dict a face, first the one that the photo is about. `box`: left, top, right, bottom in pixels of the
        upright photo, None where no face was found and its middle is answered. Each factor that the model
        tells, such as `mask`, in words, and `<factor> probability`, that of the word, from 0 to 1.

    Raises:
        ValueError: no photo that can be read; it is named with the reason.
    """
    try:
        seen = predictor.see(photo, every)
    except BadPhoto as bad:
        raise ValueError(f"{photo}: {bad.reason}") from bad
    rows = predictor([crop for crop, _ in seen])
    return [
        {"box": box, **_numbers(dict(zip(predictor.columns, row, strict=True)))}
        for (_, box), row in zip(seen, rows, strict=True)
    ]


def _numbers(row: Mapping[str, str]) -> dict[str, Any]:
    """A row as the predictor writes it, its probabilities as numbers."""
    return {name: float(cell) if name.endswith(" probability") else cell for name, cell in row.items()}
