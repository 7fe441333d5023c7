"""Files that are there more than once, as stage 1 tells of them when it ends."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.labels import CONTEST
from preprocess.look.duplicates import same_files
from preprocess.twins import twin_lines


def index_of(**columns: list[object]) -> pd.DataFrame:
    """Photos 0.jpg, 1.jpg, ... of which nothing is known but what is told."""
    count = len(next(iter(columns.values())))
    plain: dict[str, object] = {
        "source": [f"{n}.jpg" for n in range(count)],
        "source_sha256": [f"{n:064x}" for n in range(count)],
        "person": [f"p{n}" for n in range(count)],
        "face_box": [np.array([1.0, 2.0, 30.0, 40.0])] * count,
        "mask": [-1] * count,
        "gender": [-1] * count,
        "age": [np.nan] * count,
    }
    return pd.DataFrame({**plain, **columns})


def lines(**columns: list[object]) -> list[str]:
    return twin_lines(index_of(**columns), CONTEST)


def test_of_files_that_are_there_once_nothing_is_said() -> None:
    assert lines(mask=[0, 1, 2]) == lines(source_sha256=["", "", ""]) == []


def test_files_of_several_people_are_counted_and_two_are_named() -> None:
    assert lines(source_sha256=["a", "b", "a", "b", "c", "b"]) == [
        "2 files stand under two persons or more, such as 0.jpg (p0) and 2.jpg (p2): their people are dealt "
        "to one fold"
    ]
    assert lines(source_sha256=["a", "a"], person=["0.jpg", "1.jpg"]) == [
        "1 file is there more than once, such as 0.jpg and 1.jpg: its photos are dealt to one fold"
    ]


def test_two_labels_of_one_file_are_named_with_both_photos() -> None:
    found = lines(
        source_sha256=[*"aabbccc"], mask=[0, 2, 1, 1, 0, 0, -1], age=[20.0, 20, 20, 31, 5, np.nan, 5]
    )
    assert found[0].startswith("3 files stand under two persons or more, such as 0.jpg (p0) and 1.jpg (p1)")
    assert found[1:] == [
        "of these, 2 have two different labels (mask: wear in 0.jpg, normal in 1.jpg): at least one is wrong"
    ]


def test_a_file_that_one_person_has_twice_counts_twice() -> None:
    found = lines(source_sha256=[*"aabb"], person=["p", "p", "q", "q"], mask=[0, 0, 1, 2])
    assert found == [
        "2 photos are the same file as another of the same person, such as 1.jpg and 0.jpg: they count twice",
        "of files under one person, 1 has two different labels (mask: incorrect in 2.jpg, normal in 3.jpg): "
        "at least one is wrong",
    ]
    assert lines(source_sha256=["a", "a"], person=["", ""]) == [
        "1 photo is the same file as another, such as 1.jpg and 0.jpg: it counts twice"
    ]


def test_faces_of_one_photo_are_no_copies() -> None:
    boxes = [np.array([0.0, 0, 9, 9]), np.array([20.0, 0, 29, 9])]
    alike = {"source_sha256": ["a", "a"], "source": ["g.jpg", "g.jpg"], "face_box": boxes, "mask": [0, 2]}
    assert lines(**alike, person=["", ""]) == lines(**alike, person=["g.jpg", "g.jpg"]) == []
    # A copy of that photo: each face is compared with itself.
    twice = {
        **alike,
        "source_sha256": [*"aaaa"],
        "source": ["g.jpg"] * 2 + ["h.jpg"] * 2,
        "face_box": boxes * 2,
    }
    found = lines(**{**twice, "mask": [0, 2, 0, 2]}, person=["g.jpg"] * 2 + ["h.jpg"] * 2)
    assert len(found) == 1 and found[0].startswith("1 file is there more than once, such as g.jpg and")
    assert (
        "mask: normal in g.jpg, incorrect in h.jpg"
        in lines(**{**twice, "mask": [0, 2, 0, 1]}, person=["g.jpg"] * 2 + ["h.jpg"] * 2)[1]
    )


def test_a_photo_without_a_face_has_no_box() -> None:
    assert len(lines(source_sha256=["a", "a"], face_box=[None, None])) == 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 4)), min_size=1, max_size=12))
def test_as_many_files_are_told_as_the_page_lists(photos: list[tuple[int, int]]) -> None:
    files, people = zip(*photos, strict=True)
    columns = {"source_sha256": [f"s{n}" for n in files], "person": [f"p{n}" for n in people]}
    listed = len(same_files(index_of(**columns)))
    told = [line for line in lines(**columns) if "two persons or more" in line]
    assert [line.split()[0] for line in told] == ([str(listed)] if listed else [])
