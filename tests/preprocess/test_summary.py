"""What stage 1 prints when it ends, and how many photos it may lose, whatever their labels."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from faces.cache.reader import Cache
from faces.cache.writer import reject_columns
from faces.factors import Categories
from faces.labelling.label_file import label_set
from faces.labels import CONTEST, LabelSet
from preprocess.summary import Budget, Work, by_value, summarise
from tests.helpers.own_labels import OWN, write_own
from tests.helpers.shown import LOST, fields, write

GLASSES = label_set("glasses", (Categories(name="glasses", categories=("yes", "no")),))


def printed(cache: Cache) -> list[str]:
    text = io.StringIO()
    summarise(cache, Console(file=text, highlight=False, soft_wrap=True), Work(), Path("photos/mine"))
    return text.getvalue().splitlines()


@pytest.mark.parametrize(
    ("labels", "values", "said"),
    [
        (CONTEST, {}, " (wear 2/2 = 100.0%, incorrect 1/2 = 50.0%, normal 1/1 = 100.0%)"),
        (CONTEST, {"mask": -1, "gender": 1, "age": 40.0}, ""),
        (GLASSES, {"glasses": 1}, " (glasses: no 4/5 = 80.0%)"),
        (GLASSES, {"glasses": -1}, ""),
        (
            label_set("two", (*GLASSES.factors, CONTEST.factor("mask"))),
            {"glasses": -1, "mask": 2},
            " (normal 4/5 = 80.0%)",
        ),
        (label_set("g", (CONTEST.factor("gender"),)), {"gender": 0}, " (male 4/5 = 80.0%)"),
    ],
)
def test_faces_found_are_counted_by_the_values_of_a_factor_that_differs_among_photos(
    tmp_path: Path, labels: LabelSet, values: dict[str, object], said: str
) -> None:
    rows = [fields(n, **values) for n in range(4)] + [fields(4, **LOST, **values)]
    assert by_value(write(tmp_path / "cache", rows, labels=labels)) == said


def test_the_summary_of_a_contest_cache(tmp_path: Path) -> None:
    lines = printed(write(tmp_path / "cache", [fields(n) for n in range(30)]))
    assert lines[0] == "30 photos"
    assert lines[1].endswith(
        "with a face (wear 10/10 = 100.0%, incorrect 10/10 = 100.0%, normal 10/10 = 100.0%)"
    )
    assert "labelled: mask 30, gender 30, age 30 of 30 crops" in lines
    assert lines[-1].startswith("next: make train-all RECIPE=recipes/quick.toml CACHE=")


def test_the_summary_of_photos_without_labels_ends_with_what_there_is_to_do(tmp_path: Path) -> None:
    rows = [fields(n, person="", mask=-1, gender=-1, age=float("nan")) for n in range(3)]
    lines = printed(write(tmp_path / "cache", rows))
    assert lines[1].endswith("with a face")
    assert "no photo is labelled, so these are photos to predict" in lines
    assert lines[-1].startswith("next: make ")


def framed(count: int, tight: int, first: int = 0, **changes: object) -> list[dict[str, object]]:
    """Faces in photos of 100 x 100, the first of which they fill: their crops are the photo."""
    whole = {"crop_box": [0.0, 0.0, 100.0, 100.0], "face_box": [5.0, 5.0, 95.0, 95.0]}
    small = {"crop_box": [20.0, 20.0, 80.0, 80.0], "face_box": [30.0, 30.0, 70.0, 70.0]}
    return [fields(first + n, width=100, **(whole if n < tight else small), **changes) for n in range(count)]


def test_how_the_crops_are_framed_is_said_and_warned_of_where_it_tells_the_label(tmp_path: Path) -> None:
    rows = [*framed(20, 15, mask=2), *framed(20, 0, 20, mask=0, true_pixels=0.25)]
    lines = printed(write(tmp_path / "cache", [{"true_pixels": 1.0} | row for row in rows]))
    assert (
        "true pixels: median 0.62, least 0.25; under 0.50: 20 of 40 crops "
        "(wear 20/20 = 100.0%, normal 0/20 = 0.0%)" in lines
    )
    assert (
        "longer side of the face: median 0.67 of the crop's, most 0.90; above 0.80: 15 of 40 crops "
        "(wear 0/20 = 0.0%, normal 15/20 = 75.0%)" in lines
    )
    sources, true, face = [line for line in lines if line.startswith("warning: ")]
    assert (
        "15 of 20 found faces of mask normal fill their photo" in sources
        and "0 of 20 of mask wear" in sources
    )
    assert "alone tells mask normal from wear: area under the ROC curve 1.000 [1.000, 1.000]" in true
    assert lines[lines.index(true) + 1].endswith("without --no-clamp")
    # Of 400 pairs of a normal and a masked photo, 300 differ and 100 are equal: 0.75 + 0.25 / 2.
    assert "alone tells mask normal from wear: area under the ROC curve 0.875 [" in face


def test_photos_that_faces_fill_are_proposed_to_be_taken_as_they_are(tmp_path: Path) -> None:
    nothing = {"mask": -1, "gender": -1, "age": float("nan")}
    rows = [{"true_pixels": 1.0} | row for row in framed(12, 7, **nothing)]
    cache = write(tmp_path / "cache", rows)
    [line] = [line for line in printed(cache) if "--faces as_is takes as they are" in line]
    assert line.startswith("7 of 12 found faces fill their photo: these look like face crops already")
    assert f'  make preprocess DATA=photos/mine CACHE={cache.folder}-as-is ARGS="--faces as_is"' in printed(
        cache
    )
    half = printed(write(tmp_path / "half", framed(12, 6, **nothing)))
    as_is = printed(write(tmp_path / "as_is", [row | {"detector": "as_is"} for row in rows]))
    assert not any("--faces as_is" in line or "warning" in line for line in (*half, *as_is))
    assert "true pixels: all 1.00" in as_is
    assert "      12 100.0%  taken as they are, without a search" in as_is


@pytest.mark.parametrize("labels", [CONTEST, OWN])
def test_rejects_of_a_stopped_run_are_listed_with_the_columns_of_their_labels(
    tmp_path: Path, labels: LabelSet
) -> None:
    budget = Budget(tmp_path, 2, 0.4, [], labels)
    reject = {"position": 1, "reason": "empty file", **{f.name: f.missing for f in labels.factors}}
    with pytest.raises(ValueError, match="1 of 2 photos are rejected already"):
        budget.spend([reject])
    assert [*pd.read_csv(tmp_path / "rejects.csv").columns] == reject_columns(labels)


def test_a_cache_of_ones_own_labels_is_summed_up_in_their_words(tmp_path: Path) -> None:
    own = write_own(tmp_path / "cache")
    assert by_value(own).startswith(" (glasses: yes ")
