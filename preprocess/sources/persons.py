"""Who is on the photos: everyone labelled is somebody, and has one value of what is a person's own."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from faces.factors import Factor
from faces.foreign.persons import person_key
from faces.labels import IntArray, LabelSet
from preprocess.sources.listing import Listing
from preprocess.sources.spellings import alike_notes, counted_people, people_of, spelling_notes

_OTHERS: Final = "give those of one cache other names in its table (column person), and preprocess it again"


def name_persons(photos: pd.DataFrame, labels: LabelSet, notes: list[str]) -> pd.Series:
    """Give everyone one name, the normal form of all that the source writes, and make each labelled photo of
    nobody known a person of its own, since folds are dealt by person.

    Args:
        photos: of a listing; changed in place.
        labels: their factors.
        notes: gets a sentence on each.

    Returns:
        [n] people as the source spells them.
    """
    spelt = photos.person
    notes.extend(spelling_notes(people_of(photos)))
    photos["person"] = spelt.where(spelt == photos.source, spelt.map(person_key))
    labelled = np.any([codes >= 0 for codes in labels.encode(photos).values()], axis=0)
    alone = labelled & (photos.person == "")
    photos.loc[alone, "person"] = photos.source[alone]
    if alone.any():
        notes.append(
            f"{alone.sum()} of {len(photos)} photos are of nobody named: each counts as a person of its own, "
            "so photos of one person may be on both sides of a fold; name the people in a table's column, "
            "--columns.person"
        )
    return spelt.mask(alone, photos.source)


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


def joined_notes(photos: pd.DataFrame, labels: LabelSet) -> list[str]:
    """What is said of the people of caches that are joined.

    Args:
        photos: of all caches, with person, source and labels as their files have them, and cache: its name.
        labels: the factors of all.
    """
    people = people_of(photos)
    return [*spelling_notes(people), *_shared(photos, labels), *alike_notes(people)]


def _shared(photos: pd.DataFrame, labels: LabelSet) -> list[str]:
    """A sentence on people whom two caches have, and on their labels where these say that they are others."""
    keys = photos["person"].where(photos["person"] == photos["source"], photos["person"].map(person_key))
    photos = photos.assign(person=keys)[keys != ""]
    places = photos.drop_duplicates(["person", "cache"])
    shared = places[places["person"].duplicated(keep=False)]
    if shared.empty:
        return []
    first = shared["person"].iloc[0]
    one, other = shared["cache"][shared["person"] == first][:2]
    are = counted_people(shared["person"].nunique(), "is", "are")
    line = f"{are} in two caches by name, such as {first} in {one} and {other}: each counts as one person"
    return [f"{line}; {_told_apart(photos[photos['person'].isin(shared['person'])], labels)}"]


def _told_apart(photos: pd.DataFrame, labels: LabelSet) -> str:
    """Whether people whom two caches have can be the same ones, and what to do where they are not."""
    for factor in labels.factors:
        if factor.per == "person" and (
            found := two_values(photos["person"], factor.codes(photos[factor.name]))
        ):
            person, *rows = found[0]
            values = photos[[factor.name, "cache"]].iloc[rows].itertuples(index=False)
            says = [f"{factor.say(value)} in {cache}" for value, cache in values]
            several = f"{counted_people(len(found), 'has', 'have')} two values of {factor.name}"
            return f"but {several} ({person}: {', '.join(says)}), so they are others: {_OTHERS}"
    return f"if they are others, {_OTHERS}"
