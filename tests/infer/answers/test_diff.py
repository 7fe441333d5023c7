import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from faces.cache.reader import Cache
from faces.labels import CLASS_NAMES, CONTEST, TASKS
from infer.answers import diff
from infer.answers.changes import (
    RightCounts,
    changed_and_kappa,
    class_changes,
    count_right,
    factor_changes,
    pair_up,
    read_side,
)
from infer.answers.diff_sheet import check_held, choose_changed, draw_changes
from infer.answers.submission import FACE, write_answers
from infer.answers.written import Basis

NAMES = ("one", "other")
TASK = TASKS["class18"]
BASIS = Basis(task=TASK, labels=CONTEST, follows={})


def side(answers: list[int], *, sure: float | None = None) -> pd.DataFrame:
    """Answers to photos 0.jpg, 1.jpg, ..., each with probability `sure` and the rest spread evenly."""
    table = pd.DataFrame({"ImageID": [f"{k}.jpg" for k in range(len(answers))], "ans": answers})
    if sure is None:
        return table
    chances = np.full((len(answers), 18), (1 - sure) / 17)
    chances[np.arange(len(answers)), answers] = sure
    return table.join(pd.DataFrame(chances, columns=[*CLASS_NAMES]))


def write_side(
    folder: Path, answers: list[int], *, sure: float = 0.7, alone: Sequence[list[int]] = ()
) -> Path:
    table = side(answers, sure=sure).assign(answered_by=FACE, agreement=1.0)
    networks = pd.DataFrame(
        {"ImageID": table.ImageID, **{f"net {k}": classes for k, classes in enumerate(alone)}}
    )
    write_answers(table, table[["ImageID"]], networks, BASIS, folder)
    return folder


def changes(table: pd.DataFrame) -> list[list[object]]:
    return table.to_numpy().tolist()


def test_changes_are_counted_by_factor() -> None:
    # 0 wear male <30, 3 wear female <30, 4 wear female 30-59, 10 incorrect female 30-59
    pairs = pair_up(side([0, 0, 0, 4, 4]), side([0, 3, 4, 10, 3]), TASK, NAMES)
    assert pairs.changed.tolist() == ["", "gender", "gender, age", "mask", "age"]
    assert changes(factor_changes(pairs, TASK)) == [
        ["mask", "wear", "incorrect", 1],
        ["gender", "male", "female", 2],
        ["age", "<30", "30-59", 1],
        ["age", "30-59", "<30", 1],
    ]


def test_changes_of_class_are_counted_the_most_frequent_first() -> None:
    pairs = pair_up(side([1, 1, 2, 2, 2, 5]), side([1, 0, 1, 1, 5, 5]), TASK, NAMES)
    assert changes(class_changes(pairs)) == [[2, 1, 2], [1, 0, 1], [2, 5, 1]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 17), st.integers(0, 17)), min_size=1, max_size=40))
def test_every_changed_photo_is_counted_once_and_the_way_back_is_the_way_there(
    answers: list[tuple[int, int]],
) -> None:
    one, other = side([a for a, _ in answers]), side([b for _, b in answers])
    there, back = pair_up(one, other, TASK, NAMES), pair_up(other, one, TASK, NAMES)
    assert class_changes(there)["count"].sum() == (there.changed != "").sum()
    turned = class_changes(back)[["after", "before", "count"]]
    assert sorted(changes(class_changes(there))) == sorted(changes(turned))
    factors = factor_changes(there, TASK).groupby("factor")["count"].sum()
    for factor in ("mask", "gender", "age"):
        assert factors.get(factor, 0) == there.changed.str.contains(factor).sum()


def test_kappa_is_agreement_beyond_chance() -> None:
    # Agreement 3/4; by chance (1/2 * 3/4 + 1/2 * 1/4) = 1/2: kappa = (3/4 - 1/2) / (1 - 1/2)
    changed, kappa = changed_and_kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]), 18)
    assert (changed, kappa) == (1, pytest.approx(0.5))
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 18, 300), rng.integers(0, 18, 300)
    assert changed_and_kappa(one, other, 18)[1] == pytest.approx(cohen_kappa_score(one, other))
    assert changed_and_kappa(one, one, 18) == (0, pytest.approx(1))
    assert np.isnan(changed_and_kappa(np.zeros(5, int), np.zeros(5, int), 18)[1])


