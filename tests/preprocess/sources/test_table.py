"""Photos listed in a table of any make."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from preprocess.settings import Columns
from preprocess.sources.scan import scan, source_path


def write(folder: Path, csv: str, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    folder.mkdir(exist_ok=True)
    (folder / "photos.csv").write_text(csv)
    return folder / "photos.csv"


def test_a_table_gives_paths_labels_and_people(tmp_path: Path) -> None:
    table = write(
        tmp_path,
        "age,path,person,mask,gender\n31,sub/b.png,p1,wear,female\n60-69,a.jpg,p2,2,M\n,./c.jpg,p2,,\n",
        "a.jpg",
        "sub/b.png",
        "c.jpg",
        "not-listed.jpg",
    )
    listing = scan(table)
    photos = listing.photos
    assert listing.layout == "table" and listing.folder == tmp_path
    assert [*photos.source] == ["sub/b.png", "a.jpg", "c.jpg"]
    assert [*photos.image_id] == ["sub/b.png", "a.jpg", "./c.jpg"]
    assert [*photos.person] == ["p1", "p2", "p2"]
    assert [*photos["mask"]] == [0, 2, -1] and [*photos.gender] == [1, 0, -1]
    np.testing.assert_equal([*photos.age], [31.0, 65.0, np.nan])
    assert (photos.problem == "").all() and [*photos.position] == [0, 1, 2]
    assert photos["mask"].dtype == photos.gender.dtype == np.int64


def test_a_parquet_table_says_the_same_as_a_csv(tmp_path: Path) -> None:
    csv = write(tmp_path, "path,person,mask,gender,age\na.jpg,1,0,male,30\nb.jpg,2,,,\n", "a.jpg", "b.jpg")
    table = pd.DataFrame(
        {
            "path": ["a.jpg", "b.jpg"],
            "person": [1, 2],
            "mask": [0, np.nan],
            "gender": pd.Categorical(["male", None]),
            "age": pd.array([30, None], "Int64"),
        },
        index=[7, 3],
    )
    table.to_parquet(tmp_path / "photos.parquet")
    pd.testing.assert_frame_equal(scan(tmp_path / "photos.parquet").photos, scan(csv).photos)


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    table = write(tmp_path, "file,who,sex\na.jpg,p1,woman\n", "a.jpg")
    listing = scan(table, Columns(path="file", person="who", gender="sex"))
    [photo] = listing.photos.itertuples()
    assert (photo.source, photo.person, photo.gender, photo.mask) == ("a.jpg", "p1", 1, -1)
    assert listing.notes == ("no column mask, age: not known (--columns.mask or --columns.age)",)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    table = write(tmp_path, "path,person,mask,Age,years\na.jpg,p,wear,30,31\n", "a.jpg")
    listing = scan(table)
    assert listing.notes == ("no column gender: not known; the table also has years (--columns.gender)",)
    assert [*listing.photos.age] == [30.0], "case makes no difference"


def test_photos_of_nobody_named_are_people_of_their_own(tmp_path: Path) -> None:
    table = write(tmp_path, "path,person,gender\na.jpg,p,m\nb.jpg,,f\nc.jpg,,f\n", "a.jpg", "b.jpg", "c.jpg")
    listing = scan(table)
    assert [*listing.photos.person] == ["p", "b.jpg", "c.jpg"]
    assert any(note.startswith("2 of 3 photos are of nobody named") for note in listing.notes)
    (tmp_path / "photos.csv").write_text("path\na.jpg\nb.jpg\n")
    assert (scan(table).photos.person == "").all(), "without labels no fold is dealt"


def test_what_numbers_mean_is_told(tmp_path: Path) -> None:
    table = write(tmp_path, "path,person,mask,gender,age\na.jpg,p,1,0,30\n", "a.jpg")
    assert scan(table).notes == (
        "numbers in column mask: 0 is wear, 1 is incorrect, 2 is normal",
        "numbers in column gender: 0 is male, 1 is female",
    )


def test_an_age_range_across_an_edge_of_the_bands_is_told(tmp_path: Path) -> None:
    csv = "path,person,mask,gender,age\na.jpg,p,wear,m,25-34\nb.jpg,q,wear,m,20-29\nc.jpg,r,wear,m,30-59\n"
    listing = scan(write(tmp_path, csv, "a.jpg", "b.jpg", "c.jpg"))
    assert [*listing.photos.age] == [30.0, 25.0, 45.0]
    [note] = listing.notes
    assert note.startswith("1 photos have a range of age such as '25-34'")


def test_absolute_paths_below_the_table_are_allowed(tmp_path: Path) -> None:
    table = write(tmp_path / "t", f"path\n{tmp_path}/t/a.jpg\nb.jpg\n", "a.jpg", "b.jpg")
    assert [*scan(table).photos.source] == ["a.jpg", "b.jpg"]
    (tmp_path / "link").symlink_to(tmp_path / "t")
    assert [*scan(tmp_path / "link" / "photos.csv").photos.source] == ["a.jpg", "b.jpg"]
    table.write_text("path\nb.jpg\n/elsewhere/a.jpg\n")
    with pytest.raises(ValueError, match=r"row 3: '/elsewhere/a.jpg' lies outside .*move the table.*or link"):
        scan(table)


def test_rows_that_are_no_files_are_kept_with_a_reason(tmp_path: Path) -> None:
    table = write(tmp_path, "path\na.jpg\ngone.jpg\nfolder\npipe\n", "a.jpg")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert [*scan(table).photos.problem] == [
        "",
        "missing: no such file",
        "not a regular file but a folder",
        "not a regular file but a named pipe",
    ]


def test_names_with_backslashes_and_spaces_are_found(tmp_path: Path) -> None:
    name = "a \\x41 b.jpg"
    table = write(tmp_path, f"path\n{name}\n", name)
    [photo] = scan(table).photos.itertuples()
    assert photo.problem == "" and source_path(photo.source) == name == photo.image_id


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("what,mask\na.jpg,wear\n", "there are what, mask: say which it is with --columns.path"),
        ("file,image\na.jpg,b.jpg\n", "there are file, image: say which it is with --columns.path"),
        ("path,mask\n", "photos.csv: no rows"),
        ("path,mask\na.jpg,wear\nb.jpg,wear\n./a.jpg,normal\n", "'./a.jpg' occurs twice, in rows 2 and 4"),
        ("path,mask\na.jpg,wear\n\nb.jpg,helmet\n", "row 4, column mask: mask 'helmet' is none of wear, 0,"),
        ("path,mask\na.jpg,3\n", "row 2, column mask: mask '3' is none of"),
        ("path,gender\na.jpg,2\n", "row 2, column gender: gender '2' is none of male, 0, m"),
        ("path,age\na.jpg,121\n", "row 2, column age: age '121' is no number of years from 0 to 120"),
        ("path,age\na.jpg,39-30\n", "age '39-30' is no number"),
        ("path,age\na.jpg,-1\n", "age '-1' is no number"),
        ("path,age\na.jpg,inf\n", "age 'inf' is no number"),
        ("path\n../a.jpg\n", "row 2: path '../a.jpg' names nothing inside the table's folder"),
        ("path,mask\n,wear\n", "row 2: no path; fill it in, or remove the row"),
        (
            "path\na.jpg\nb,c,d\n",
            "photos.csv, row 3: 3 cells where the header has 1; correct the row .a name or value with a",
        ),
        ("path,mask\na.jpg,wear,\nb.jpg,normal,\n", "photos.csv, row 2: 3 cells where the header has 2"),
        ("path,mask,age\na.jpg,wear,30\n\nb.jpg,normal\n", "photos.csv, row 4: 2 cells where"),
        ("path;mask\na.jpg;wear\nb.jpg,wear\n", "photos.csv, row 3: 1 cells where the header has 2"),
        (
            'path,mask\na.jpg,"wear\nb.jpg,normal\n',
            "photos.csv, row 2: not readable as a CSV table: unexpected",
        ),
        ("path,mask,mask\na.jpg,wear,normal\n", "two columns are called 'mask'; rename or remove one"),
        ("path;mask,age\na.jpg;wear,30\n", "its header has comma and semicolon: which one separates"),
        ("", "photos.csv: not readable as a table: it is empty"),
        ("path\ngone.jpg\n", "none of 1 photos can be read; the first, gone.jpg: missing"),
    ],
)
def test_a_table_that_cannot_be_trusted_is_an_error(tmp_path: Path, csv: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scan(write(tmp_path, csv, "a.jpg", "b.jpg"))


def test_a_column_asked_for_must_be_there(tmp_path: Path) -> None:
    table = write(tmp_path, "path,mask\na.jpg,wear\n", "a.jpg")
    with pytest.raises(
        ValueError, match=r"photos.csv: no column years of labels; there are mask: .*--columns.age"
    ):
        scan(table, Columns(age="years"))


def test_a_file_that_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "photos.parquet").write_bytes(b"path\na.jpg\n")
    with pytest.raises(ValueError, match=r"photos.parquet: not readable as Parquet"):
        scan(tmp_path / "photos.parquet")


def test_a_table_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"photos.csv: no such file"):
        scan(tmp_path / "photos.csv")
