"""Out-of-fold answers by factor: each photo by networks that never saw its person, or its label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.labels import FloatArray, IntArray
from faces.projection import covers, project
from infer.ensemble.space import space_of
from infer.ensemble.tree import Ensemble, Leaf, recipes_of
from infer.ensemble.vote import count_votes
from infer.evaluate.panels import heads_of_recipes
from infer.predict.out_of_fold import plan_out_of_fold


@dataclass(frozen=True)
class Answers:
    """What was answered of photos whose labels are to be judged."""

    photos: pd.DataFrame
    """[n] photos: `row` of the cache, image_id, source, person, path (how corrections.csv names it), a
    label of each factor."""
    by_factor: Mapping[str, FloatArray]
    """By factor of the labels: [n, classes] probabilities of its own classes."""
    alone: Mapping[str, str]
    """By factor that is not judged: why, in words."""

    def codes(self, cache: Cache, factor: str) -> IntArray:
        """[n] int64 classes that the photos are labelled with, `UNKNOWN` where they are not."""
        return cache.label_set.factor(factor).codes(self.photos[factor])


def answers_of(subject: Ensemble, runs: Path, cache: Cache) -> Answers:
    """The stored answers of an ensemble to the photos that its folds left out; no network runs.

    Args:
        subject: whose recipes all have answered; of one recipe alone see `alone`.
        runs: folder of all runs.
        cache: on which all of them were trained.

    Raises:
        ValueError: answers are missing, damaged or of another cache; fewer than two folds; or no factor has
            two values.
    """
    plan = plan_out_of_fold(recipes_of(subject.root), runs, cache)
    if plan.fold_count < 2:
        raise ValueError(
            f"{runs}: {', '.join(plan.runs)} left out the {len(plan.photos):,} photos of one fold and "
            f"trained on the labels of all others of {cache.folder}, which nobody can judge; train two folds "
            "or more (make train-all, FOLD_SCHEME=person)"
        )
    panels = plan.stored()
    labels = cache.label_set
    heads: Mapping[str, FloatArray]
    if isinstance(subject.root, Leaf):
        [heads] = panels[subject.root.recipe]
    else:
        space = space_of(subject, heads_of_recipes(plan), labels)
        heads = {space: count_votes(subject.root, panels, space, labels).probabilities}
    told = [name for name in labels.names if covers(heads, name, labels)]
    recipes = ", ".join(plan.runs)
    alone = {name: f"{name} is told by no head of {recipes}" for name in labels.names if name not in told}
    photos = _named(plan.photos, cache)
    for name in [*told]:
        codes = labels.factor(name).codes(photos[name])
        if len(values := np.unique(codes[codes >= 0])) < 2:
            only = labels.factor(name).classes[values[0]] if len(values) else "labelled of no photo"
            alone[name] = f"{name} is {only} in all photos, so no label of it can be compared"
            told.remove(name)
    if not told:
        raise ValueError(
            f"{cache.folder}: {'; '.join(alone.values())}: there is nothing to audit; give runs and photos "
            "of two values or more"
        )
    return Answers(
        photos=photos, by_factor={name: project(heads, name, labels) for name in told}, alone=alone
    )


def _named(photos: pd.DataFrame, cache: Cache) -> pd.DataFrame:
    """Photos with the names by which `corrections.csv` calls them.

    That is `source`, or of a photo with several faces, each with a row of its own, `image_id`.
    """
    sources = cache.columns("source")["source"].to_numpy(object)
    shared = pd.Series(sources[_first_faces(cache)]).value_counts()
    mine = sources[photos["row"]]
    several = shared.reindex(mine).to_numpy() > 1
    path = np.where(several, photos["image_id"].to_numpy(object), mine)
    return photos.assign(source=mine, path=path)


def _first_faces(cache: Cache) -> IntArray:
    """Rows of the faces that labels belong to: further faces of a photo have none."""
    index = cache.index
    further = index["face"].to_numpy() > 0 if "face" in index else np.zeros(len(index), bool)
    return np.flatnonzero(~further)
