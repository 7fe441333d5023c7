"""Who is on the photos: everyone labelled is somebody, and has one value of what is a person's own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from faces.factors import Factor
from faces.labels import IntArray, LabelSet
from preprocess.sources.listing import Listing


def name_persons(photos: pd.DataFrame, labels: LabelSet, notes: list[str]) -> None:
    """Make each labelled photo of nobody known a person of its own, since folds are dealt by person.

    Args:
        photos: of a listing; changed in place.
        labels: their factors.
        notes: gets a sentence on it.
    """
    labelled = np.any([codes >= 0 for codes in labels.encode(photos).values()], axis=0)
    alone = labelled & (photos.person == "")
    photos.loc[alone, "person"] = photos.source[alone]
    if alone.any():
        notes.append(
            f"{alone.sum()} of {len(photos)} photos are of nobody named: each counts as a person of its own, "
            "so photos of one person may be on both sides of a fold; name the people in a table's column, "
            "--columns.person"
        )


def two_values(people: pd.Series, codes: IntArray) -> list[tuple[str, int, int]]:
    """People with two values of a factor: who, and a row of each value.

    Args:
        people: [n] keys, "" for nobody.
        codes: [n] of the factor, `UNKNOWN` where not known.
    """
    known = (codes >= 0) & (people != "").to_numpy()
    table = pd.DataFrame(
        {"who": people.to_numpy()[known], "code": codes[known], "row": np.flatnonzero(known)}
    )
    first = table.drop_duplicates("who").set_index("who")
    other = table[table.code.to_numpy() != first.code.reindex(table.who).to_numpy()].drop_duplicates("who")
    return [(row.who, int(first.row[row.who]), int(row.row)) for row in other.itertuples()]


def check_persons(listing: Listing) -> None:
    """Refuse a person who has two values of a factor that is one per person.

    Numbers may differ within a band: the photos of one person may have been taken in several years.

    Raises:
        ValueError: with the person, both values and the cure.
    """
    for factor in listing.labels.factors:
        if factor.per == "person" and (
            found := two_values(listing.photos.person, factor.codes(listing.photos[factor.name]))
        ):
            raise ValueError(_complaint(listing, factor, found))


def _complaint(listing: Listing, factor: Factor, found: list[tuple[str, int, int]]) -> str:
    person, *rows = found[0]
    photos = listing.photos
    both = [f"{factor.say(photos[factor.name].iloc[row])} in {photos.image_id.iloc[row]}" for row in rows]
    return (
        f"{listing.folder}: person {person} has two values of {factor.name}, {' and '.join(both)} "
        f"({len(found)} such people): put the wrong one right in a corrections.csv, or declare {factor.name} "
        'with per = "photo" in a labels.toml (make labels DATA=... OUT=labels.toml proposes one)'
    )
