"""What must be true of runs before their answers may be scored together, out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.labelling.kept import differences
from infer.predict.runs import Run
from train.recipe.request import REQUEST_FILE, read_request


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
        ValueError: no request.json or a damaged one, another cache, or rows of the run's own choice.
    """
    path = run.path.with_name(REQUEST_FILE)
    request = read_request(path)
    if request.cache != cache.identity:
        raise ValueError(
            f"{path}: run {run.name} was trained on cache {request.cache[:12]}, {cache.folder} is "
            f"{cache.identity[:12]}: give the cache it was trained on"
        )
    if request.rows:
        raise ValueError(
            f"{path}: run {run.name} was trained on rows of its own choice, so whom it left out is not "
            "known; train it with `make train-all`"
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


def check_stored(run: Run, table: pd.DataFrame, facts: pd.DataFrame, path: Path) -> None:
    """Refuse stored answers of other photos, people or labels than the fold leaves out.

    Args:
        run: whose answers they are.
        table: of `train.results.oof.read_oof`.
        facts: image_id, person and labels of the cache's rows that the fold validates, in their order.
        path: of the table.

    Raises:
        ValueError: naming the first row and column that differ. A run that left out other photos has seen
            some of those that it would be asked.
    """
    cure = "train the fold again"
    if [*table["image_id"]] != [*facts["image_id"]]:
        raise ValueError(
            f"{path}: its {len(table)} rows are not the {len(facts)} photos of fold {run.card.fold}; {cure}"
        )
    if missing := [name for name in run.told if name not in table]:
        raise ValueError(f"{path}: no column {missing[0]!r}; {cure}")
    if (table["fold"] != run.card.fold).any():
        raise ValueError(f"{path}: its answers are not all of fold {run.card.fold}; {cure}")
    for name in [name for name in facts.columns if name in table]:
        stored, known = table[name].to_numpy(), facts[name].to_numpy()
        differing = (stored != known) & ~(pd.isna(stored) & pd.isna(known))
        if differing.any():
            row = int(np.argmax(differing))
            raise ValueError(
                f"{path}: {name} of {table['image_id'].iloc[row]!r} is {stored[row]!s} there, {known[row]!s} "
                f"in the cache ({int(differing.sum())} of {len(table)} rows differ); {cure}"
            )
