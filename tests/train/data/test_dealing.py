"""Copies of one file among the photos of a cache: none trains where it validates, and training says so."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.cache.reader import Cache
from faces.folds import FoldScheme, fold_numbers
from infer.predict.out_of_fold import plan_out_of_fold
from preprocess.next_step import next_lines
from tests.helpers.coloured import write_told
from tests.helpers.runs.fold_runs import FOLDS, change_card, write_runs
from train.data.rows import FoldRows, fold_rows
from train.leak.work import rows_apart

DEALT: tuple[FoldScheme, ...] = ("person", "age_group", "holdout", "image", "everything")


def photos(people: int, copies: dict[int, int], **columns: object) -> pd.DataFrame:
    """Three photos of each person, of each mask one; a photo is a copy of another, by their rows."""
    rows = np.arange(3 * people)
    files = [f"{copies.get(row, row):064x}" for row in rows.tolist()]
    told = {
        "person": [f"p{row // 3:02d}" for row in rows],
        "mask": rows % 3,
        "age": 20.0,
        "source_sha256": files,
    }
    return pd.DataFrame({**told, **columns})


def rows_of(cache: Cache, fold: int = 0, scheme: FoldScheme = "person", folds: int = 3) -> FoldRows:
    return fold_rows(cache, ("mask",), fold=fold, folds=folds, seed=0, scheme=scheme)


def no_file_on_both_sides(cache: Cache, rows: FoldRows) -> bool:
    files = cache.index["source_sha256"]
    trains = {*files[rows.training], *files[rows.unlabelled]} - {""}
    return not trains & {*files[rows.validation]}


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """12 people, of whom p00, p05 and p09 share photos in a chain, and p03 has one twice."""
    copies = {15: 0, 27: 16, 10: 9}
    return write_told(tmp_path_factory.mktemp("linked") / "linked", photos(12, copies))


def test_no_file_stands_on_both_sides_of_any_fold_of_any_scheme(linked: Cache) -> None:
    people = linked.index["person"]
    for scheme in DEALT:
        for fold in fold_numbers(scheme, 3):
            rows = rows_of(linked, fold, scheme)
            assert no_file_on_both_sides(linked, rows)
            if scheme != "image":
                assert len({*people[rows.validation]} & {"p00", "p05", "p09"}) in (0, 3)


def test_training_says_who_was_dealt_together(linked: Cache) -> None:
    assert rows_of(linked).notes == ("3 people share photos with others and were dealt together",)
    assert rows_of(linked, scheme="image").notes == (
        "6 photos share their file with others and were dealt together",
    )


def test_the_people_kept_apart_for_the_demonstration_share_no_photo_with_others(linked: Cache) -> None:
    files = linked.index["source_sha256"]
    for seed in range(6):
        apart = rows_apart(linked, 3, seed)
        assert not {*files[apart]} & {*files.drop(apart)}


def test_the_proposed_number_of_folds_suits_the_groups(tmp_path: Path) -> None:
    few = photos(6, {3: 0, 6: 0, 9: 0})
    assert next_lines(write_told(tmp_path / "few", few))[-1].endswith(" FOLDS=3")


def test_each_twin_is_answered_out_of_fold_by_a_run_that_saw_none_of_them(
    linked: Cache, tmp_path: Path
) -> None:
    write_runs(tmp_path, linked, "masks", tasks=("mask",))
    plan = plan_out_of_fold(["masks"], tmp_path, linked)
    assert len(plan.photos) == len(linked) and len(plan.stored()["masks"][0]["mask"]) == len(linked)
    files, people = linked.index["source_sha256"], linked.index["person"]
    for fold, mine in plan.photos.groupby("fold"):
        trained = fold_rows(linked, ("mask",), fold=int(str(fold)), folds=FOLDS, seed=0).training
        assert not {*files[mine["row"]]} & {*files[trained]}
        assert not {*people[mine["row"]]} & {*people[trained]}


def test_runs_of_folds_that_knew_no_twins_are_refused_whatever_the_views(tmp_path: Path) -> None:
    alone = write_told(tmp_path / "alone", photos(12, {}))
    write_runs(tmp_path, alone, "masks", tasks=("mask",))
    cache = write_told(tmp_path / "linked", photos(12, {row: row % 12 for row in range(12, 24)}))
    for path in tmp_path.glob("masks/*/request.json"):
        change_card(path.parent, cache=cache.identity)
    plan = plan_out_of_fold(["masks"], tmp_path, cache)
    with pytest.raises(ValueError, match=r"are not the .* photos of fold .; train the fold again"):
        plan.answered(("original", "flip"), None)  # type: ignore[arg-type]


def test_a_photo_of_a_trained_part_that_is_also_validated_is_left_out_and_counted(tmp_path: Path) -> None:
    parts = np.repeat(["train", "train", "train", "val", "test", "train"], 3)
    # Of p00 and p01 one photo each is one of val, of p02 one is of the part kept for a test.
    cache = write_told(tmp_path / "split", photos(6, {1: 9, 4: 10, 6: 12}, split=parts))
    rows = rows_of(cache, scheme="split")
    assert rows.training.tolist() == [0, 2, 3, 5, 6, 7, 8, 15, 16, 17]
    assert rows.validation.tolist() == [9, 10, 11]
    assert rows.notes == ("2 photos of train are the same files as photos of val: not trained on",)


def test_of_data_that_came_in_folds_a_copy_validates_in_its_own_and_trains_in_no_other(
    tmp_path: Path,
) -> None:
    parts = np.repeat(["fold0", "fold1", "fold2"], 3)
    cache = write_told(tmp_path / "folds", photos(3, {3: 0}, split=parts))
    first, second, third = (rows_of(cache, fold, "split_folds") for fold in range(3))
    assert (first.training.tolist(), first.validation.tolist()) == ([4, 5, 6, 7, 8], [0, 1, 2])
    assert (second.training.tolist(), second.validation.tolist()) == ([1, 2, 6, 7, 8], [3, 4, 5])
    assert third.training.tolist() == [*range(6)] and not third.notes
    assert first.notes == ("1 photo of fold1 is the same file as a photo of fold0: not trained on",)


def test_extra_and_unlabelled_copies_of_what_validates_do_not_train(tmp_path: Path) -> None:
    told = photos(14, {36: 0, 37: 4, 39: 8})
    told["extra"] = ["all" if 36 <= row < 39 else "" for row in range(42)]
    told.loc[39:, ["mask", "age"]] = [-1, np.nan]  # p13 is labelled with nothing
    told.loc[39:, "person"] = ""
    cache = write_told(tmp_path / "extra", told)
    plain = write_told(tmp_path / "plain", told.iloc[:36].drop(columns="extra"))
    for fold in range(3):
        rows = rows_of(cache, fold)
        assert rows.validation.tolist() == rows_of(plain, fold).validation.tolist()
        assert no_file_on_both_sides(cache, rows) and not rows.notes
        validates = {*rows.validation.tolist()}
        beside = [row for row, original in ((36, 0), (37, 4), (38, 38)) if original not in validates]
        assert [*rows.training[rows.training >= 36]] == beside
        assert rows.unlabelled.tolist() == [*([] if 8 in validates else [39]), 40, 41]


def test_faces_of_one_photo_stay_together(tmp_path: Path) -> None:
    """Rows of one file under one person, under nobody's or under several names."""
    told = photos(12, {row: row - row % 3 for row in range(36)})
    told["person"] = [f"face{row}" for row in range(36)]
    cache = write_told(tmp_path / "faces", told)
    for scheme in ("person", "image"):
        fold = np.empty(36, np.int64)
        for number in range(3):
            fold[rows_of(cache, number, scheme).validation] = number
        assert (fold.reshape(12, 3) == fold[::3, None]).all() and set(np.bincount(fold)) == {12}


@settings(deadline=None, max_examples=4)
@given(copies=st.dictionaries(st.integers(0, 35), st.integers(0, 35), max_size=8), seed=st.integers(0, 9))
def test_whatever_is_copied_no_file_is_on_both_sides(
    copies: dict[int, int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    parts = np.random.default_rng(seed).permutation(np.repeat(["train", "train", "val"], 4))
    told = photos(12, copies, split=np.repeat(parts, 3))
    cache = write_told(tmp_path_factory.mktemp("any") / "any", told)
    for scheme in ("person", "split"):
        try:
            assert no_file_on_both_sides(cache, rows_of(cache, 0, scheme))
        except ValueError as error:  # all photos of a mask are copies, say
            assert "fold 0: none of its" in str(error)
