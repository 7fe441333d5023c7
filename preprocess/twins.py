"""The same file more than once: under several people, with two labels, or twice under one person."""

from __future__ import annotations

import pandas as pd

from faces.labels import LabelSet
from preprocess.look.duplicates import same_files

SAMPLE = ["source_sha256", "box"]
"""What is the same of two copies of one face: several faces of one photo are no copies of each other."""


def twin_lines(index: pd.DataFrame, labels: LabelSet) -> list[str]:
    """What is to be said of photos whose files are equal byte for byte.

    Args:
        index: of a cache.
        labels: its factors.

    Returns:
        Lines without an end: on files that stand under several people, on their labels where these differ,
        and on files that one person has twice; none where no file is there twice.
    """
    shared = index[(index["source_sha256"] != "") & index["source_sha256"].duplicated(keep=False)]
    # pandas has NaN for the missing box where no photo has one.
    boxes = [str(None if pd.api.types.is_scalar(box) else [*box]) for box in shared["face_box"]]
    copies = shared.assign(box=boxes).sort_values("source", kind="stable")
    files, people = index["source_sha256"].to_numpy(object), index["person"].to_numpy(object)
    several = copies["source_sha256"].isin(
        {files[rows[0]] for rows in same_files(index) if len({*people[rows]} - {""}) > 1}
    )
    return [*_of_several(copies[several], labels), *_of_one(copies, copies[~several], labels)]


def extra_lines(index: pd.DataFrame, extra: pd.DataFrame) -> list[str]:
    """What is to be said of photos that only train and are the same files as ordinary ones, or nothing.

    Args:
        index: rows of a cache, the ordinary ones.
        extra: the others.
    """
    known = index[index["source_sha256"] != ""].drop_duplicates("source_sha256").set_index("source_sha256")
    copies = extra[extra["source_sha256"].isin(known.index)]
    if copies.empty:
        return []
    first = copies.iloc[0]
    photos, sit = ("photo is", "it sits") if len(copies) == 1 else ("photos are", "they sit")
    return [
        f"{len(copies):,} extra {photos} the same file as an ordinary one, such as {first['source']} and "
        f"{known['source'][first['source_sha256']]}: {sit} out where that validates"
    ]


def _of_several(copies: pd.DataFrame, labels: LabelSet) -> list[str]:
    files = copies["source_sha256"].nunique()
    if not files:
        return []
    first = copies[copies["source_sha256"] == copies["source_sha256"].iloc[0]].drop_duplicates("person")
    one, other = (_named(row.source, row.person) for row in first[first["person"] != ""][:2].itertuples())
    if (copies["person"] == copies["source"]).all():  # of nobody named
        stand, whose = ("file is", "its") if files == 1 else ("files are", "their")
        line = f"{files:,} {stand} there more than once, such as {one} and {other}: {whose} photos"
    else:
        stand, whose = ("file stands", "its") if files == 1 else ("files stand", "their")
        line = f"{files:,} {stand} under two persons or more, such as {one} and {other}: {whose} people"
    return [f"{line} are dealt to one fold", *_differing(copies, labels, "of these")]


def _of_one(copies: pd.DataFrame, alone: pd.DataFrame, labels: LabelSet) -> list[str]:
    same = [*SAMPLE, "person"]
    again = copies[copies.duplicated(same)]
    if again.empty:
        return []
    first = again.iloc[0]
    before = copies["source"][(copies[same] == first[same]).all(axis=1)].iloc[0]
    are, count = ("photo is", "it counts") if len(again) == 1 else ("photos are", "they count")
    whose = " of the same person" if (again["person"] != "").any() else ""
    line = f"{len(again):,} {are} the same file as another{whose}, such as {first['source']} and {before}"
    return [f"{line}: {count} twice", *_differing(alone, labels, "of files under one person")]


def _differing(copies: pd.DataFrame, labels: LabelSet, which: str) -> list[str]:
    """A line on files that have two labels, with two photos that contradict each other."""
    wrong: set[str] = set()
    example = ""
    for factor in labels.factors:
        known = copies[factor.codes(copies[factor.name]) >= 0]
        twice = known[known.groupby(SAMPLE)[factor.name].transform("nunique") > 1]
        if len(twice) and not example:
            first = twice[(twice[SAMPLE] == twice[SAMPLE].iloc[0]).all(axis=1)].drop_duplicates(factor.name)
            says = [f"{factor.say(row[factor.name])} in {row['source']}" for _, row in first[:2].iterrows()]
            example = f"{factor.name}: {', '.join(says)}"
        wrong.update(twice["source_sha256"])
    have = "has" if len(wrong) == 1 else "have"
    line = f"{which}, {len(wrong):,} {have} two different labels ({example}): at least one is wrong"
    return [line] if wrong else []


def _named(source: str, person: str) -> str:
    """A photo and whose it is, where its name does not say so already."""
    return source if person == source else f"{source} ({person})"
