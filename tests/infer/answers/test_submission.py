from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.labels import CLASS_NAMES, CONTEST, TASKS
from infer.answers import check
from infer.answers.known import read_networks
from infer.answers.submission import (
    NETWORKS,
    PRIOR,
    WORDS,
    answer_table,
    networks_table,
    read_kept_answers,
    write_answers,
)
from infer.answers.submission_checks import (
    SUBMISSION,
    changed_notes,
    check_photos,
    check_submission,
    read_submission,
)
from infer.answers.words import words_table
from infer.answers.written import BASIS, TABLE, Basis, read_written
from infer.ensemble.vote import Verdict

FILES = (BASIS, TABLE, NETWORKS, WORDS, SUBMISSION)
PRIOR_SHARES = np.eye(18)[4] * 0.5 + 0.5 / 18
TASK = TASKS["class18"]
REQUESTED = [f"{position}.jpg" for position in range(14)]


def answers_of(cache: Cache) -> pd.DataFrame:
    """Each photo answered with its position, so that a wrong order shows."""
    classes = cache.index["position"].to_numpy(np.int64)
    probabilities = np.eye(18)[classes]
    verdict = Verdict(classes=classes, probabilities=probabilities, agreement=np.ones(len(classes)))
    return answer_table(cache, verdict, PRIOR_SHARES, TASK)


def basis_of(number: int) -> Basis:
    return Basis(task=TASK, labels=CONTEST, follows={"ensemble": {"of": number}})


def write(cache: Cache, table: pd.DataFrame, folder: Path, number: int = 1) -> None:
    """The answers of no network at all."""
    words, networks = (
        words_table(cache, answers_of(cache), TASK),
        networks_table(cache, {}, "class18", CONTEST),
    )
    write_answers(table, words, networks, basis_of(number), folder)


def write_info(folder: Path, photos: list[str]) -> Path:
    path = folder / "info.csv"
    path.write_text("ImageID,ans\n" + "".join(f"{photo},0\n" for photo in photos))
    return path


def write_submission(folder: Path, text: str) -> Path:
    path = folder / "submission.csv"
    path.write_text(text)
    return path


def lines(answers: dict[str, object]) -> str:
    return "ImageID,ans\n" + "".join(f"{photo},{ans}\n" for photo, ans in answers.items())


def test_answers_follow_the_source_whatever_the_order_of_the_cache(unseen: Cache, tmp_path: Path) -> None:
    assert unseen.index["position"].tolist() != sorted(unseen.index["position"])
    table = answers_of(unseen)
    assert table.ImageID.tolist() == REQUESTED
    assert table.ans.tolist() == [*range(12), 4, 4]
    assert (table.answered_by == PRIOR).tolist() == [False] * 12 + [True] * 2
    assert table[[*CLASS_NAMES]].to_numpy().argmax(1).tolist() == table.ans.tolist()
    write(unseen, table, tmp_path / "x")
    check_submission(tmp_path / "x", write_info(tmp_path, REQUESTED))
    check_submission(tmp_path / "x" / "submission.csv", tmp_path / "info.csv")
    check_submission(table, tmp_path / "info.csv")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ans": 18}, r"whole number from 0 to 17, but 0\.jpg, 1\.jpg, 2\.jpg, \.\.\. has '18', '18', '18'"),
        ({"ans": 3.0}, r"whole number .* has '3\.0'"),
        ({"ImageID": "0.jpg"}, r"answers 0\.jpg more than once"),
    ],
)
def test_what_is_no_submission_is_never_written(
    unseen: Cache, tmp_path: Path, wrong: dict[str, object], message: str
) -> None:
    table = answers_of(unseen)
    write(unseen, table, tmp_path / "x")
    before = (tmp_path / "x" / "submission.csv").read_bytes()
    with pytest.raises(ValueError, match=message):
        write(unseen, table.assign(**wrong), tmp_path / "x", 2)
    assert (tmp_path / "x" / "submission.csv").read_bytes() == before
    assert read_kept_answers(tmp_path / "x", basis_of(1)) is not None


