"""Whatever program saved answers, an info.csv or a submission: it is read to what it means, or refused."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.foreign.paths import requested_photos
from faces.labels import CONTEST, TASKS
from infer.answers.known import read_truth
from infer.answers.submission_checks import check_submission, read_submission
from preprocess.sources.contest import eval_source
from preprocess.sources.source import Place
from tests.faces.foreign.test_any_table import MANY
from tests.helpers.foreign_tables import Sheet, cells, sheets

PHOTOS = [f"{name}.jpg" for name in ("a", "7", "홍", "b c", "x/d", 'e"')]
TASK = TASKS["class18"]
SPELT = (str, "./{}".format, "images/{}".format, str.upper, " {} ".format)
UNKNOWN = ("", "-1", "-1.0", "NaN", "n/a", " ")
WRONG = ("18", "-2", "hat", "3.5", "1e0", "3;0", "0x1", "inf", "٣")


@dataclass(frozen=True)
class Answers:
    """Answers in a file, and what they mean."""

    sheet: Sheet
    classes: list[int]
    wrong: str
    """What is wrong with them, as it is named; "" for nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("answers")


@st.composite
def answers(draw: st.DrawFn) -> Answers:
    """Answers to all of `PHOTOS` as people write them, or with one thing wrong."""
    classes = draw(st.lists(st.integers(-1, 17), min_size=len(PHOTOS), max_size=len(PHOTOS)))
    spelt = draw(st.sampled_from(SPELT))
    told = [
        draw(st.sampled_from(UNKNOWN if each < 0 else (f"{each}", f"{each}.0", f" {each} ", f"{each}.00")))
        for each in classes
    ]
    rows = [[spelt(name), text] for name, text in zip(PHOTOS, told, strict=True)]
    order = draw(st.permutations(range(len(rows))))
    rows = [rows[place] for place in order]
    at = draw(st.integers(0, len(rows) - 1))
    wrong = draw(st.sampled_from(["", "", "twice", "lacking", "stray", "value", "nameless"]))
    if wrong == "twice":
        rows.append([rows[at][0], draw(st.sampled_from(["0", rows[at][1]]))])
        wrong = "occurs twice, in rows"
    elif wrong == "lacking":
        del rows[at]
        wrong = f"1 of the 6 photos have no row ({PHOTOS[order[at]]})"
    elif wrong == "stray":
        rows[at][0] = "zzz.jpg"
        wrong = "1 of its 6 rows are of no such photo (zzz.jpg"
    elif wrong == "nameless":
        rows.append(["", "3"])
        wrong = ": no ImageID"
    elif wrong == "value":
        rows[at][1] = draw(st.sampled_from(WRONG))
        wrong = f"{PHOTOS[order[at]]}: "
    return Answers(draw(sheets(("ImageID", "ans"), rows)), classes, wrong)


@settings(max_examples=MANY)
@given(answers())
def test_answers_are_read_to_what_they_mean_or_refused_by_row_and_photo(folder: Path, drawn: Answers) -> None:
    path = folder / "answers.csv"
    path.write_bytes(drawn.sheet.data)
    try:
        truth = read_truth(path, pd.DataFrame({"ImageID": PHOTOS}), TASK, CONTEST)
    except ValueError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
        assert drawn.wrong.casefold() in str(error).casefold() or not drawn.sheet.sure
        assert drawn.wrong or not drawn.sheet.sure
        return
    assert not drawn.wrong
    assert truth.classes.tolist() == drawn.classes


def stage_1(folder: Path) -> list[str]:
    return [
        photo["image_id"] for photo in eval_source(Place(data=folder, labels=CONTEST, declared=False)).photos
    ]


@st.composite
def requests(draw: st.DrawFn) -> Sheet:
    """An info.csv of photos, of which some may be none, or be there twice."""
    known = st.sampled_from([*PHOTOS, "./a.jpg", "A.jpg", "../a", "/a", "=a.jpg", "./=a.jpg", " ", ""])
    names = draw(st.lists(known | cells(), max_size=4))
    return draw(sheets(("ImageID", "ans"), [[name, "0"] for name in names]))


@settings(max_examples=MANY)
@given(requests())
def test_stages_see_the_same_photos_in_an_info_or_refuse_it_alike(folder: Path, sheet: Sheet) -> None:
    (folder / "images").mkdir(exist_ok=True)
    info = folder / "info.csv"
    info.write_bytes(sheet.data)
    said: list[object] = []
    for read in (lambda: [*requested_photos(info)], lambda: stage_1(folder)):
        try:
            said.append(read())
        except ValueError as error:
            assert str(error).startswith(str(info)) and "\n" not in str(error)
            said.append(str(error))
    assert said[0] == said[1]


@st.composite
def submissions(draw: st.DrawFn) -> tuple[Sheet, list[list[str]]]:
    rows = [[name, str(draw(st.integers(0, 17)))] for name in PHOTOS]
    return draw(sheets(("ImageID", "ans"), rows, plain=draw(st.booleans()))), rows


def graded(data: bytes) -> list[list[str]]:
    """What a grader makes of a submission: a program that expects plain CSV."""
    rows = csv.DictReader(io.StringIO(data.decode("utf-8", errors="replace"), newline=""))
    return [[*row.values()] for row in rows] if rows.fieldnames == ["ImageID", "ans"] else []


@settings(max_examples=MANY)
@given(submissions())
def test_a_submission_passes_just_where_a_grader_reads_the_same(
    folder: Path, drawn: tuple[Sheet, list[list[str]]]
) -> None:
    sheet, rows = drawn
    (folder / "asked.csv").write_bytes(pd.DataFrame({"ImageID": PHOTOS}).to_csv(index=False).encode())
    path = folder / "submission.csv"
    path.write_bytes(sheet.data)
    try:
        check_submission(path, folder / "asked.csv")
        passed = True
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)
        passed = False
    assert passed == (graded(sheet.data) == rows)
    assert passed >= sheet.plain
    if sheet.sure:  # by eye all of them are the same submission
        found = read_submission(path)
        assert found.ImageID.tolist() == PHOTOS
        np.testing.assert_array_equal(found.ans, [int(ans) for _, ans in rows])
