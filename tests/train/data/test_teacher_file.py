"""Files of predictions: whose photos they name, and what makes them unusable."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.labels import CLASS_NAMES, UNKNOWN
from tests.helpers.extras import joined, keyed, table, write
from train.data.teacher_file import read_predictions, read_teacher


@pytest.fixture(scope="session")
def both(coloured: Cache, unseen: Cache, tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """72 labelled photos and 12 without labels; these have the names 0.jpg to 11.jpg of labelled ones."""
    return joined(tmp_path_factory.mktemp("both") / "both", coloured, unseen)


def test_photos_are_found_by_their_names_in_any_order(coloured: Cache, both: Cache, tmp_path: Path) -> None:
    for cache, predictions in ((coloured, table(coloured)), (both, keyed(both))):
        shuffled = predictions.sample(frac=1, random_state=1)
        found = read_predictions(write(tmp_path, shuffled), cache)
        np.testing.assert_allclose(found.probabilities, predictions[[*CLASS_NAMES]])
        assert found.choices.tolist() == predictions["ans"].tolist()


def test_files_of_different_photos_teach_together(both: Cache, tmp_path: Path) -> None:
    whole = keyed(both)
    (tmp_path / "rest").mkdir()
    parts = [str(write(tmp_path, whole[:72])), str(write(tmp_path / "rest", whole[72:80]))]
    for files in (parts, parts[::-1]):
        found = read_teacher(files, both)
        np.testing.assert_allclose(found.probabilities[:80], whole[[*CLASS_NAMES]][:80])
        assert found.choices.tolist() == [*whole["ans"][:80], *[UNKNOWN] * 4]
        assert not found.probabilities[80:].any()
    write(tmp_path / "rest", whole[70:])
    first = both.index["image_id"].iloc[70]
    with pytest.raises(ValueError, match=rf"rest/p.parquet: answers 2 photos .* the first is '{first}'"):
        read_teacher(parts, both)


def changed(column: str, value: object, row: int = 3) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(predictions: pd.DataFrame) -> pd.DataFrame:
        predictions[column] = predictions[column].astype(object if isinstance(value, str) else float)
        predictions.loc[row, column] = value
        return predictions

    return change


FIRST = CLASS_NAMES[0]
BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a value that is none": (changed(FIRST, np.nan), f"probability nan of '{FIRST}' .1 such.*predict again"),
    "a negative value": (changed(FIRST, -0.5), f"probability -0.5 of '{FIRST}'"),
    "a sum that is not 1": (changed(FIRST, 0.0, 0), r"its 18 probabilities sum to 0\.\d+ \(1 such.*sum to 1"),
    "an answer that is no class": (
        changed("ans", 18),
        r"ans 18.0 \(1 such photos\) is no class from 0 to 17",
    ),
    "an answer that is missing": (changed("ans", np.nan), "ans nan"),
    "a class that is missing": (lambda t: t.drop(columns=CLASS_NAMES[4]), f"no column '{CLASS_NAMES[4]}'"),
    "a class of another name": (
        lambda t: t.rename(columns={"normal male >=60": "normal male 60+"}),
        r"column 'normal male 60\+' is no class: did you mean 'normal male",
    ),
    "no names": (lambda t: t.drop(columns="ImageID"), "no column 'ImageID'"),
    "a photo twice": (lambda t: pd.concat([t, t[7:9]]), r"ImageID '.*.jpg', '.*.jpg' occurs more than once"),
    "no photos": (lambda t: t[:0], "no rows"),
    "other photos": (
        lambda t: t.assign(ImageID="x" + t["ImageID"]),
        "none of its 72 photos is in .*, the first is ImageID 'x",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_named_with_the_value(
    coloured: Cache, tmp_path: Path, name: str
) -> None:
    change, message = BAD[name]
    path = write(tmp_path, change(table(coloured, np.full((72, 18), 1 / 18) if "sum" not in name else None)))
    with pytest.raises(ValueError, match=f"p.parquet: .*{message}"):
        read_predictions(path, coloured)


def test_a_file_that_is_not_there_or_no_parquet_is_told(coloured: Cache, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"teacher.predictions='gone.parquet': no such file; predict first"):
        read_predictions(Path("gone.parquet"), coloured)
    (tmp_path / "p.parquet").write_text("no")
    with pytest.raises(ValueError, match=r"p.parquet: not readable as Parquet"):
        read_predictions(tmp_path / "p.parquet", coloured)


def test_names_that_mean_several_photos_are_told(both: Cache, unseen: Cache, tmp_path: Path) -> None:
    path = write(tmp_path, table(unseen))
    with pytest.raises(
        ValueError, match=r"ImageID '\d+.jpg' is the name of several photos of .* \(12 such\)"
    ):
        read_predictions(path, both)
    # Keys are numbers in every cache: those of the unlabelled photos are other photos' here.
    other = keyed(unseen).assign(ImageID=[f"other-{name}" for name in unseen.index["image_id"]])
    with pytest.raises(ValueError, match=r"key '\d+' is ImageID 'other-.* there and '\d+.jpg' in"):
        read_predictions(write(tmp_path, other), both)
