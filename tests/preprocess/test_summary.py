"""What stage 1 prints when it ends, and how many photos it may lose, whatever their labels."""

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from faces.cache import Cache
from faces.factors import Categories
from faces.label_file import label_set
from faces.labels import CONTEST, LabelSet
from faces.writer import reject_columns
from preprocess.summary import Budget, Work, by_value, summarise
from tests.helpers.own_labels import OWN, write_own
from tests.helpers.shown import LOST, fields, write

GLASSES = label_set("glasses", (Categories(name="glasses", categories=("yes", "no")),))


def printed(cache: Cache) -> list[str]:
    text = io.StringIO()
    summarise(cache, Console(file=text, highlight=False, soft_wrap=True), Work())
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
    assert lines[-1].startswith("next: make train-all RECIPE=recipes/small.toml CACHE=")


def test_the_summary_of_photos_without_labels_ends_with_what_there_is_to_do(tmp_path: Path) -> None:
    rows = [fields(n, person="", mask=-1, gender=-1, age=float("nan")) for n in range(3)]
    lines = printed(write(tmp_path / "cache", rows))
    assert lines[1].endswith("with a face")
    assert "no photo is labelled, so these are photos to predict" in lines
    assert lines[-1].startswith("next: make ")


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