def test_the_shift_is_half_the_sum_of_differences() -> None:
    # 0.7 on a class against 0.7 on another: both move by 0.7 - 0.3 / 17.
    pairs = pair_up(side([0, 3], sure=0.7), side([0, 4], sure=0.7), TASK, NAMES)
    assert pairs["shift"].tolist() == [pytest.approx(0), pytest.approx(0.7 - 0.3 / 17)]
    assert pairs.first_probability.tolist() == [pytest.approx(0.7)] * 2
    certain = pair_up(side([0], sure=1), side([1], sure=1), TASK, NAMES)
    assert certain["shift"].tolist() == [pytest.approx(1)]


def test_probabilities_of_one_side_alone_give_no_shift() -> None:
    pairs = pair_up(side([0, 3], sure=0.7), side([0, 4]), TASK, NAMES)
    assert pairs.first_probability.notna().all()
    assert pairs.second_probability.isna().all()
    assert pairs["shift"].isna().all()


def test_the_order_of_a_side_changes_nothing() -> None:
    one, other = side([0, 3, 5, 9], sure=0.6), side([0, 4, 5, 8], sure=0.8)
    pd.testing.assert_frame_equal(pair_up(one, other, TASK, NAMES), pair_up(one, other[::-1], TASK, NAMES))


def test_other_photos_are_named() -> None:
    one = side([0] * 8)
    message = r"5 of 8 only in one \(0\.jpg, 1\.jpg, 2\.jpg, \.\.\.\) and 1 of 4 only in other \(new\.jpg\)"
    with pytest.raises(ValueError, match=message):
        pair_up(one, pd.concat([one[5:], one[:1].assign(ImageID="new.jpg")]), TASK, NAMES)


def test_mcnemar_is_a_fair_coin_over_the_photos_one_side_has_right() -> None:
    assert RightCounts(1, 7, 100).p_value == pytest.approx(2 * (1 + 8) / 2**8)
    assert RightCounts(7, 1, 0).p_value == pytest.approx(2 * (1 + 8) / 2**8)
    assert RightCounts(4, 4, 0).p_value == RightCounts(0, 0, 9).p_value == 1


def test_who_is_right_is_counted_only_where_the_sides_differ() -> None:
    pairs = pair_up(side([0, 1, 2, 3, 4, 5]), side([0, 1, 3, 4, 6, 6]), TASK, NAMES)
    truth = np.array([0, 9, 2, 4, 4, 7])
    assert count_right(pairs, truth) == RightCounts(first=2, second=1, neither=1)


def test_answers_come_from_the_submission_and_probabilities_from_beside_it(tmp_path: Path) -> None:
    folder = write_side(tmp_path / "x", [0, 3, 4])
    # Predictions of before named no hashes of their files.
    (folder / "basis.json").write_text(json.dumps(BASIS.entries))
    edited = (folder / "submission.csv").read_text().replace("1.jpg,3", "1.jpg,8")
    (folder / "submission.csv").write_text(edited)
    table = read_side(folder).table
    assert table.ans.tolist() == [0, 8, 4]
    assert table[CLASS_NAMES[3]].tolist() == pytest.approx([0.3 / 17, 0.7, 0.3 / 17])
    assert [*read_side(folder / "submission.csv").table.columns] == ["ImageID", "ans"]
    (folder / "submission.csv").write_text("ImageID,ans\n0.jpg,1\n")
    with pytest.raises(ValueError, match=r"probabilities\.parquet: of other photos than submission\.csv"):
        read_side(folder)


def test_rare_changes_have_their_turn_and_large_shifts_come_first() -> None:
    pairs = pair_up(side([0] * 100), side([1] * 80 + [3] * 15 + [6] * 5), TASK, NAMES)
    shift = np.random.default_rng(0).random(100)
    chosen = choose_changed(pairs.assign(shift=shift), most=60)
    assert chosen.changed.value_counts(sort=False).to_dict() == {"age": 40, "gender": 15, "mask": 5}
    for changed, part in chosen.groupby("changed"):
        every = shift[pairs.changed == changed]
        assert part["shift"].tolist() == sorted(every, reverse=True)[: len(part)]
    few = choose_changed(pairs.assign(shift=shift), most=20)
    assert few.changed.value_counts(sort=False).to_dict() == {"age": 8, "gender": 8, "mask": 4}
    assert not len(choose_changed(pair_up(side([0] * 3), side([0] * 3), TASK, NAMES)))


