"""What to do with a finished cache: the command that comes next, as it works for the labels found."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.cache.description import FINISHED, labels_of, read_description
from faces.cache.reader import Cache
from faces.cache.tables import read_index
from faces.command import load_toml, typed
from faces.folds import SPLIT, Division, FoldScheme, divide_photos
from faces.labels import CONTEST, IntArray, LabelSet

FOLDS = 5
"""Folds of `make train-all` when it is not told otherwise."""
_RUNS = ("runs/*/fold*", "runs/*/*/fold*", "demo/runs/*/fold*")
"""Where trained folds lie: of one cache, of several caches, and of `make demo`."""
_CACHES = "caches"
"""Name of the folder of caches, beside which that of runs lies."""


def next_lines(cache: Cache, root: Path = Path()) -> list[str]:
    """Which photos are labelled with what, and what to do next; the command comes last.

    Args:
        cache: as stage 1 wrote it.
        root: folder of the recipes, ensembles and runs.
    """
    codes = cache.label_set.encode(cache.photos())
    known = {name: int((each >= 0).sum()) for name, each in codes.items()}
    if not any(known.values()):
        return _predict(cache, root)
    lines = [f"labelled: {', '.join(f'{name} {n:,}' for name, n in known.items())} of {len(cache):,} crops"]
    alone = _alone(cache, codes)
    lines += [
        f"{name} is {value} in all of these: nothing can be trained on it without photos of another value"
        for name, value in alone.items()
    ]
    told = [name for name, count in known.items() if count and name not in alone]
    if not told:
        return [*lines, "next: preprocess these photos and some of other values together, into a new cache"]
    whole = cache.label_set.factors == CONTEST.factors and all(known.values())
    told = [*known] if whole else told
    runs = _runs_beside(cache.folder)
    runs = runs if whole else runs / cache.folder.resolve().name
    step = f"RECIPE=recipes/quick.toml CACHE={typed(cache.folder)}{_given(runs)}"
    scheme, notes = _division(cache, codes, told)
    if not (root / "weights/face.safetensors").is_file():
        notes.append(
            "recipes/quick.toml fetches 145 MB once, a network that knows faces; recipes/factors.toml needs "
            "none, and trains longer to know less"
        )
    return [*lines, *notes, f"next: make train-all {step}{scheme}"]


def _runs_beside(cache: Path) -> Path:
    """Folder of the runs that belong to a cache: demo/runs to demo/caches/train, so that what is learned from
    drawings never stands among the runs of photos."""
    return cache.parent.parent / "runs" if cache.parent.name == _CACHES else Path("runs")


def _given(runs: Path) -> str:
    """The variable of `make` that names a folder of runs; "" of the one that it takes by itself."""
    return "" if runs == Path("runs") else f" RUNS={typed(runs)}"


def _alone(cache: Cache, codes: Mapping[str, IntArray]) -> dict[str, str]:
    """The value of each factor that has one value in all labelled photos."""
    values = {name: np.unique(each[each >= 0]) for name, each in codes.items()}
    return {
        name: cache.label_set.factor(name).classes[each[0]] for name, each in values.items() if len(each) == 1
    }


def _division(cache: Cache, codes: Mapping[str, IntArray], told: Collection[str]) -> tuple[str, list[str]]:
    """Variables of `make train-all` that divide the photos as they came, or into folds that the people allow;
    and what is to be said of it."""
    labelled = np.max([*codes.values()], axis=0) >= 0
    index = cache.index[labelled]
    parts = index.get(SPLIT)
    counts = {} if parts is None else parts[parts != ""].value_counts().sort_index().to_dict()
    notes = [f"parts: {', '.join(f'{name} {count:,}' for name, count in counts.items())}"] if counts else []
    known = {name: each[labelled] for name, each in codes.items()}
    variables, errors = _first_that_works(index, counts, known, cache.label_set, told)
    if variables is not None:
        return variables, [*notes, *errors]
    # Who is alone in a value trains in every fold: each needs others to validate.
    apart = _apart(index, {name: known[name] for name in told})
    for dealt, scheme, folds in _schemes(()):
        with suppress(ValueError):
            division = _divide(index, scheme, folds, cache.label_set, ())
            if {*division.fold[apart]} == {*range(folds)}:
                alone = "who is alone in a value trains in every fold, and no score tells of that value"
                return dealt, [*notes, *errors, alone]
    return " FOLD_SCHEME=everything", [*notes, *errors, "so all photos train, and no score tells how well"]


def _apart(index: pd.DataFrame, codes: Mapping[str, IntArray]) -> NDArray[np.bool_]:
    """[n] which photos are of people who are alone in none of the values that they have."""
    people = index["person"].to_numpy()
    alone: set[str] = set()
    for each in codes.values():
        of_value = pd.Series(people[each >= 0]).groupby(each[each >= 0])
        alone |= {owners.iloc[0] for _, owners in of_value if owners.nunique() == 1}
    return ~np.isin(people, [*alone])


def _first_that_works(
    index: pd.DataFrame,
    parts: Collection[str],
    codes: Mapping[str, IntArray],
    labels: LabelSet,
    told: Collection[str],
) -> tuple[str | None, list[str]]:
    """Variables of the first division in which some factors can be trained, None for none; and why others are
    none."""
    errors = []
    for variables, scheme, folds in _schemes(parts):
        try:
            division = _divide(index, scheme, folds, labels, told)
            _check_taught(division, {name: codes[name] for name in told}, labels)
        except ValueError as error:
            if scheme != "person" or folds == 2:
                errors.append(str(error))
        else:
            return variables, errors
    return None, errors


def _divide(
    index: pd.DataFrame, scheme: FoldScheme, folds: int, labels: LabelSet, told: Collection[str]
) -> Division:
    return divide_photos(
        scheme,
        keys=index["key"],
        persons=index["person"],
        photos=index[[*labels.names]],
        labels=labels,
        folds=folds,
        seed=0,
        told=told,
        splits=index.get(SPLIT),
        files=index["source_sha256"],
    )


def _check_taught(division: Division, codes: Mapping[str, IntArray], labels: LabelSet) -> None:
    """Refuse folds of which one has no photo of a value to train on.

    Raises:
        ValueError: with the value.
    """
    used = np.ones(len(division.fold), bool) if division.unused is None else ~division.unused
    for fold in {*division.fold} - {-1}:
        for name, each in codes.items():
            lost = np.setdiff1d(each[used & (each >= 0)], each[used & (division.fold != fold)])
            if len(lost):
                value = labels.factor(name).classes[lost[0]]
                raise ValueError(
                    f"all photos of {name} {value} validate together, and none is left to train on; add some "
                    "of other people"
                )


def _schemes(parts: Collection[str]) -> list[tuple[str, FoldScheme, int]]:
    """Variables, scheme and folds of the divisions to try, the best first."""
    schemes: list[tuple[str, FoldScheme, int]] = []
    if "train" in parts and {"val", "test"} & {*parts}:
        schemes.append((" FOLD_SCHEME=split", "split", FOLDS))
    folds = sum(1 for name in parts if re.fullmatch(r"fold[0-9]+", name))
    if folds > 1:
        schemes.append((f" FOLD_SCHEME=split_folds FOLDS={folds}", "split_folds", folds))
    schemes.append(("", "person", FOLDS))
    schemes.extend((f" FOLDS={fewer}", "person", fewer) for fewer in range(FOLDS - 1, 1, -1))
    return schemes


def _predict(cache: Cache, root: Path) -> list[str]:
    """What predicts photos without labels: the newest trained run on which an ensemble of its name votes, of
    those beside the cache before others."""
    lines = ["no photo is labelled, so these are photos to predict"]
    found = [path for runs in _RUNS for path in root.glob(f"{runs}/best.safetensors")]
    beside = root / _runs_beside(cache.folder)
    found += beside.glob("*/fold*/best.safetensors")
    newest = sorted(
        found, key=lambda path: (path.is_relative_to(beside), path.stat().st_mtime_ns), reverse=True
    )
    trained = [*dict.fromkeys(_seen_from(root, path.parents[1]) for path in newest)]
    if not trained:
        lines.append(
            "no trained run in runs or demo/runs: a cache of labelled photos must be trained on first"
        )
        labelled = _labelled_beside(cache.folder)
        if labelled is None:
            return [*lines, "next: make preprocess DATA=labelled-photos CACHE=caches/labelled"]
        step = f"RECIPE=recipes/quick.toml CACHE={typed(labelled)}{_given(_runs_beside(labelled))}"
        return [*lines, f"next: make train-all {step}"]
    run = next((run for run in trained if _voted_on(run.name, root)), None)
    place = (run or trained[0]).parent
    where = _given(place)
    if run is None:
        lines.append(
            f"trained runs: {', '.join(map(str, trained[:3]))}; no ensemble is called as one of them"
        )
        return [*lines, f"next: make ensembles{where}, then make infer with one that votes on them"]
    ensemble = Path("ensembles") / f"{run.name}.toml"
    step = f"next: make infer ENSEMBLE={typed(ensemble)} CACHE={typed(cache.folder)}{where}"
    return [*lines, f"trained run: {run}", step]


def _labelled_beside(folder: Path) -> Path | None:
    """The first finished cache with labels in the folder that holds a cache; None where there is none."""
    for path in sorted(folder.parent.glob(f"*/{FINISHED}")):
        with suppress(ValueError, OSError):  # damaged, or of another version
            labels = labels_of(read_description(path.parent), path.parent)
            codes = labels.encode(read_index(path.parent, labels.names))
            if any((each >= 0).any() for each in codes.values()):
                return path.parent
    return None


def _seen_from(root: Path, path: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path


def _voted_on(recipe: str, root: Path) -> bool:
    """Whether the ensemble that is called as a recipe needs runs of that recipe alone."""
    path = root / "ensembles" / f"{recipe}.toml"
    try:
        return load_toml(path).get("vote") == [recipe]
    except (ValueError, OSError):
        return False  # `make ensembles` says what is wrong with it
