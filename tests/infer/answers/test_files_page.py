"""What docs/files.md says of answers, submissions and requests is what happens."""

from pathlib import Path

import pandas as pd
import pytest

from faces.foreign.paths import requested_photos
from faces.labels import CONTEST, TASKS
from infer.answers.known import read_truth
from infer.answers.submission_checks import check_submission, read_submission

PAGE = (Path(__file__).parents[3] / "docs" / "files.md").read_text()
PHOTOS = pd.DataFrame({"ImageID": ["a.jpg", "b.jpg"]})
REFUSED = {
    "answers.csv, row 3, b.jpg: ans is '18', and the classes of class18 are 0 to 17": "a.jpg,1\nb.jpg,18\n",
    "ImageID 'a.jpg' occurs twice, in rows 2 and 4; keep one": "a.jpg,1\nb.jpg,2\na.jpg,1\n",
    "row 4: no ImageID; fill it in, or remove the row": "a.jpg,1\nb.jpg,2\n,3\n",
    "1 of the 2 photos have no row (b.jpg)": "a.jpg,1\n",
}


def truth(path: Path, notes: list[str]) -> list[int]:
    return read_truth(path, PHOTOS, TASKS["class18"], CONTEST, notes).classes.tolist()


@pytest.mark.parametrize("said", REFUSED)
def test_answers_are_refused_in_the_words_of_the_page(tmp_path: Path, said: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(f"ImageID,ans\n{REFUSED[said]}")
    with pytest.raises(ValueError, match=r"answers\.csv") as refused:
        truth(path, [])
    assert said in str(refused.value) and f"refused: {said}" in PAGE


def test_a_name_that_may_be_two_photos_is_refused_in_the_words_of_the_page(tmp_path: Path) -> None:
    path, said = tmp_path / "answers.csv", "row 2: ImageID 'a' may mean a.jpg or a.png"
    path.write_text("ImageID,ans\na,1\n")
    with pytest.raises(ValueError, match=said):
        read_truth(path, pd.DataFrame({"ImageID": ["a.jpg", "a.png"]}), TASKS["class18"], CONTEST)
    assert f"refused: {said}" in PAGE


@pytest.mark.parametrize("unknown", ["", "nan", "NA", "n/a", "null", "unknown", "-1"])
def test_what_is_not_known_is_so(tmp_path: Path, unknown: str) -> None:
    path = tmp_path / "answers.csv"
    path.write_text(f"ImageID,ans\na.jpg,{unknown}\nb.jpg, 3.0\n")
    assert truth(path, []) == [-1, 3]
    assert (f"`{unknown}`" if unknown not in ("", "-1") else unknown) in PAGE


@pytest.mark.parametrize("name", ["./a.jpg", "images/a.jpg", "a", "A.JPG"])
def test_names_that_can_mean_one_photo_are_taken_and_said(tmp_path: Path, name: str) -> None:
    path, notes = tmp_path / "answers.csv", []
    path.write_text(f"ImageID,ans\nb.jpg,2\n{name},1\n")
    assert truth(path, notes) == [1, 2] and f"`{name}`" in PAGE
    [note] = notes
    assert note.startswith("answers.csv: 1 name differs from its photo in ") and note.endswith(": taken")


DIFFERENT = [
    "\ufeffImageID,ans\na.jpg,0\nb.jpg,1\n".encode(),
    "ImageID,ans\na.jpg,0\nb.jpg,1\n".encode("utf-16"),
    b"ImageID;ans\na.jpg;0\nb.jpg;1\n",
    b"ImageID\tans\na.jpg\t0\nb.jpg\t1\n",
    b"ImageID,ans,sure\na.jpg,0,1\nb.jpg,1,1\n",
    b"imageid,ans\na.jpg,0\nb.jpg,1\n",
    b"ImageID,ans\na.jpg,0\nb.jpg,1\n,\n",
]


@pytest.mark.parametrize("data", DIFFERENT)
def test_every_form_of_a_table_is_read_and_none_but_the_plain_one_submitted(
    tmp_path: Path, data: bytes
) -> None:
    info, path = tmp_path / "info.csv", tmp_path / "s.csv"
    info.write_bytes(data)
    path.write_bytes(data)
    assert requested_photos(info).tolist() == ["a.jpg", "b.jpg"]
    assert truth(path, []) == read_submission(path).ans.tolist() == [0, 1]
    with pytest.raises(ValueError, match=r"s\.csv.*; save it as CSV with commas in UTF-8 without a mark"):
        check_submission(path, info)
    path.write_bytes(b"ImageID,ans\r\na.jpg,0\r\nb.jpg,1\r\n")
    check_submission(path, info)