def test_the_picture_grows_with_the_changed_photos(unseen: Cache, tmp_path: Path) -> None:
    """Photos 12 and 13 are rejected ones, without a crop."""
    heights = []
    for changed in (1, 14):
        pairs = pair_up(side([0] * 14, sure=0.9), side([1] * changed + [0] * (14 - changed)), TASK, NAMES)
        path = tmp_path / f"{changed}.png"
        assert draw_changes(unseen, pairs, TASK, path, NAMES) == changed
        heights.append(Image.open(path).height)
    assert heights[1] > 1.5 * heights[0]


def test_a_crop_is_drawn_where_there_is_one(unseen: Cache, tmp_path: Path) -> None:
    def spread(photo: int) -> float:
        pairs = pair_up(side([0] * 14), side([4 * (k == photo) for k in range(14)]), TASK, NAMES)
        draw_changes(unseen, pairs, TASK, tmp_path / "x.png", NAMES)
        pixels = np.asarray(Image.open(tmp_path / "x.png").convert("RGB"), np.float64)
        left, top = round(0.2 * 90), round(1.42 * 90)
        return float(pixels[top + 20 : top + 60, left + 20 : left + 60].std())

    assert spread(0) > 10
    assert spread(12) == 0


def test_a_cache_of_other_photos_is_refused(unseen: Cache) -> None:
    check_held(unseen, pair_up(side([0] * 14), side([1] * 14), TASK, NAMES))
    with pytest.raises(ValueError, match=r"does not hold 2 of the 16 photos compared \(14\.jpg, 15\.jpg\)"):
        check_held(unseen, pair_up(side([0] * 16), side([1] * 16), TASK, NAMES))


def test_the_command_prints_all_and_draws_beside_the_second(
    unseen: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # short names
    truth = [0] * 7 + [1] * 7
    first = write_side(Path("first"), [0] * 14)
    second = write_side(Path("second"), [0] * 6 + [1] * 8, alone=[truth, [0] * 14])
    answers = tmp_path / "answers.csv"
    side(truth).assign(person=["a", "b"] * 7).to_csv(answers, index=False)
    diff.run(diff.DiffSettings(first=first, second=second, cache=unseen.folder, answers=answers))
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "class 8 42.86% 0.0000" in shown
    assert "mask 0 100.00% undefined" in shown
    assert "8 <30 30-59" in shown
    assert "wear male <30 wear male 30-59 8" in shown
    assert "age 8 1 7 0" in shown
    assert f"p = {18 / 256:.3g}" in shown
    # Of two networks one is right throughout, one as the first side, whose classes are 0 alone.
    assert "one network, mean of 2 0.6667" in shown
    assert "less the first +0.3333" in shown
    # Whoever is drawn: half of the photos are of class 0, give or take one of 14.
    ends = r"\[(\S+), (\S+)\]"
    line = re.search(f"macro F1: difference {ends}, one network less the first {ends}", shown)
    assert line is not None and all(0.2 < float(edge) < 0.8 for edge in line.groups())
    assert "95 % intervals over 2 people" in shown
    assert "picture of 8 changed photos" in shown
    assert (second / "diff-first.png").is_file()


def test_equal_submissions_need_no_picture(
    unseen: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = write_side(tmp_path / "first", [*range(14)])
    diff.run(diff.DiffSettings(first=first, second=first / "submission.csv", cache=unseen.folder))
    assert "100.00%" in capsys.readouterr().out
    assert not [*first.glob("*.png")]


def test_another_order_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write_side(tmp_path / "first", [1, 2, 3])
    turned = tmp_path / "turned.csv"
    side([1, 2, 4])[::-1].to_csv(turned, index=False)
    diff.run(diff.DiffSettings(first=first, second=turned))
    shown = capsys.readouterr().out
    assert "in another order than" in shown
    assert "no picture: give the cache" in shown
