"""Tables as spreadsheets and editors save them, and words as people write them."""

import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.folds import divide_photos
from faces.foreign.cells import read_cells
from faces.foreign.table import SUFFIXES, read_table
from preprocess.settings import Columns
from preprocess.sources.corrections import apply
from preprocess.sources.scan import scan
from tests.helpers.layouts import HEADER, STEMS, touch

ROWS = [
    ["path", "person", "mask", "gender", "age"],
    ["가나/다.jpg", "홍길동", "착용", "남", "20대"],
    ["b.jpg", "p2", "mask off", "여성", "45"],
    ["c.jpg", "p3", "", "", ""],
]
SEPARATORS = (",", ";", "\t")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp949")


def written(rows: list[list[str]], separator: str, *, first: str = "", ends: str = "\n") -> str:
    quoted = [[f'"{cell}"' if separator in cell or "\n" in cell else cell for cell in row] for row in rows]
    return first + "".join(separator.join(row) + ends for row in quoted)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for row in ROWS[1:]:
        touch(tmp_path / row[0])
    return tmp_path


def listed(path: Path) -> pd.DataFrame:
    return scan(path).photos


def alike(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(("separator", "encoding"), itertools.product(SEPARATORS, ENCODINGS))
def test_every_separator_and_encoding_gives_the_same_photos(
    photos: Path, separator: str, encoding: str
) -> None:
    (photos / "plain.csv").write_text(written(ROWS, ","))
    (photos / "other.csv").write_bytes(written(ROWS, separator, ends="\r\n").encode(encoding))
    expected = listed(photos / "plain.csv")
    assert [*expected["mask"]] == [0, 2, -1] and [*expected.gender] == [0, 1, -1]
    np.testing.assert_equal([*expected.age], [25.0, 45.0, np.nan])
    alike(listed(photos / "other.csv"), expected)
    notes = scan(photos / "other.csv").notes
    assert any("was read as Korean (cp949)" in note for note in notes) == (encoding == "cp949")


@pytest.mark.parametrize("first", ["sep=,\n", "sep=;\r\n", "SEP=|\n", '"sep=,"\n', "sep=\t\n"])
def test_a_first_line_may_name_the_separator(photos: Path, first: str) -> None:
    separator = first.lower().split("sep=")[1][0]
    (photos / "photos.csv").write_text(written(ROWS, separator, first=first))
    assert len(listed(photos / "photos.csv")) == 3
    (photos / "photos.csv").write_text(
        written([*ROWS, ["b.jpg", "p", "helmet", "", ""]], separator, first=first)
    )
    with pytest.raises(ValueError, match=r"'b.jpg' occurs twice, in rows 4 and 6"):
        scan(photos / "photos.csv")


@pytest.mark.parametrize("suffix", [suffix for suffix in SUFFIXES if suffix != ".parquet"])
def test_tables_of_text_have_several_suffixes(photos: Path, suffix: str) -> None:
    table = photos / f"photos{suffix.upper()}"
    table.write_text(written(ROWS, "\t"))
    assert scan(table).layout == "table" and len(listed(table)) == 3


@settings(max_examples=12)
@given(
    st.permutations(ROWS[1:]),
    st.permutations(range(5)),
    st.sampled_from(SEPARATORS),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_rows_and_columns_in_any_order_are_the_same_listing(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[str]],
    order: list[int],
    separator: str,
    encoding: str,
    ends: str,
) -> None:
    folder = tmp_path_factory.mktemp("photos")
    for row in ROWS[1:]:
        touch(folder / row[0])
    (folder / "plain.csv").write_text(written(ROWS, ","))
    shuffled = [[row[place] for place in order] for row in [ROWS[0], *rows]]
    (folder / "other.csv").write_bytes(written(shuffled, separator, ends=ends).encode(encoding))
    one, other = (listed(folder / name).sort_values("source") for name in ("plain.csv", "other.csv"))
    assert len(one) == len(ROWS) - 1
    alike(*(each.drop(columns="position").reset_index(drop=True) for each in (one, other)))


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=6).map(str.strip)


