"""Photos whose files are the same: whoever has them stands on one side of every fold."""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.folds import Division, FoldScheme, divide_photos
from faces.labels import CONTEST, Categories, LabelSet, Number

DEALT: tuple[FoldScheme, ...] = tuple(s for s in get_args(FoldScheme) if not s.startswith("split"))
LABELS = LabelSet(
    name="own",
    factors=(
        Categories(name="glasses", categories=("yes", "no")),
        Number(name="age", edges=(30.0, 60.0), per="person"),
    ),
)


class Crowd:
    """Photos of people, the first two of each in any number of files that others have too."""

    def __init__(self, people: int, links: list[tuple[int, int]], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.person = rng.permutation(np.repeat(np.arange(people), 3))
        self.keys = np.array([f"k{number:04d}" for number in rng.permutation(len(self.person))])
        self.names = np.array([f"p{number:03d}" for number in rng.permutation(people)])
        self.files = np.array([f"{number:064x}" for number in range(len(self.person))], object)
        for one, other in links:
            mine, theirs = (np.flatnonzero(self.person == each % people) for each in (one, other))
            self.files[rng.choice(mine)] = self.files[rng.choice(theirs)]
        self.photos = {
            "glasses": rng.integers(-1, 2, len(self.person)),
            "age": np.array([20.0, 40.0, 70.0])[np.arange(people) % 3][self.person],
        }

    def divide(self, scheme: FoldScheme, folds: int, seed: int, **more: object) -> Division:
        given = {"files": self.files, **more}
        return divide_photos(
            scheme,
            keys=self.keys,
            persons=self.names[self.person],
            photos=self.photos,
            labels=LABELS,
            folds=folds,
            seed=seed,
            **given,  # type: ignore[arg-type]
        )

    def groups(self, owner: np.ndarray) -> list[set[int]]:
        """Owners of photos joined by shared files, one file after the other."""
        found = [{int(each)} for each in np.unique(owner)]
        for file in np.unique(self.files):
            mine = {*owner[self.files == file].tolist()}
            touched = [group for group in found if group & mine]
            found = [group for group in found if not group & mine] + [set().union(*touched)]
        return found


@st.composite
def crowds(draw: st.DrawFn) -> Crowd:
    people = draw(st.integers(12, 30))
    links = draw(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=6))
    return Crowd(people, links, draw(st.integers(0, 99)))


