"""From trained runs to the files of an export, checked."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from onnx import helper
from rich.console import Console

from faces.cache.reader import Cache
from faces.files import check_writable, exclusive, write_atomically
from faces.labels import FloatArray
from faces.storage.seal import UNSEALED, sealed
from infer.export.check import check_export, check_finite, pictures
from infer.export.compose import compose
from infer.export.detector import detector_networks
from infer.export.metadata import (
    DESCRIPTION,
    DETECTOR,
    check_predictor,
    check_same_crops,
    describe,
    describe_detector,
)
from infer.export.network import Exported
from infer.export.onnx import quiet, to_onnx, to_program
from infer.export.program.description import SEAL
from infer.export.subject import Subject
from infer.predict.half_done import say_half_done


def export(subject: Subject, folder: Path, *, predictor: bool, cache: Cache | None) -> None:
    """Write model.onnx, model.pt2 and predict.py, check both models and print how far they are from the runs.

    Args:
        subject: what is exported.
        folder: to write; made if missing.
        predictor: put the face detector into model.onnx, and predict.py beside it.
        cache: whose crops the models are checked on; made-up pictures if None.

    Raises:
        ValueError: runs or crop settings that cannot be exported, a model that answers otherwise, or
            another process exports to the folder.
        OSError: the folder cannot be written.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    runs = subject.runs
    say_half_done(runs, console)
    check_same_crops(runs)
    if predictor:
        check_predictor(runs[0])
    model = Exported(
        subject.members, subject.views, subject.root, subject.task, subject.labels, subject.views_rule
    )
    photos = pictures(model, cache)
    check_finite(model, runs, photos)
    with exclusive(folder, doing="exporting to it", cure="give another folder (OUT=)"):
        check_writable(folder)
        _export_held(subject, model, folder, predictor=predictor, photos=photos, console=console)


def _export_held(
    subject: Subject,
    model: Exported,
    folder: Path,
    *,
    predictor: bool,
    photos: Mapping[str, FloatArray],
    console: Console,
) -> None:
    """Write and check an export into a folder that is held.

    Args as of `export`, but for `photos`: of `pictures`, on which the files are checked.
    """
    properties = {DESCRIPTION: describe(model, subject.runs, subject.views, subject.table)}
    with console.status("torch.export"):
        program = to_program(model)
    with console.status("ONNX"):
        proto = to_onnx(program, [each.name for each in model.inputs], model.outputs)
    _write_program(program, properties, folder / "model.pt2")
    if predictor:
        with console.status("face detector"):
            properties[DETECTOR] = describe_detector(detector_networks())
        write_atomically(folder / "predict.py", compose().encode())
    helper.set_model_props(proto, {**properties, SEAL: UNSEALED})
    write_atomically(folder / "model.onnx", sealed(proto.SerializeToString()))
    with console.status("checking"):
        check_export(model, folder, photos, console)


def _write_program(program: torch.export.ExportedProgram, properties: Mapping[str, Any], path: Path) -> None:
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer, extra_files={f"{DESCRIPTION}.json": properties[DESCRIPTION]})
    write_atomically(path, buffer.getvalue())