@settings(max_examples=30)
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=4).filter(
        lambda rows: all(map(any, rows))
    ),
    st.sampled_from(SEPARATORS),
)
def test_cells_come_back_whatever_is_in_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], separator: str
) -> None:
    path = tmp_path_factory.mktemp("cells") / "a.csv"
    quoted = [
        "".join(['"', cell.replace('"', '""'), '"']) for row in [["x", "y", "z"], *rows] for cell in row
    ]
    lines = [separator.join(each) for each in zip(*[iter(quoted)] * 3, strict=True)]
    path.write_text("\n".join(lines))
    notes: list[str] = []
    table = read_cells(path, notes)
    if not notes:  # decimal commas, which are told
        assert table.to_numpy().tolist() == rows
    assert [*table.index] == [*range(2, len(rows) + 2)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "path,gender\nMüller.jpg,m\n".encode("latin-1"),
            "UTF-8 CSV table: row 2 is in another encoding; save it",
        ),
        ("path,x\nÄrger.jpg,m\n".encode("cp1252"), "row 2 is in another encoding; save it as CSV in UTF-8"),
        ("path,x\nЖук.jpg,m\n".encode("cp1251"), "row 2 is in another encoding"),
        ("path,x\n写真.jpg,ひらがな\n".encode("shift-jis"), "row 2 is in another encoding"),
        ("path,x\na.jpg,日本語\n".encode("euc-jp"), "row 2 is in another encoding"),
        ("path\na.jpg\n".encode("utf-16-le"), "it holds NUL characters; save it as CSV in UTF-8"),
        ("path\na.jpg\n".encode("utf-16")[:-1], "is in another encoding"),
        (b"PK\x03\x04 and so on", "not text but an Excel workbook or a .zip: save it as CSV"),
        (b"PAR1 and so on", "not text but a Parquet table; call it .parquet"),
        (b"\n\n", "not readable as a table: it is empty"),
    ],
)
def test_what_may_be_several_things_is_refused_with_the_cure(
    tmp_path: Path, data: bytes, message: str
) -> None:
    (tmp_path / "photos.csv").write_bytes(data)
    with pytest.raises(ValueError, match=f"photos.csv: .*{message}"):
        scan(tmp_path / "photos.csv")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("photos.xlsx", "a workbook, which is not read; save it as CSV in UTF-8 and give that"),
        ("photos.xls", "a workbook"),
        ("photos.zip", "a packed archive, which is not read; unpack it and give the folder or table"),
        ("photos.tar.gz", "a packed archive"),
        ("photos.tar", "a packed archive"),
        ("photos.jpg", "no such folder, and no table named .csv, .tsv, .txt or .parquet"),
    ],
)
def test_other_files_name_the_cure(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        scan(tmp_path / name)
    if "a " in message:
        with pytest.raises(ValueError, match=f"{name}: {message}"):
            read_table(tmp_path / name, ("path",))


def test_decimal_commas_are_read_with_semicolons_alone(photos: Path) -> None:
    path = photos / "photos.csv"
    path.write_text("path;age;person\nb.jpg;45,5;p\nc.jpg;30;q\n")
    listing = scan(path)
    assert [*listing.photos.age] == [45.5, 30.0]
    assert listing.notes[0] == "photos.csv, column age: '45,5' is read as 45.5, and so on"
    path.write_text('path,age,person\nb.jpg,"45,5",p\nc.jpg,30,q\n')
    with pytest.raises(ValueError, match="row 2, column age: age '45,5' is no number"):
        scan(path)
    path.write_text("path;age;person\nb.jpg;(30, 39);p\nc.jpg;30;q\n")
    assert [*listed(path).age] == [35.0, 30.0]


def test_quoted_cells_hold_separators_and_line_ends(photos: Path) -> None:
    touch(photos / "a,b.jpg")
    (photos / "photos.csv").write_text(
        'path,person,mask,why\n"a,b.jpg","p,1",wear,"two\nlines"\nb.jpg,p,helmet,\n'
    )
    with pytest.raises(ValueError, match="row 3, column mask: mask 'helmet'"):
        scan(photos / "photos.csv")
    (photos / "photos.csv").write_text('path,person,mask\n"a,b.jpg","p,1",wear\n')
    assert [*listed(photos / "photos.csv").person] == ["p,1"]


def test_a_header_separates_by_what_all_rows_have(photos: Path) -> None:
    (photos / "photos.csv").write_text("path;remarks, if any;person\nb.jpg;none, really, none;p\nc.jpg;;q\n")
    assert [*listed(photos / "photos.csv").person] == ["p", "q"]
    assert [*listed(photos / "photos.csv").source] == ["b.jpg", "c.jpg"]


def test_columns_without_a_name_and_cells_are_dropped_and_others_kept(photos: Path) -> None:
    (photos / "photos.csv").write_text(",path,person,,\n0,b.jpg,p,,\n1,c.jpg,q,,\n,,,,\n")
    assert [*read_table(photos / "photos.csv", ("path",)).columns] == ["path", "person"]
    assert [*listed(photos / "photos.csv").source] == ["b.jpg", "c.jpg"]


@pytest.mark.parametrize("header", ["Path,Person,Gender", " path , PERSON ,gender", "PATH,person,GENDER"])
def test_headers_are_found_in_any_case_with_blanks(photos: Path, header: str) -> None:
    (photos / "photos.csv").write_text(f"{header}\nb.jpg,p,f\n")
    [photo] = listed(photos / "photos.csv").itertuples()
    assert (photo.source, photo.person, photo.gender) == ("b.jpg", "p", 1)


@pytest.mark.parametrize(
    "name", ["file", "Filename", "image", "IMG", "image_path", "Image Name", "img-path", "ImageID"]
)
def test_the_column_of_paths_may_be_called_as_people_do(photos: Path, name: str) -> None:
    (photos / "photos.csv").write_text(f"{name},person,gender\nb.jpg,p,f\n")
    listing = scan(photos / "photos.csv")
    assert [*listing.photos.source] == ["b.jpg"]
    assert (
        listing.notes[0] == f"no column path: the photos' files are taken from column {name} (--columns.path)"
    )
    with pytest.raises(ValueError, match=r"no column place; there are .*say which it is with --columns.path"):
        scan(photos / "photos.csv", Columns(path="place"))


def test_the_contests_tables_are_read_alike(tmp_path: Path) -> None:
    for stem in STEMS:
        touch(tmp_path / "train" / "images" / "홍" / f"{stem}.jpg")
    touch(tmp_path / "eval" / "images" / "가.jpg")
    rows = [HEADER.strip().title().split(","), ["1", "남", "Asian", "45", "홍"]]
    (tmp_path / "train" / "train.csv").write_bytes(written(rows, ";").encode("utf-16"))
    (tmp_path / "eval" / "info.csv").write_bytes("imageid\tans\n가.jpg\t0\n".encode("cp949"))
    train, unseen = scan(tmp_path / "train").photos, scan(tmp_path / "eval").photos
    assert [*train.gender] == [0] * 7 and [*train.age] == [45.0] * 7 and (train.problem == "").all()
    assert [*unseen.image_id] == ["가.jpg"] and (unseen.problem == "").all()


def test_corrections_are_read_alike_and_their_paths_matched(photos: Path) -> None:
    (photos / "photos.csv").write_text(written(ROWS, ","))
    text = "Path;Column;Value;Why\n가나\\다.JPG;age;30~39;seen\nb.jpg;mask;none;seen\n"
    (photos / "corrections.csv").write_bytes(text.encode("cp949"))
    corrected, done = apply(scan(photos / "photos.csv"), None)
    assert corrected.photos.age[0] == 35 and corrected.photos["mask"][1] == 2
    assert [*done.path] == ["가나/다.jpg", "b.jpg"]
    assert "corrections.csv: 1 name differs from its file in backslashes and case only, " in " ".join(
        corrected.notes
    )


def test_none_is_no_mask_and_says_so_but_no_gender_and_no_age(photos: Path) -> None:
    (photos / "photos.csv").write_text(
        "path,person,mask,gender,age\nb.jpg,p,none,None,none\nc.jpg,q,wear,m,30\n"
    )
    listing = scan(photos / "photos.csv")
    assert [*listing.photos["mask"]] == [2, 0] and [*listing.photos.gender] == [-1, 0]
    np.testing.assert_equal([*listing.photos.age], [np.nan, 30.0])
    assert (
        "1 photos have mask 'none', which is taken for normal; leave the cell empty where it is not known"
        in listing.notes
    )


def test_photos_that_a_table_does_not_list_are_counted(tmp_path: Path) -> None:
    files = [f"images/{number}.jpg" for number in range(4)] + ["images/p/deep.png", "images/notes.txt"]
    for file in (
        *files,
        "images/.ipynb_checkpoints/0.jpg",
        "images/._1.jpg",
        "caches/faces.jpg",
        "beside.jpg",
    ):
        touch(tmp_path / file)
    path = tmp_path / "photos.csv"
    path.write_text("path\nimages/0.jpg\nimages/2.JPG\n")
    note = (
        f"3 of 5 photos below {tmp_path}/images are not in the table, the first images/1.jpg; they are left"
    )
    assert f"{note} out" in scan(path).notes
    path.write_text("path\n" + "\n".join(files[:5]))
    assert scan(path).notes == (
        "no column mask, gender, age: not known (--columns.mask or --columns.gender or --columns.age)",
    )
    touch(tmp_path / "listed.jpg")
    path.write_text("path\nlisted.jpg\n")
    assert scan(path).notes[0] == (
        f"1 of 2 photos below {tmp_path} are not in the table, the first beside.jpg; they are left out"
    ), "other folders beside a table are not the table's"


def test_a_rare_or_absent_age_does_not_stop_folds_of_masks(tmp_path: Path) -> None:
    """One person of 60 or more, and people of no known age, in a table of masks."""
    ages = ["20s", "30", "45", "60+", "", "none", "under 30", "30~39"] * 3
    ages[11:] = ["25"] * (len(ages) - 11)
    for number in range(len(ages)):
        touch(tmp_path / f"{number}.jpg")
    rows = [f"{n}.jpg,p{n},{('wear', 'normal')[n % 2]},{age}" for n, age in enumerate(ages)]
    (tmp_path / "photos.csv").write_text("\n".join(["path,person,mask,age", *rows]))
    listing = scan(tmp_path / "photos.csv")
    photos = listing.photos
    assert (photos.age >= 60).sum() == 1 and photos.age.isna().sum() == 2
    for known in (photos, photos.assign(age=np.nan)):
        division = divide_photos(
            "person",
            keys=known.source,
            persons=known.person,
            photos=known,
            labels=listing.labels,
            folds=4,
            seed=0,
            told={"mask"},
        )
        assert {*division.fold} == {0, 1, 2, 3} and "mask" in division.by and "age" in division.not_by
        for code in (0, 2):
            assert {*division.fold[(known["mask"] == code).to_numpy()]} == {0, 1, 2, 3}


HOSTILE = {
    "NUL": (b"path,mask\na.png,\0\n", "it holds NUL characters"),
    "a header without end": (b"path," + b"x" * 10_000_000 + b"\na.png,1\n", "row 1: not readable as a CSV"),
    "many columns": (
        b",".join(b"c%d" % n for n in range(15_000)) + b"\n",
        "15,000 columns, and at most 10,000",
    ),
    "cells without end": (
        b"path,mask\na.png" + b"," * 1_000_000 + b"\n",
        "1000001 cells where the header has 2",
    ),
    "a line without end": (b"path,mask\na.png," + b"x" * 10_000_000 + b"\n", "row 2: not readable as a CSV"),
    "a quote never closed": (
        b'path,mask\na.png,"x\n' + b"b.png,x\n" * 100_000,
        "row 2: not readable as a CSV",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_table_that_nobody_should_write_is_a_line(kind: str, tmp_path: Path) -> None:
    data, said = HOSTILE[kind]
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        read_cells(tmp_path / "t.csv", [])
    assert len(str(refused.value)) < 400


def test_a_table_beyond_memory_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "t.csv").open("wb") as file:
        file.truncate(100 * 2**30)
    with pytest.raises(ValueError, match=r"t\.csv: 107,374,182,400 bytes, and tables of text are read up to"):
        read_cells(tmp_path / "t.csv", [])
