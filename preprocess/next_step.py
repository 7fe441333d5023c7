"""What to do with a finished cache: the command that comes next, as it works for the labels found."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from faces.cache import Cache
from faces.folds import SPLIT, FoldScheme, divide_photos
from faces.labels import CONTEST, IntArray

FOLDS = 5
"""Folds of `make train-all` when it is not told otherwise."""
_RUNS = ("runs/*/fold*", "runs/*/*/fold*", "demo/runs/*/fold*")
"""Where trained folds lie: of one cache, of several caches, and of `make demo`."""


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
    told = [name for name, count in known.items() if count]
    if len(alone) == len(told):
        return [*lines, "next: make a cache of these photos and others together"]
    if cache.label_set.factors == CONTEST.factors and all(known.values()):
        step = f"RECIPE=recipes/small.toml CACHE={cache.folder}"
    else:
        runs = f"runs/{cache.folder.resolve().name}"
        step = f"RECIPE=recipes/factors.toml CACHE={cache.folder} RUNS={runs}"
    scheme, notes = _division(cache, codes, told)
    return [*lines, *notes, f"next: make train-all {step}{scheme}"]


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
    for variables, scheme, folds in _schemes(counts):
        try:
            divide_photos(
                scheme,
                keys=index["key"],
                persons=index["person"],
                photos=index[[*cache.label_set.names]],
                labels=cache.label_set,
                folds=folds,
                seed=0,
                told=told,
                splits=parts,
            )
        except ValueError as error:
            if scheme != "person" or folds == 2:
                notes.append(str(error))
        else:
            return variables, notes
    return " FOLD_SCHEME=everything", [*notes, "so all photos train, and no score tells how well"]


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
    """What predicts photos without labels: the newest trained run that an ensemble of its name votes on."""
    found = [path for runs in _RUNS for path in root.glob(f"{runs}/best.safetensors")]
    trained = dict.fromkeys(
        path.parents[1] for path in sorted(found, key=lambda path: -path.stat().st_mtime_ns)
    )
    lines = ["no photo is labelled, so these are photos to predict"]
    for run in trained:
        ensemble = root / "ensembles" / f"{run.name}.toml"
        if ensemble.is_file() and tomllib.loads(ensemble.read_text()).get("vote") == [run.name]:
            place = run.parent.relative_to(root)
            where = "" if place == Path("runs") else f" RUNS={place}"
            return [
                *lines,
                f"a trained run: {run.relative_to(root)}",
                f"next: make infer ENSEMBLE=ensembles/{run.name}.toml CACHE={cache.folder}{where}",
            ]
    if trained:
        names = ", ".join(str(run.relative_to(root)) for run in [*trained][:3])
        return [
            *lines,
            f"trained runs: {names}",
            f"next: name them in a new file, then make infer ENSEMBLE=that-file CACHE={cache.folder}",
        ]
    return [
        *lines,
        "no trained run in runs or demo/runs: a cache of labelled photos must be trained on first",
        "next: make preprocess DATA=labelled-photos CACHE=caches/labelled",
    ]
