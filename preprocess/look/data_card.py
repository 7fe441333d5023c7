"""What must be known of photos before networks are trained on them, as a data card beside the crops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED, FALLBACK
from faces.factors import Factor, Number
from faces.files import write_atomically
from faces.folds import SPLIT
from faces.pages.markdown import render_markdown
from preprocess.look.framing import described, framing_of, warnings

DATA_CARD: Final = "data_card.md"
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""Numbers of photos below which Hugging Face's header has which word."""


def write_data_card(cache: Cache) -> Path:
    """Write `data_card.md` into a finished cache; the same cache gives the same card.

    Raises:
        OSError: not writable.
    """
    path = cache.folder / DATA_CARD
    write_atomically(path, data_card(cache).encode())
    return path


def data_card(cache: Cache) -> str:
    """The card's text: what the photos are, who is in them, their labels, how they were cropped, and what is
    known to be wrong with them."""
    source, photos = cache.description["source"], cache.photos()
    framing = framing_of(cache.index, photos, cache.label_set, cache.description["settings"])
    person = cache.index["person"]
    each = person[person != ""].value_counts()
    status = cache.index["status"]
    return render_markdown(
        "preprocess.look",
        "data_card.md.j2",
        name=cache.folder.resolve().name,
        header=_header(cache),
        folders=[part["name"] for part in source.get("parts", [])] or [source.get("folder", "not recorded")],
        drawn=cache.drawn,
        layout=source.get("layout", "several caches, joined"),
        identity=cache.identity,
        counts={
            "crops": len(cache),
            "of them with a face that was found": int((status == DETECTED).sum()),
            "of them cropped at the centre, without a face": int((status == FALLBACK).sum()),
            "photos that could not be used": int((cache.rejects["position"] >= 0).sum()),
            "people": len(each),
        },
        each=f"{each.min()} to {each.max()}, median {each.median():g}" if len(each) else "not known",
        parts=_parts(cache),
        factors={factor.name: _rows(factor, cache) for factor in cache.label_set.factors},
        settings={key: _plain(value) for key, value in cache.description["settings"].items()},
        framing=described(framing),
        warnings=[text.partition(" Cure: ")[0] for text in warnings(framing)],
    )


def _header(cache: Cache) -> list[str]:
    """The lines of the YAML header that are not alike in all cards; JSON is YAML."""
    drawn = ["drawn-people"] if cache.drawn else []
    size = next((word for limit, word in _SIZES if len(cache) < limit), "n>1M")
    return [
        f"pretty_name: {json.dumps(cache.folder.resolve().name, ensure_ascii=False)}",
        f"size_categories: {json.dumps([size])}",
        f"tags: {json.dumps(['face-photos', *drawn, *cache.label_set.names], ensure_ascii=False)}",
    ]


def _parts(cache: Cache) -> dict[str, int]:
    """Crops of each part that the data came in, such as train and test."""
    if SPLIT not in cache.index:
        return {}
    counts = cache.index[SPLIT].value_counts().sort_index()
    return {str(name): int(count) for name, count in counts.items() if name}


def _rows(factor: Factor, cache: Cache) -> list[tuple[str, int, int, str]]:
    """Value, crops, people and share of the labelled crops of each value of a factor; then what has no label,
    and of a number its range."""
    values = cache.photos()[factor.name]
    codes, person = factor.codes(values), cache.index["person"].to_numpy()
    known = int((codes >= 0).sum())
    rows = []
    for code, name in enumerate(factor.classes):
        mine = codes == code
        count = int(mine.sum())
        rows.append((name, count, len(np.unique(person[mine])), f"{count / known:.1%}" if known else "-"))
    if known < len(codes):
        rows.append(("no label", len(codes) - known, len(np.unique(person[codes < 0])), "-"))
    if isinstance(factor, Number) and known:
        numbers = values[codes >= 0].astype(float)
        rows.append(
            (f"from {numbers.min():g} to {numbers.max():g}, median {numbers.median():g}", known, 0, "-")
        )
    return rows


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
