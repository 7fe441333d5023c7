"""Names in tables that are not quite those of their files."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.foreign.names import Names
from preprocess.sources.scan import scan
from tests.helpers.layouts import HEADER, STEMS, touch


def decomposed(text: str) -> str:
    """As macOS writes file names."""
    return unicodedata.normalize("NFD", text)


def table(folder: Path, names: list[str], *files: str) -> Path:
    for file in files:
        touch(folder / file)
    cells = "".join(f'"{name}"\n' for name in names)
    (folder / "photos.csv").write_text(f"path\n{cells}")
    return folder / "photos.csv"


@pytest.mark.parametrize(
    ("name", "file", "differs"),
    [
        ("a.jpg ", "a.jpg", "blanks"),
        (" imgs/a.jpg", "imgs/a.jpg", "blanks"),
        ("imgs\\a.jpg", "imgs/a.jpg", "backslashes"),
        ("a.jpg", "images/a.jpg", "folders before them"),
        ("p1/a.jpg", "images/p1/a.jpg", "folders before them"),
        ("images/a.jpg", "a.jpg", "folders before them"),
        ("data/set/p1/a.jpg", "p1/a.jpg", "folders before them"),
        ("홍길동.jpg", decomposed("홍길동.jpg"), "Unicode form"),
        (decomposed("é/a.jpg"), "é/a.jpg", "Unicode form"),
        ("a.JPG", "a.jpg", "case"),
        ("Imgs/A.jpg", "imgs/a.JPG", "case"),
        ("a.jpeg", "a.jpg", "suffix"),
        ("a.PNG", "a.jpg", "suffix"),
        ("a", "a.jpg", "suffix"),
        ("1.jpg", "0001.jpg", "zeros before numbers"),
        ("7/12.jpg", "007/0012.jpg", "zeros before numbers"),
        ("1.0", "0001.jpg", "suffix and zeros before numbers"),
        ("10", "10.png", "suffix"),
        ("C:\\Users\\me\\imgs\\a.jpg", "imgs/a.jpg", "backslashes and folders before them"),
        (".\\Imgs\\홍 1.JPG", decomposed("imgs/홍 01.png"), None),
    ],
)
def test_a_name_that_only_looks_otherwise_is_its_files(
    tmp_path: Path, name: str, file: str, differs: str | None
) -> None:
    listing = scan(table(tmp_path, [name, "other-0.webp"], file, "other-0.webp"))
    photos = listing.photos
    assert [*photos.problem] == ["", ""] and [*photos.source] == [file, "other-0.webp"]
    assert photos.image_id[0] == name, "answers name the photo as the table does"
    [note] = listing.notes[:1]
    assert note.startswith("photos.csv: 1 name differs from its file in ") and note.endswith(
        f"only, {name!r} for {file}: taken"
    )
    if differs:
        assert f" in {differs} only, " in note


def test_names_of_one_difference_are_told_together(tmp_path: Path) -> None:
    files = [f"{number:03d}.jpg" for number in range(27)]
    listing = scan(
        table(tmp_path, [file.upper() for file in files] + ["a", "b.jpg"], *files, "a.png", "b.jpg")
    )
    assert listing.notes[0] == (
        "photos.csv: 27 names differ from their files in case only, such as '000.JPG' for 000.jpg: taken"
    )
    assert listing.notes[1].startswith("photos.csv: 1 name differs from its file in suffix only")
    assert (listing.photos.problem == "").all()


def test_a_name_with_its_own_file_is_never_another(tmp_path: Path) -> None:
    files = [
        "a.jpg",
        "a.JPG",
        "A.jpg",
        "1.jpg",
        "01.jpg",
        "1.png",
        "images/a.jpg",
        decomposed("é.jpg"),
        "é.jpg",
    ]
    listing = scan(table(tmp_path, files, *files))
    assert [*listing.photos.source] == files and not [note for note in listing.notes if "differ" in note]


@pytest.mark.parametrize(
    ("name", "files", "reason"),
    [
        ("a.Jpg", ("a.jpg", "A.JPG"), "A.JPG and a.jpg differ from it in case: name the one that is meant"),
        (
            "a.png",
            ("a.jpg", "a.jpeg"),
            "a.jpeg and a.jpg differ from it in suffix: name the one that is meant",
        ),
        ("1.jpg", ("01.jpg", "001.jpg"), "001.jpg and 01.jpg differ from it in zeros before numbers: name"),
        (
            "a.jpg",
            ("x/a.jpg", "y/a.jpg", "z/a.jpg"),
            "x/a.jpg and y/a.jpg and 1 more differ from it in folders",
        ),
    ],
)
def test_of_several_files_none_is_taken_and_they_are_named(
    tmp_path: Path, name: str, files: tuple[str, ...], reason: str
) -> None:
    photos = scan(table(tmp_path, ["other.webp", name], "other.webp", *files)).photos
    assert photos.problem[1].startswith(f"missing: no such file; {reason}")
    assert photos.bytes[1] == -1 and photos.source[1] == name


def test_a_name_like_none_is_missing_with_the_nearest(tmp_path: Path) -> None:
    names = ["imgs/IMG_0001.jpg", "imgs/IMG_00O2.jpg", "nothing-like-it.jpg"]
    photos = scan(table(tmp_path, names, "imgs/IMG_0001.jpg", "imgs/IMG_0002.jpg")).photos
    assert [*photos.problem] == [
        "",
        "missing: no such file; the nearest is imgs/IMG_0002.jpg",
        "missing: no such file",
    ]


def test_where_all_are_missing_the_place_and_the_nearest_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=rf"none of 2 .*looked in {tmp_path}; the nearest is images/face_2.jpg"
    ):
        scan(table(tmp_path, ["photo_1.jpg", "photo_2.jpg"], "images/face_2.jpg"))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=rf"no such file; looked in {empty}, where nothing lies"):
        scan(table(empty, ["photo_1.jpg"]))


@pytest.mark.parametrize(
    ("names", "file"),
    [(["a.jpg", "A.JPG"], "a.jpg"), (["A.JPG", "a.jpg"], "a.jpg"), (["1.jpg", "01.jpg"], "001.jpg")],
)
def test_two_names_of_one_file_are_an_error_with_both_rows(
    tmp_path: Path, names: list[str], file: str
) -> None:
    with pytest.raises(ValueError, match=rf"occurs twice, in rows 3 and 4: both mean {file}; remove one"):
        scan(table(tmp_path, ["other.png", *names], "other.png", file))


@pytest.mark.parametrize(
    ("name", "file"), [("1.png", "1.jpg"), ("1.jpg", "01.jpg"), ("a.jpg", "p1/a.jpg"), ("p2/a.jpg", "a.jpg")]
)
def test_a_lost_photo_is_not_replaced_by_one_that_is_listed_itself(
    tmp_path: Path, name: str, file: str
) -> None:
    photos = scan(table(tmp_path, [file, name], file)).photos
    assert [*photos.source] == [file, name] and photos.problem[1].startswith("missing: no such file")


def test_what_belongs_in_a_folder_that_is_there_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    photos = scan(table(tmp_path, ["p1/b.jpg", "p1/a.jpg"], "a.jpg", "p1/b.jpg")).photos
    assert photos.problem[1].startswith("missing")


def test_nothing_outside_of_the_tables_folder_or_in_tools_folders_is_found(tmp_path: Path) -> None:
    touch(tmp_path / "a.jpg")
    names = ["b.jpg", "sub\\..\\..\\a.jpg", "a.JPG", "c.jpg"]
    photos = scan(table(tmp_path / "data", names, "b.jpg", ".trash/c.jpg", "@eaDir/c.jpg")).photos
    assert photos.problem[1:].str.startswith("missing: no such file").all()


def test_files_whose_name_is_not_utf8_are_named_as_in_the_index(tmp_path: Path) -> None:
    path = table(tmp_path, ["photo_1.jpg", "photo_2", "b.jpg"], "b.jpg")
    (tmp_path / os.fsdecode(b"photo_\xff.jpg")).write_bytes(b"x")
    (tmp_path / os.fsdecode(b"\xfe")).mkdir()
    (tmp_path / os.fsdecode(b"\xfe/photo_2.png")).write_bytes(b"x")
    listing = scan(path)
    assert listing.photos.problem[0] == "missing: no such file; the nearest is photo_\\xff.jpg"
    assert listing.photos.source[1] == "\\xfe/photo_2.png" and listing.photos.problem[1] == ""
    assert "'photo_2' for \\xfe/photo_2.png: taken" in listing.notes[0]
    "".join(listing.notes).encode()


def test_photos_behind_a_linked_folder_are_found_and_circles_end(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "a.jpg")
    path = table(tmp_path / "data", ["a.jpg", "b.jpg"], "b.jpg")
    (path.parent / "link").symlink_to(tmp_path / "elsewhere")
    (path.parent / "circle").symlink_to(path.parent)
    assert scan(path).photos.source[0] == "link/a.jpg"


def test_only_missing_names_cost_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, ["a.jpg"], "a.jpg")
    monkeypatch.setattr("preprocess.sources.lookup.paths_below", None)
    assert [*scan(path).photos.problem] == [""]


def test_image_ids_of_the_contest_are_found_alike(tmp_path: Path) -> None:
    touch(tmp_path / "images" / "b.jpg")
    touch(tmp_path / "images" / decomposed("가.png"))
    (tmp_path / "info.csv").write_text("ImageID,ans\nimages/b.JPG,0\n가.png ,0\n")
    listing = scan(tmp_path)
    assert listing.layout == "eval" and [*listing.photos.image_id] == ["images/b.JPG", "가.png "]
    assert [*listing.photos.source] == ["images/b.jpg", decomposed("images/가.png")]
    assert [note.startswith("info.csv: 1 name differs from its file") for note in listing.notes] == [True] * 2


def test_folders_of_people_are_found_alike(tmp_path: Path) -> None:
    for folder in ("000001_female", decomposed("홍길동"), "Kim"):
        for stem in STEMS:
            touch(tmp_path / "images" / folder / f"{stem}.jpg")
    rows = ["1,female,Asian,45,1_female", "2,male,Asian,20,홍길동", "3,male,Asian,20,Kym"]
    (tmp_path / "train.csv").write_text(HEADER + "\n".join(rows))
    listing = scan(tmp_path)
    photos = listing.photos
    assert (photos.problem[:14] == "").all() and photos.source[7] == decomposed("images/홍길동/mask1.jpg")
    assert [*photos.person.unique()] == ["1_female", "홍길동", "Kym"], "people are called as in the table"
    assert photos.problem[14].startswith("missing: no folder images/Kym, or it is empty")
    assert listing.notes[0] == (
        "train.csv: 1 name differs from its folder in zeros before numbers only, '1_female' for "
        "000001_female: taken"
    )
    (tmp_path / "train.csv").write_text(HEADER + "3,male,Asian,20,Kym\n")
    with pytest.raises(ValueError, match=r"no folder images/Kym.*looked in .*/images; the nearest is Kim"):
        scan(tmp_path)


PARTS = st.sampled_from(["a", "B", "é", "한글", "01", "7", "x y"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".jpg")


@given(st.lists(PATHS, unique=True, max_size=6), st.randoms(use_true_random=False))
def test_a_match_is_the_only_one_whatever_the_order_and_the_form(paths: list[str], random: object) -> None:
    """Each path is found by every form of itself, or several that look alike are named."""
    shuffled = [*paths]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = Names(paths), Names(shuffled)
    for path in paths:
        forms = [path, f" {path}", path.replace("/", "\\"), decomposed(path), path.upper(), f"./{path}"]
        for form in forms:
            match = one.find(form)
            assert match.path == other.find(form).path and {*match.several} == {*other.find(form).several}
            assert match.path == path or path in match.several or match.path == form
