"""What a folder of predictions answers, read from it alone."""

import json
from pathlib import Path

import pandas as pd
import pytest

from faces.labels import CONTEST, TASKS, LabelSet
from infer.answers.submission import read_kept_answers, write_answers
from infer.answers.written import BASIS, Basis, read_written
from tests.helpers.own_labels import OWN

FILES = {"answers.csv", "basis.json", "networks.parquet", "probabilities.parquet"}


def write(folder: Path, space: str, labels: LabelSet) -> Basis:
    task = labels.task(space)
    basis = Basis(task=task, labels=labels, follows={"ensemble": {"views": ["original"]}})
    table = pd.DataFrame({"ImageID": ["a", "b"], "ans": [1, 0], "answered_by": "face crop", "agreement": 1.0})
    table = table.assign(**dict.fromkeys(task.columns, 1 / len(task.columns)))
    write_answers(table, table[["ImageID"]], table[["ImageID"]], basis, folder)
    return basis


def test_the_task_and_its_factors_are_read_back(tmp_path: Path) -> None:
    for space, labels in (("glasses*years", OWN), ("mask", CONTEST), ("class18", CONTEST)):
        basis = write(tmp_path, space, labels)
        written = read_written(tmp_path)
        assert written.task == basis.task
        assert written.labels.factors == labels.factors
        assert [*written.table.columns[4:]] == basis.task.columns
        assert {path.name for path in tmp_path.iterdir()} == FILES | (
            {"submission.csv"} if space == "class18" else set()
        )


def test_a_submission_of_other_predictions_does_not_stay(tmp_path: Path) -> None:
    write(tmp_path, "class18", CONTEST)
    assert (tmp_path / "submission.csv").read_text() == "ImageID,ans\na,1\nb,0\n"
    write(tmp_path, "mask", CONTEST)
    assert not (tmp_path / "submission.csv").exists()


def test_answers_are_kept_for_their_own_basis_alone(tmp_path: Path) -> None:
    basis = write(tmp_path, "mask", CONTEST)
    assert read_kept_answers(tmp_path, basis) is not None
    other = Basis(task=TASKS["gender"], labels=CONTEST, follows=basis.follows)
    assert read_kept_answers(tmp_path, other) is None
    (tmp_path / "answers.csv").unlink()
    assert read_kept_answers(tmp_path, basis) is None


def test_predictions_of_before_are_of_the_contest_and_are_made_again(tmp_path: Path) -> None:
    basis = write(tmp_path, "class18", CONTEST)
    (tmp_path / BASIS).write_text(json.dumps(basis.follows, indent=1))
    assert read_written(tmp_path).task == TASKS["class18"]
    assert read_kept_answers(tmp_path, basis) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"basis\.json: not readable as JSON"),
        ("", r"basis\.json: empty"),
        ("[]", r"basis\.json: holds no table"),
        ('{"space": "hat"}', r"basis\.json: answers no task .*'hat' is no task"),
        ('{"space": "mask"}', r"probabilities\.parquet: no column 'mask:wear'"),
        ('{"space": 3}', r"basis\.json: space: 3 is a whole number, expected text"),
        ('{"space": "class18", "hat": 1}', r"basis\.json: unknown setting 'hat'"),
        ('{"space": "class18", "labels": {"name": "a"}}', r"basis\.json: its labels lack a name or factors"),
        ('{"space": "class18", "labels": []}', r"basis\.json: labels: \[\] is a list of 0, expected a table"),
        ('{"space": "class18", "files": {"a": "b"}}', r"basis\.json: files.a: 'b' is no sha256"),
        (
            '{"space": "class18", "runs": {"a": 1}}',
            r"basis\.json: runs.a: 1 is a whole number, expected text",
        ),
        (f'{{"files": {{"../a": "{"0" * 64}"}}}}', r"basis\.json: files: '../a' is no file of this folder"),
    ],
)
def test_damage_is_named_with_the_cure(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, "class18", CONTEST)
    (tmp_path / BASIS).write_text(text)
    with pytest.raises(ValueError, match=f"{message}.*`make infer` answers anew"):
        read_written(tmp_path)
    (tmp_path / BASIS).unlink()
    with pytest.raises(ValueError, match=r"basis\.json: no such file, so .* holds no finished predictions"):
        read_written(tmp_path)
