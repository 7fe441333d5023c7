"""The page that shows a cache, and everything on it, gathered for the template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.files import write_atomically
from faces.folds import SPLIT
from faces.foreign.table import read_table
from faces.labels import Number
from faces.pages import charts
from faces.pages.folds import FoldCounts
from faces.pages.render import render as render_template
from preprocess.look import framing
from preprocess.look.duplicates import NEAR, Alike, alike, clusters, file_numbers, owners, same_files
from preprocess.look.findings import findings, headline, headline_task, listed, people
from preprocess.look.gallery import Tile, galleries, labels_of, random_sheets, tile
from preprocess.look.rates import Rate, gap, value_rates
from preprocess.look.survey import Survey, survey_crops

PAGE = "look.html"
MOST_CLUSTERS, MOST_IN_CLUSTER = 24, 6
MOST_LINES = 200
"""Lines of a table; the file beside the page has all."""
MOST_REASONS = 20
HASH_PREFIX = 12
MOST_RATED = 4
"""Factors by which it is said where faces are found and how they are framed."""
CORRECTIONS = "corrections.csv"
MANY = 12
"""Photos of a person from which they are counted together."""


@dataclass(frozen=True)
class Cluster:
    """Photos shown side by side."""

    title: str
    labels_differ: bool
    tiles: list[Tile]
    more: int
    """Photos that are not shown."""


@dataclass(frozen=True)
class Table:
    """Lines of text below a header."""

    header: list[str]
    lines: list[list[str]]
    more: int
    """Lines that are not shown."""


def write_page(cache: Path, out: Path, seed: int) -> None:
    """Write the page of a cache; the same cache and seed give the same bytes.

    Args:
        cache: folder of a finished cache.
        out: the page; its folder is made.
        seed: of the crops that are drawn at random.

    Raises:
        CacheError: the cache is unfinished or damaged.
        OSError: the page cannot be written.
    """
    opened = Cache.open(cache)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, render(survey_crops(opened), seed).encode())


def render(survey: Survey, seed: int, folds: FoldCounts | None = None, not_dealt: str = "") -> str:
    """The page as HTML that loads nothing from elsewhere; the same arguments give the same text.

    Args:
        survey: of the cache.
        seed: of the crops that are drawn at random.
        folds: how training deals its people to folds, where that is asked.
        not_dealt: why it does not.
    """
    content = {**_content(survey, seed), "folds": folds, "not_dealt": not_dealt}
    return render_template("preprocess.look", "look.html.j2", content)


def _content(survey: Survey, seed: int) -> dict[str, Any]:
    crops = survey.crops
    exact = same_files(crops)
    near = alike(survey.hashes, owners(crops), file_numbers(crops))
    corrections = _corrections(survey)
    lines = 0 if corrections is None else len(corrections.lines) + corrections.more
    return {
        "crops": len(crops),
        "name": survey.cache.folder.resolve().name,
        "source": survey.cache.description["source"],
        "numbers": headline(survey),
        "findings": findings(survey, exact, near, lines),
        "rates": _shown_rates(survey),
        "settings": _settings(survey),
        **_counts(survey),
        "spreads": _spreads(crops),
        "framing": framing.spreads(survey.framing, MOST_RATED),
        "photo_sizes": charts.photo_sizes(crops),
        "sheets": random_sheets(survey, seed),
        "galleries": galleries(survey, seed),
        "rejects": _rejects(survey),
        "reasons": _reasons(survey),
        "same_files": [_cluster(survey, rows, "the same file") for rows in exact[:MOST_CLUSTERS]],
        "same_files_total": len(exact),
        **_look_alikes(survey, near),
        "corrections": corrections,
    }


def _shown_rates(survey: Survey) -> dict[str, list[Rate]]:
    """Detection rates by the values of few factors: of many those where they differ most."""
    rates = value_rates(survey.crops["detected"], survey.crops, survey.cache.label_set)
    widest = sorted(rates, key=lambda factor: gap(rates[factor]), reverse=True)[:MOST_RATED]
    return {factor: rates[factor] for factor in rates if factor in widest}


def _settings(survey: Survey) -> list[tuple[str, str]]:
    settings = survey.cache.description["settings"]
    lines = [
        (name, value if isinstance(value, str) else json.dumps(value)) for name, value in settings.items()
    ]
    return lines + [
        (f"label {factor.name}", ", ".join(factor.classes)) for factor in survey.cache.label_set.factors
    ]


def _counts(survey: Survey) -> dict[str, Any]:
    crops, known = survey.crops, people(survey.crops)
    each = np.bincount(np.minimum(known.to_numpy(np.int64), MANY), minlength=MANY + 1)[1:]
    names = [str(number) for number in range(1, MANY)] + [f"{MANY} or more"]
    used = [(count, name) for count, name in zip(each.tolist(), names, strict=True) if count]
    labels = survey.cache.label_set
    return {
        "classes": _classes(survey),
        "labelled_with": listed(labels.names),
        "factors": [
            {
                "name": factor.name,
                "title": charts.in_title(factor.name) + (" band" if isinstance(factor, Number) else ""),
                "bars": charts.coded(factor.codes(crops[factor.name]), factor.classes),
            }
            for factor in labels.factors
        ],
        # Beside those on the left: the classes, how many crops people have, parts of the data.
        "most_right": max(3, len(labels.factors) // 2),
        "parts": _parts(crops),
        "number_charts": [
            charts.number(factor, crops[factor.name])
            for factor in labels.factors
            if isinstance(factor, Number)
        ],
        "per_person": charts.bars([count for count, _ in used], [name for _, name in used]),
    }


def _classes(survey: Survey) -> dict[str, Any] | None:
    """The classes of the named task of all factors, where there is one."""
    task = headline_task(survey.cache.label_set)
    if not task:
        return None
    codes = task.encode(survey.crops)
    return {"bars": charts.coded(codes, task.classes), "unlabelled": int((codes < 0).sum())}


def _parts(crops: pd.DataFrame) -> list[charts.Bar]:
    """Crops by the part of the data that they came in, by name; none where no part is named."""
    if SPLIT not in crops:
        return []
    counts = crops[SPLIT].replace("", "not named").value_counts().sort_index()
    return charts.bars(counts.tolist(), [str(name) for name in counts.index])


def _spreads(crops: pd.DataFrame) -> list[charts.Histogram]:
    return [
        charts.spread("Face side, pixels of the photo", crops["face_side"], unit="px"),
        charts.spread("Face, % of the photo's area", 100 * crops["face_share"], unit="%"),
        charts.spread("Brightness of the face, 0 to 255", crops["brightness"]),
        charts.doublings("Sharpness of the face, logarithmic", crops["sharpness"]),
        charts.spread("Detector's score", crops["score"]),
    ]


def _rejects(survey: Survey) -> Table:
    """The rejected photos, those of the commonest reason first, then as in the source."""
    rejects = survey.cache.rejects
    common = rejects["reason"].map(rejects["reason"].value_counts())
    order = ["common", "reason", "position"]
    rejects = rejects.assign(common=common).sort_values(order, ascending=[False, True, True])
    hashes = rejects["source_sha256"].fillna("").astype(str).str.slice(0, HASH_PREFIX)
    lines = zip(rejects["source"], rejects["reason"], hashes, strict=True)
    return _table(["photo", "reason", "sha256"], [[str(value) for value in line] for line in lines])


def _reasons(survey: Survey) -> list[charts.Bar]:
    """How often photos were rejected for what; the commonest first, then by name."""
    counts = survey.cache.rejects["reason"].value_counts().rename_axis("reason").reset_index(name="count")
    counts = counts.sort_values(["count", "reason"], ascending=[False, True])
    numbers, names = counts["count"].tolist(), counts["reason"].tolist()
    if len(names) > MOST_REASONS:
        numbers[MOST_REASONS:] = [sum(numbers[MOST_REASONS:])]
        names[MOST_REASONS:] = [f"{len(names) - MOST_REASONS:,} other reasons"]
    return charts.bars(numbers, names)


def _look_alikes(survey: Survey, near: Alike) -> dict[str, Any]:
    found = clusters(near)
    shown = [
        _cluster(survey, rows, f"{distance} of 64 bits apart") for distance, rows in found[:MOST_CLUSTERS]
    ]
    return {
        "look_alikes": shown,
        "look_alikes_total": len(found),
        "look_alike_pairs": near.total,
        "look_alike_pairs_kept": len(near.rows),
        "near": NEAR,
    }


def _cluster(survey: Survey, rows: list[int], title: str) -> Cluster:
    crops = survey.crops.iloc[rows]
    labels = {labels_of(crop, survey.cache.label_set) for _, crop in crops.iterrows()}
    shown = rows[:MOST_IN_CLUSTER]
    names = survey.crops["person"].iloc[shown].replace("", "person not known")
    tiles = [tile(survey, row, name) for row, name in zip(shown, names, strict=True)]
    return Cluster(title, len(labels) > 1, tiles, len(rows) - len(shown))


def _corrections(survey: Survey) -> Table | None:
    path = survey.cache.folder / CORRECTIONS
    if not path.is_file():
        return None
    corrections = read_table(path, ())
    return _table([str(name) for name in corrections.columns], corrections.to_numpy().tolist())


def _table(header: list[str], lines: list[list[str]]) -> Table:
    return Table(header, lines[:MOST_LINES], max(len(lines) - MOST_LINES, 0))
