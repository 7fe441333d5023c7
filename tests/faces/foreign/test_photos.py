"""Rows of a table are found by the names of their photos."""

from pathlib import Path

import pytest

from faces.foreign.photos import rows_of_photos
from faces.foreign.table import read_table

PHOTOS = ["a.jpg", "p/b.jpg", "c.jpg", "c.png"]


def rows(path: Path, *names: str, notes: list[str] | None = None) -> list[str]:
    path.write_text("ImageID,n\n" + "".join(f"{name},{place}\n" for place, name in enumerate(names)))
    table = read_table(path, ("ImageID",))
    found = rows_of_photos(table, "ImageID", PHOTOS, path, [] if notes is None else notes, "give them all")
    return [*found.n]


def test_rows_come_in_the_order_of_the_photos_and_names_near_one_are_taken_and_said(tmp_path: Path) -> None:
    notes: list[str] = []
    assert rows(tmp_path / "t.csv", "c.png", "b.JPG", "images/a.jpg", "c.jpg", notes=notes) == [*"2130"]
    assert notes == [
        "t.csv: 1 name differs from its photo in folders before them and case only, 'b.JPG' for p/b.jpg: "
        "taken",
        "t.csv: 1 name differs from its photo in folders before them only, 'images/a.jpg' for a.jpg: taken",
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["a.jpg", "b.jpg", "c"],
            "row 4: ImageID 'c' may mean c.jpg or c.png, which differ from it in suffix",
        ),
        (["a.jpg", "A.jpg", "b.jpg", "c.jpg"], ": ImageID 'a.jpg' occurs twice, in rows 2 and 3; keep one"),
        (["a.jpg", "a.jpg", "b.jpg", "c.jpg"], ": ImageID 'a.jpg' occurs twice, in rows 2 and 3; keep one"),
        (["a.jpg", "", "b.jpg", "c.jpg"], ", row 3: no ImageID; fill it in, or remove the row"),
        (["a.jpg", "p/b.jpg"], ": 2 of the 4 photos have no row (c.jpg, c.png); give them all"),
        (
            [*PHOTOS, "q", "r", "s", "t"],
            ": 4 of its 8 rows are of no such photo (q, r, s, ..., from row 6); give them all",
        ),
        ([], ": no rows below its header"),
    ],
)
def test_what_is_of_several_photos_or_of_others_is_refused(
    tmp_path: Path, names: list[str], said: str
) -> None:
    with pytest.raises(ValueError, match=r"t\.csv") as refused:
        rows(tmp_path / "t.csv", *names)
    assert said in str(refused.value)