@settings(deadline=None, max_examples=40)
@given(crowd=crowds(), folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_no_file_and_nobody_who_shares_one_stands_on_both_sides(crowd: Crowd, folds: int, seed: int) -> None:
    for scheme in DEALT:
        fold = crowd.divide(scheme, folds, seed).fold
        for file in np.unique(crowd.files):
            assert len({*fold[crowd.files == file]}) == 1
        if scheme != "image":
            for group in crowd.groups(crowd.person):
                assert len({*fold[np.isin(crowd.person, [*group])]}) == 1


@settings(deadline=None, max_examples=40)
@given(crowd=crowds(), folds=st.integers(2, 5), seed=st.integers(0, 99))
def test_folds_differ_by_no_more_people_than_the_largest_group_has(
    crowd: Crowd, folds: int, seed: int
) -> None:
    for scheme, owner in (("person", crowd.person), ("image", np.arange(len(crowd.person)))):
        division = crowd.divide(scheme, folds, seed)  # type: ignore[arg-type]
        sizes = [len(group) for group in crowd.groups(owner)]
        each = division.fold[np.unique(owner, return_index=True)[1]]
        assert np.ptp(np.bincount(each, minlength=folds)) <= max(sizes)
        assert division.linked == sum(size for size in sizes if size > 1)


def plainly_dealt(strata: Sequence[tuple[int, ...]], folds: int, seed: int) -> list[int]:
    """The rule for people or photos of whom none shares a file, in plain Python."""
    shuffled = np.random.default_rng(seed).permutation(len(strata)).tolist()
    order = sorted(range(len(strata)), key=lambda n: (strata[n], shuffled[n]))
    return [order.index(n) % folds for n in range(len(strata))]


@settings(deadline=None, max_examples=40)
@given(crowd=crowds(), folds=st.integers(2, 4), seed=st.integers(0, 99), known=st.booleans())
def test_where_no_file_is_shared_all_stays_as_it_was(
    crowd: Crowd, folds: int, seed: int, known: bool
) -> None:
    files = np.array([f"{n:064x}" if known else "" for n in range(len(crowd.person))], object)
    band = np.arange(len(crowd.names)) % 3
    by_name = np.argsort(crowd.names)
    people = np.empty(len(by_name), np.int64)
    people[by_name] = plainly_dealt([(band[n],) for n in by_name], folds, seed)
    by_key = np.argsort(crowd.keys)
    photos = np.empty(len(by_key), np.int64)
    strata = [(crowd.photos["glasses"][n], band[crowd.person[n]]) for n in by_key]
    photos[by_key] = plainly_dealt(strata, folds, seed)
    wanted = {"age_group": people[crowd.person], "image": photos}
    for scheme in DEALT:
        division = crowd.divide(scheme, folds, seed, files=files)
        assert division.fold.tolist() == crowd.divide(scheme, folds, seed, files=None).fold.tolist()
        assert division.linked == 0
        if scheme in wanted:
            assert division.fold.tolist() == wanted[scheme].tolist()


@settings(deadline=None, max_examples=40)
@given(crowd=crowds(), seed=st.integers(0, 99), shuffle=st.integers(0, 99))
def test_the_order_of_rows_does_not_count(crowd: Crowd, seed: int, shuffle: int) -> None:
    order = np.random.default_rng(shuffle).permutation(len(crowd.keys))
    for scheme in DEALT:
        fold = crowd.divide(scheme, 3, seed).fold
        again = divide_photos(
            scheme,
            keys=crowd.keys[order],
            persons=crowd.names[crowd.person][order],
            photos={name: values[order] for name, values in crowd.photos.items()},
            labels=LABELS,
            folds=3,
            seed=seed,
            files=crowd.files[order],
        )
        np.testing.assert_array_equal(again.fold, fold[order])


def people_of(ages: list[float], files: list[str], folds: int, **more: object) -> Division:
    """One photo a person, named by its place."""
    count = len(ages)
    photos = {"mask": np.zeros(count, int), "gender": np.zeros(count, int), "age": np.array(ages)}
    given = {"labels": CONTEST, "seed": 0, **more}
    names = [f"p{n:02d}" for n in range(count)]
    return divide_photos(
        "person",
        keys=names,
        persons=names,
        photos=photos,
        folds=folds,
        files=files,
        **given,  # type: ignore[arg-type]
    )


def test_people_are_linked_by_way_of_others_and_a_file_that_is_not_known_links_nobody() -> None:
    persons = np.array(["a", "b", "b", "c", "d", "e", "f", "g"])
    files = ["x", "x", "y", "y", "", "", "z", "w"]
    division = divide_photos(
        "person",
        keys=np.arange(8),
        persons=persons,
        photos={"glasses": np.zeros(8, int), "age": np.full(8, 20.0)},
        labels=LABELS,
        folds=2,
        seed=1,
        files=files,
    )
    assert len({*division.fold[:4]}) == 1 and division.linked == 3
    # The three are dealt first and the other four fill both folds: 3 + 1 and 3 people.
    people = [len({*persons[division.fold == fold]}) for fold in (0, 1)]
    assert sorted(people) == [3, 4]


def test_each_stratum_of_a_group_is_that_of_its_first_person() -> None:
    # Six young and six old, p00 and p11 share a file: the pair is dealt as young, five old ones are left.
    division = people_of([20.0] * 6 + [70.0] * 6, ["x", *"bcdefghijk", "x"], folds=2)
    assert division.fold[0] == division.fold[11] and division.linked == 2
    assert sorted(np.bincount(division.fold)) == [6, 6]
    assert np.bincount(division.fold[:6]).tolist() == [3, 3]


def test_a_value_of_too_few_groups_is_named() -> None:
    ages, files = [20.0] * 8 + [70.0] * 4, [*"abcdefgh", "x", "x", "x", "y"]
    with pytest.raises(
        ValueError, match=r"age >=60 has 4 people, in 2 groups who share files, fewer than folds=3.*at most 2"
    ):
        people_of(ages, files, 3, told=("age",))
    assert people_of(ages, files, 3).not_by["age"].startswith(">=60 has 4 people, in 2 groups")
    assert people_of(ages, files, 2, told=("age",)).by[0] == "age"


def test_one_file_of_everybody_is_no_division() -> None:
    with pytest.raises(ValueError, match=r"folds=3: .* and of 9 people that leaves 1 to deal; remove"):
        people_of([20.0] * 9, ["x"] * 9, 3)


def test_who_has_two_values_is_refused_person_by_person_not_group_by_group() -> None:
    assert people_of([20.0, 70.0] * 6, ["x", "x", *"abcdefghij"], 2).linked == 2