def test_a_cache_that_lost_a_photo_of_its_source_is_refused(unseen: Cache) -> None:
    short = Cache(unseen.folder, {**unseen.description, "source": {"photos": 15}})
    with pytest.raises(ValueError, match="hold 14 photos, which are not the 15 of its source"):
        answers_of(short)


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        (
            [*REQUESTED, "new.jpg"],
            r"info\.csv names 1 of 15 photos \(new\.jpg\) that .*unseen lacks; make one of",
        ),
        (
            REQUESTED[1:],
            r"unseen has 1 of 14 photos \(0\.jpg\) that .*info\.csv does not name; make one of them",
        ),
        (REQUESTED[::-1], r"in another order: row 2 is '13\.jpg' there and '0\.jpg' here"),
        ([*REQUESTED, "3.jpg"], r"info\.csv: ImageID '3\.jpg' occurs twice, in rows 5 and 16"),
        ([], r"info\.csv: no rows"),
    ],
)
def test_a_cache_of_other_photos_is_refused_before_it_is_predicted(
    unseen: Cache, tmp_path: Path, photos: list[str], message: str
) -> None:
    check_photos(unseen, write_info(tmp_path, REQUESTED))
    with pytest.raises(ValueError, match=message):
        check_photos(unseen, write_info(tmp_path, photos))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            lines({"a": 1, "b": 2}),
            r"info\.csv names 1 of 3 photos \(c\) that .*submission\.csv lacks; .*`make infer`",
        ),
        (
            lines({"a": 1, "b": 2, "c": 3, "d": 4}),
            r"submission\.csv has 1 of 4 photos \(d\) that .*does not name",
        ),
        (lines({"a": 1, "c": 3, "b": 2}), r"in another order: row 3 is 'b' there and 'c' here"),
        (lines({"a": 1, "b": 2, "c": 3}) + "b,2\n", r"submission\.csv: answers b more than once"),
        (lines({"a": 1, "b": 18, "c": 3}), r"from 0 to 17, but b has '18'"),
        (lines({"a": 1, "b": -1, "c": 3}), r"from 0 to 17, but b has '-1'"),
        (lines({"a": 1, "b": "2.0", "c": 3}), r"but b has '2\.0'"),
        (lines({"a": 1, "b": "", "c": 3}), r"but b has ''"),
        (lines({"a": 1, "b": "2,7", "c": 3}), r"submission\.csv, row 3: 3 cells where the header has 2"),
        ("ImageID,class\na,1\n", r"no column ans; there are ImageID, class"),
    ],
)
def test_a_submission_that_would_be_refused_or_mistaken_is_found(
    tmp_path: Path, text: str, message: str
) -> None:
    info = write_info(tmp_path, ["a", "b", "c"])
    check_submission(write_submission(tmp_path, lines({"a": 0, "b": 17, "c": 3})), info)
    with pytest.raises(ValueError, match=message):
        check_submission(write_submission(tmp_path, text), info)


def test_names_that_look_like_numbers_or_gaps_are_names(tmp_path: Path) -> None:
    path = write_submission(tmp_path, "ImageID,ans\n0012,1\n12,2\nNA,3\n1e3,4\n")
    assert read_submission(path).ImageID.tolist() == ["0012", "12", "NA", "1e3"]
    check_submission(path, write_info(tmp_path, ["0012", "12", "NA", "1e3"]))
    with pytest.raises(ValueError, match="another order"):
        check_submission(path, write_info(tmp_path, ["12", "0012", "NA", "1e3"]))


def test_the_checker_says_what_it_has_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_submission(tmp_path, lines({"a": 0, "b": 17}))
    check.run(check.CheckSettings(submission=tmp_path, info=write_info(tmp_path, ["a", "b"])))
    assert "submission.csv: answers the 2 photos of" in capsys.readouterr().out
    for missing in (tmp_path / "none", tmp_path / "none.csv"):
        with pytest.raises(ValueError, match=r"none.*no such predictions folder or submission\.csv"):
            check.run(check.CheckSettings(submission=missing, info=tmp_path / "info.csv"))
    with pytest.raises(ValueError, match=r"other\.csv: no such file"):
        check.run(check.CheckSettings(submission=tmp_path, info=tmp_path / "other.csv"))


