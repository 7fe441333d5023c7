"""What must be true of runs before their answers may be scored together, out of fold."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from faces.cache.reader import Cache
from faces.label_file import differences
from faces.labels import FloatArray
from infer.predict.runs import Run

_SUMS_WITHIN = 0.02
"""By how much a row of probabilities may miss 1: half precision rounds at 0.004."""


def check_scheme(run: Run) -> None:
    """Refuse a run whose fold left no person out.

    Raises:
        ValueError: fold scheme everything or image.
    """
    cure = "train it with FOLD_SCHEME=person"
    if run.card.scheme == "everything":
        raise ValueError(
            f"run {run.name}: fold scheme everything leaves nobody out, so nothing scores it; {cure}"
        )
    if run.card.scheme == "image":
        raise ValueError(
            f"run {run.name}: fold scheme image puts photos of one person on both sides, so its scores would "
            f"be too good; {cure}"
        )


def check_trained_on(run: Run, cache: Cache) -> None:
    """Refuse a run that was trained on other photos than a fold of this cache.

    Raises:
        ValueError: no request.json, another cache, or rows of the run's own choice.
    """
    path = run.path.with_name("request.json")
    if not path.is_file():
        raise ValueError(f"{path}: no such file; without it nobody knows on which photos the run was trained")
    request = json.loads(path.read_text())
    if request["cache"] != cache.identity:
        raise ValueError(
            f"{path}: run {run.name} was trained on cache {request['cache'][:12]}, {cache.folder} is "
            f"{cache.identity[:12]}: give the cache it was trained on"
        )
    if "rows" in request:
        raise ValueError(
            f"{path}: run {run.name} was trained on rows of its own choice, so whom it left out is not "
            "known; train it with `make train-all`"
        )


def check_classes(run: Run) -> None:
    """Refuse a run whose heads have other classes than its labels say.

    Raises:
        ValueError: naming the head and both lists, or a head that is no task of its labels.
    """
    for task, names in run.card.classes.items():
        try:
            known = run.card.labels.task(task).classes
        except ValueError as error:
            raise ValueError(f"{run.path}: {error}; train it again with this program") from error
        if tuple(names) != known:
            raise ValueError(
                f"{run.path}: head {task} has the classes {', '.join(names)}, by its labels they are "
                f"{', '.join(known)}, in that order; train it again with this program"
            )


def check_labels(run: Run, cache: Cache) -> None:
    """Refuse a run whose heads tell factors that are others in the cache.

    Raises:
        ValueError: naming the run, and each such factor with both sides.
    """
    told = run.told
    differing = [line for line in differences(run.card.labels, cache.label_set) if line.split(":")[0] in told]
    if differing:
        raise ValueError(
            f"{cache.folder}: its labels (there) are not those that run {run.name} was trained on (here): "
            f"{'; '.join(differing)}; give the cache it was trained on"
        )


def check_division(runs: Sequence[Run]) -> None:
    """Refuse runs that do not leave out the same people fold by fold.

    Raises:
        ValueError: naming two runs and what differs of number, seed and scheme of folds.
    """
    first = runs[0]
    for run in runs[1:]:
        differing = [
            f"{name} {theirs!r} and not {ours!r}"
            for name, theirs, ours in zip(
                ("folds", "fold_seed", "scheme"), _division(run), _division(first), strict=True
            )
            if theirs != ours
        ]
        if differing:
            raise ValueError(
                f"run {run.name} was trained on other folds than {first.name} ({', '.join(differing)}): no "
                "fold's people are unseen by both, so together their scores would leak; train both with the "
                "same number, seed and scheme of folds"
            )


def _division(run: Run) -> tuple[int, int, str]:
    return run.card.folds, run.card.fold_seed, run.card.scheme


def check_probabilities(values: FloatArray, rows: int, where: str) -> None:
    """Refuse what cannot be the probabilities of so many photos.

    Args:
        values: [rows, classes].
        rows: how many photos there are.
        where: file or run, named in errors.

    Raises:
        ValueError: another number of rows, a value that is not finite, or rows that do not sum to 1.
    """
    if len(values) != rows:
        raise ValueError(f"{where}: {len(values)} rows for {rows} photos; train the fold again")
    broken = ~np.isfinite(values).all(1)
    if broken.any():
        raise ValueError(
            f"{where}: {broken.sum()} of {rows} rows are not finite, the first is row "
            f"{int(broken.argmax())}; train the fold again, in precision fp32 if it was another"
        )
    off = np.abs(values.sum(1) - 1) > _SUMS_WITHIN
    if off.any():
        first = int(off.argmax())
        raise ValueError(
            f"{where}: row {first} sums to {float(values[first].sum()):.3f}, not to 1: no probabilities; "
            "train the fold again"
        )
