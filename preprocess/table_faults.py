"""Where the tables of a cache contradict cache.json, the labels, or the geometry of its crops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from faces.cache.writer import REJECTED
from faces.framing.face import TURNS
from faces.labels import UNKNOWN, Categories, LabelSet
from preprocess.look.framing import TRUE, told_pixels

ROUNDING = 1e-3
"""Shares of true pixels are recorded to four digits."""


def wrong_tables(
    description: Mapping[str, Any], index: pd.DataFrame, rejects: pd.DataFrame, labels: LabelSet
) -> Iterator[str]:
    """What is wrong with the tables of a cache, a line each.

    Args:
        description: content of cache.json.
        index: has key, position, status and shard; what older caches lack may be missing.
        rejects: rejects.csv.
        labels: the factors of the photos.
    """
    yield from _wrong_counts(description, index, rejects)
    yield from _wrong_labels(index, labels)
    yield from _wrong_faces(index)
    if TRUE in index:
        settings = description["settings"]
        inside = bool(settings.get("clamp")) and not settings.get("align")
        yield from _wrong_pixels(index, inside)


def _wrong_counts(
    description: Mapping[str, Any], index: pd.DataFrame, rejects: pd.DataFrame
) -> Iterator[str]:
    """Where the tables contradict cache.json, and photos that occur twice."""
    if len(index) != description["samples"]:
        yield f"{len(index)} rows where cache.json counts {description['samples']}"
    status = {**index["status"].value_counts(), **({REJECTED: len(rejects)} if len(rejects) else {})}
    if status != description["status"]:
        yield f"with rejects.csv status {status} where cache.json counts {description['status']}"
    for columns in (["key"], ["position", *({"face"} & {*index.columns})]):
        twice = index[columns[0]][index.duplicated(columns)].unique()
        if len(twice):
            yield f"{columns[0]} {', '.join(map(str, twice[:5]))} occurs more than once"
    both = {*index["position"]} & {*rejects["position"]}
    if both:
        yield f"position {', '.join(map(str, sorted(both)[:5]))} is in rejects.csv too"
    last = len(description["shards"]) - 1
    if not index["shard"].is_monotonic_increasing or not index["shard"].between(0, last).all():
        yield f"shards are not 0 to {last} in order"


def _wrong_labels(index: pd.DataFrame, labels: LabelSet) -> Iterator[str]:
    """Labels that their factors do not have."""
    for factor in labels.factors:
        values = index[factor.name] if factor.name in index else pd.Series(dtype=factor.dtype)
        if isinstance(factor, Categories):
            strange = values[~values.isin(range(UNKNOWN, len(factor.categories)))]
        else:
            strange = values[(values < factor.least) | (values > factor.most)]
        if len(strange):
            sample = index["key"][strange.index[0]]
            yield f"{factor.name} {strange.iloc[0]} of sample {sample} is no label of that factor"


def _wrong_faces(index: pd.DataFrame) -> Iterator[str]:
    """Faces that lie as no face does, or are not numbered from 0 in each photo."""
    if "turned" in index and len(odd := index[~index["turned"].isin(TURNS)]):
        value, sample = odd["turned"].iloc[0], odd["key"].iloc[0]
        yield f"turned {value} of sample {sample} is none of {', '.join(map(str, TURNS))} degrees"
    if "face" in index:
        ranks = index.groupby("position")["face"].rank(method="first") - 1
        if len(odd := index[index["face"] != ranks]):
            position = odd["position"].iloc[0]
            faces = sorted(index["face"][index["position"] == position].tolist())
            yield (
                f"the faces of position {position} (sample {odd['key'].iloc[0]}) are numbered "
                f"{', '.join(map(str, faces))}, not from 0 on"
            )


def _wrong_pixels(index: pd.DataFrame, inside: bool) -> Iterator[str]:
    """Shares of true pixels that cannot be, or are not those of the squares.

    Args:
        index: of the cache.
        inside: whether every crop lies inside its photo.
    """
    true, told = index[TRUE].to_numpy(float), told_pixels(index)
    known = ~np.isnan(told)
    checks = [
        (~((true >= 0) & (true <= 1)), "is no share from 0 to 1"),
        (
            known & ~(np.abs(true - told) <= ROUNDING),
            "is not what crop_box, crop_angle, height and width say",
        ),
        (inside & known & (told < 1 - ROUNDING), "though crops are clamped: its crop_box leaves the photo"),
    ]
    for wrong, what in checks:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            more = f", as of {int(wrong.sum()) - 1} more" if wrong.sum() > 1 else ""
            yield f"{TRUE} {true[row]:g} of sample {index['key'].iloc[row]} {what}{more}"