def test_networks_whose_heads_tell_all_classes_are_scored_alone(unseen: Cache, tmp_path: Path) -> None:
    table = answers_of(unseen)
    classes = unseen.index["position"].to_numpy(np.int64)
    right, wrong = np.eye(18, dtype=np.float32)[classes], np.eye(18, dtype=np.float32)[(classes + 1) % 18]
    factors = {"mask_gender": np.eye(6, dtype=np.float32)[classes // 3], "age3": np.eye(3)[classes % 3]}
    blind = {"mask": np.eye(3, dtype=np.float32)[classes % 3]}
    panels = {"one": [{"class18": right}, {"class18": wrong}], "two": [factors], "mask_only": [blind]}
    networks = networks_table(unseen, panels, "class18", CONTEST)
    write_answers(table, words_table(unseen, table, TASK), networks, basis_of(1), tmp_path)
    first, second, both = read_networks(tmp_path / NETWORKS, table, 18)
    assert first.tolist() == both.tolist() == table.ans.tolist()
    # Photos that no network saw keep the answer of the table.
    assert second.tolist() == [*((np.arange(12) + 1) % 18), 4, 4]
    assert read_networks(tmp_path / "none.parquet", table, 18) == []


def test_networks_of_other_predictions_or_classes_are_refused(tmp_path: Path) -> None:
    table, path = pd.DataFrame({"ImageID": ["a", "b"], "ans": [1, 2]}), tmp_path / NETWORKS
    networks = table.rename(columns={"ans": "one 0"})
    for rows, message in (
        (networks.assign(ImageID=["a", "c"]), "of other photos than the predictions beside it"),
        (networks.assign(ImageID=["a", "a"]), "of other photos"),
        (networks.assign(**{"one 0": [1, 18]}), "answers that are no class from 0 to 17"),
        (networks.assign(**{"one 0": [1, None]}), "answers that are no class"),
        (networks.drop(columns="ImageID"), "no column 'ImageID'"),
    ):
        rows.to_parquet(path)  # as those of before, which basis.json does not know
        with pytest.raises(ValueError, match=rf"networks.parquet: {message}.*; `make infer` answers anew"):
            read_networks(path, table, 18)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"networks.parquet: not readable .*; `make infer` answers anew"):
        read_networks(path, table, 18)


@pytest.mark.parametrize("damage", ["edited", "cut", "emptied", "deleted", "swapped"])
@pytest.mark.parametrize("name", [*FILES])
def test_every_damage_of_a_file_is_told_and_answered_anew(
    unseen: Cache, tmp_path: Path, name: str, damage: str
) -> None:
    table, folder, path = answers_of(unseen), tmp_path / "x", tmp_path / "x" / name
    write(unseen, table, folder)
    write(unseen, table.assign(ans=5), tmp_path / "other", 2)
    whole = path.read_bytes()
    if damage == "deleted":
        path.unlink()
    else:
        other = (tmp_path / "other" / (name if name in (TABLE, SUBMISSION, BASIS) else TABLE)).read_bytes()
        flipped = (
            whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :]
        )
        found = {"edited": flipped, "cut": whole[:-9], "emptied": b"", "swapped": other}
        path.write_bytes(found[damage])
    said: list[str] = []
    assert read_kept_answers(folder, basis_of(1), said.append) is None
    if name == BASIS and damage == "swapped":  # the answers of another basis
        assert not said
    else:
        [line] = said
        assert line.startswith(f"{path}: ") and line.endswith("; answering anew")
    readers = {
        TABLE: read_written,
        NETWORKS: lambda there: read_networks(there / NETWORKS, table, 18),
        SUBMISSION: read_submission,
    }
    if name in readers:
        with pytest.raises(ValueError, match=rf"{name}: .*|x: no submission.csv in it") as refusal:
            readers[name](folder)
        assert "`make infer" in str(refusal.value)
    write(unseen, table, folder)
    assert path.read_bytes() == whole
    assert read_kept_answers(folder, basis_of(1)) is not None


def test_an_edited_submission_is_meant_where_it_lies_elsewhere(unseen: Cache, tmp_path: Path) -> None:
    write(unseen, answers_of(unseen), tmp_path / "x")
    path = tmp_path / "x" / SUBMISSION
    path.write_text(path.read_text().replace("0.jpg,0", "0.jpg,17"))
    with pytest.raises(ValueError, match="give a copy from another folder where the edited one is meant"):
        read_submission(path)
    path.rename(tmp_path / "mine.csv")
    assert read_submission(tmp_path / "mine.csv").ans.iloc[0] == 17


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xef\xbb\xbfImageID,ans\na,0\n", r"begins with a byte order mark"),
        ("ImageID,ans\na,0\n".encode("utf-16"), r"not plain CSV in UTF-8"),
        (b"ImageID;ans\na;0\n", r"row 1: 'ImageID;ans' is not that of a submission"),
        (b"imageid,ans\na,0\n", r"row 1: 'imageid,ans'"),
        (b"ImageID,ans,more\na,0,1\n", r"row 1: 'ImageID,ans,more'"),
        (b"ImageID,ans\na,0\n,\n", r"row 3: ','"),
        (b"sep=,\nImageID,ans\na,0\n", r"row 1: 'sep=,'"),
    ],
)
def test_what_a_grader_may_not_read_is_no_submission_and_can_be_compared(
    tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / "s.csv").write_bytes(data)
    info = write_info(tmp_path, ["a"])
    with pytest.raises(ValueError, match=f"s.csv.*{message}.*; save it as CSV with commas in UTF-8"):
        check_submission(tmp_path / "s.csv", info)
    assert read_submission(tmp_path / "s.csv").to_numpy().tolist() == [["a", 0]]


def test_files_that_are_not_as_written_are_said(unseen: Cache, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    write(unseen, answers_of(unseen), folder)
    assert changed_notes(folder) == []
    (folder / SUBMISSION).write_bytes((folder / SUBMISSION).read_bytes().replace(b"0.jpg,0", b"0.jpg,1"))
    (folder / NETWORKS).unlink()
    edited, lost = sorted(changed_notes(folder), reverse=True)
    assert edited.startswith(f"{folder / SUBMISSION}: not as `make infer` wrote it, edited or damaged")
    assert edited.endswith(
        "; probabilities.parquet beside it is what was predicted; `make infer` answers anew"
    )
    assert lost.startswith(f"{folder / NETWORKS}: no such file, which basis.json beside it names")
    said: list[str] = []
    assert read_kept_answers(folder, basis_of(1), said.append) is None
    assert sorted(line.split(":")[0] for line in said) == sorted(
        map(str, (folder / SUBMISSION, folder / NETWORKS))
    )
    (folder / BASIS).unlink()
    [unknown] = changed_notes(folder)
    assert unknown.startswith(f"{folder / BASIS}: no such file, so whether those beside it are what was")
    said.clear()
    assert read_kept_answers(folder, basis_of(1), said.append) is None
    assert said == [unknown.replace("`make infer` answers anew", "answering anew")]
    assert changed_notes(tmp_path) == []
