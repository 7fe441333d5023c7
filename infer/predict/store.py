"""Answers of runs, stored beside each run, so that ensembles which share runs predict them once."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from faces.files import write_atomically
from faces.labels import FloatArray, IntArray
from faces.storage.documents import DamagedError, document, parse_document
from infer.predict.heads import Heads
from infer.predict.passes import predict_passes
from infer.predict.runs import Run
from infer.predict.views import ViewsRule
from train.engine.compute import PredictCompute

FOLDER: Final = "predicted"
"""Name of the folder of a run's answers, in the run's folder."""
STORE_VERSION: Final = 1
"""Version of the answers: what changes them without changing their basis must raise it."""
_HEADER: Final = "facefold_answers"


def load_or_predict(
    runs: Sequence[Run],
    cache: Cache,
    rows: IntArray,
    views: Sequence[str],
    compute: PredictCompute,
    advance: Callable[[int], object] = lambda _: None,
    say: Callable[[str], object] = lambda _: None,
    rule: ViewsRule = "soft",
) -> list[Heads]:
    """`predict_runs`, but a run that has answered the same rows in the same views does not predict again.

    Answers are kept in `runs/<recipe>/fold<k>/predicted/`, a file for each cache, rows and views. A file
    counts if the run's weights, the cache, the rows and the views are those it was written for and its
    content is whole; else the run predicts anew, and `say` is called with a line on one that is damaged.
    Files are written after every pass over the rows, so a job that is stopped goes on from there. Runs whose
    folder may only be read keep none, on which `say` is called with a line, once.
    Other arguments, result and errors are those of `predict_runs`.
    """
    answers: dict[Path, Heads] = {}
    missing: list[Run] = []
    request = _request(cache, rows, views, rule)
    basis = {run.path: {**request, "weights": file_sha256(run.path)} for run in runs}
    for run in {run.path: run for run in runs}.values():
        stored = _read(_file(run, request), basis[run.path], run.card.recipe.tasks, say)
        if stored is None:
            missing.append(run)
        else:
            answers[run.path] = stored
    advance(len(rows) * (len(runs) - len(missing)))
    unkept: set[str] = set()
    for answered in predict_passes(missing, cache, rows, views, compute, advance, rule):
        for place, heads in answered:
            run = missing[place]
            line = _write(_file(run, request), basis[run.path], heads)
            if line and line not in unkept:
                unkept.add(line)
                say(line)
            answers[run.path] = heads
    return [answers[run.path] for run in runs]


def _request(cache: Cache, rows: IntArray, views: Sequence[str], rule: ViewsRule) -> dict[str, Any]:
    """JSON table of what runs are to answer: equal for equal crops, rows in their order, views and rule."""
    order = np.ascontiguousarray(rows, "<i8")
    request: dict[str, Any] = {
        "version": STORE_VERSION,
        "cache": cache.identity,
        "rows": hashlib.sha256(order.tobytes()).hexdigest(),
        "views": sorted(views),
    }
    return request if rule == "soft" else {**request, "rule": rule}


def _file(run: Run, request: Mapping[str, Any]) -> Path:
    """The file of a request, whatever the weights: the answers of a run trained again take its place."""
    name = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:16]
    return run.path.parent / FOLDER / f"{name}.safetensors"


def _write(path: Path, basis: Mapping[str, Any], heads: Mapping[str, FloatArray]) -> str:
    """Keep answers; where they cannot be, as only reading is allowed there, a line that says so."""
    header = document({"basis": basis, "sha256": _digest(heads)}).decode()
    plain = {task: np.ascontiguousarray(values) for task, values in heads.items()}
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, save(plain, metadata={_HEADER: header}))
    except OSError as error:  # another's runs answer all the same
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        runs = path.parents[3] if len(path.parents) > 3 else path.parent
        return (
            f"{runs}: its runs may only be read ({error.strerror}): their answers are not kept beside them, "
            "and are predicted anew each time"
        )
    return ""


def _read(
    path: Path, basis: Mapping[str, Any], tasks: Sequence[str], say: Callable[[str], object]
) -> Heads | None:
    """Probabilities by task from a file; None if it is missing, of another basis, or, as is said, damaged."""
    if not path.is_file():
        return None
    anew = "predicting anew"
    try:
        with safe_open(path, framework="numpy") as file:
            header = parse_document((file.metadata() or {})[_HEADER].encode(), path, anew)
            if header["basis"] != basis:
                return None
            heads = {task: file.get_tensor(task) for task in tasks}
        if header["sha256"] == _digest(heads):
            return heads
        say(f"{path}: damaged, its answers do not fit their sha256; {anew}")
    except DamagedError as error:
        say(str(error))
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        say(f"{path}: damaged, not readable as kept answers ({error}); {anew}")
    return None


def _digest(heads: Mapping[str, FloatArray]) -> str:
    """Hex sha256 over names, types, shapes and numbers."""
    digest = hashlib.sha256()
    for task in sorted(heads):
        values = np.ascontiguousarray(heads[task])
        digest.update(f"{task} {values.dtype} {values.shape}\n".encode() + values.tobytes())
    return digest.hexdigest()
