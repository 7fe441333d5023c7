"""The page on runs and ensembles: its numbers are the answers', and it holds the photos they are about."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from faces.cache.reader import Cache
from faces.labels import CONTEST, TASKS
from faces.projection import project
from report import command
from report.answers import Answers, galleries, in_order_of_need
from report.confusions import matrices
from report.subject import of_runs
from report.thresholds import line_at, thresholds
from tests.helpers.coloured import write_coloured
from tests.helpers.runs.fold_runs import out_of_fold_panels, write_runs
from tests.helpers.shown import Page
from train.data.rows import fold_rows
from train.engine.compute import PredictCompute

CPU = PredictCompute(device="cpu", threads=1)
ADDRESS = re.compile(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """caches/people, and runs/three, runs/masks of three folds on it."""
    folder = tmp_path_factory.mktemp("place")
    cache = write_coloured(folder / "caches" / "people", people=24)
    write_runs(folder / "runs", cache, "three", skill=1.5, seed=1)
    write_runs(folder / "runs" / "three", cache, "nested", folds=[(0, 1)], seed=1)  # of no fold alone
    write_runs(folder / "runs", cache, "masks", tasks=("mask",), skill=1.5, seed=2)
    return folder


@pytest.fixture(scope="module")
def cache(place: Path) -> Cache:
    return Cache.open(place / "caches" / "people")


@pytest.fixture(scope="module")
def answers(place: Path) -> Answers:
    return Answers(of_runs(place / "runs" / "three", None, CPU, Console(quiet=True)))


@pytest.fixture(scope="module")
def written(place: Path) -> Path:
    """The page on all runs of a recipe."""
    command.run(command.ReportSettings(run=place / "runs" / "three", compute=CPU))
    return place / "runs" / "three" / "report.html"


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text()
    [found] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    table: dict[str, Any] = json.loads(found)
    return table


def test_the_answers_are_those_that_training_stored(answers: Answers, cache: Cache, place: Path) -> None:
    panels, photos = out_of_fold_panels(["three"], place / "runs", cache, ("original",))
    expected = project(panels["three"][0], "class18", CONTEST)
    np.testing.assert_allclose(answers.verdict.probabilities, expected, atol=1e-6)
    assert answers.truth.tolist() == TASKS["class18"].encode(photos).tolist()
    assert 0.1 < answers.wrong.mean() < 0.9


def test_every_error_is_in_the_table_beside_the_page_the_surest_first(
    written: Path, answers: Answers
) -> None:
    table = pd.read_csv(written.with_name("errors.csv"))
    wrong = answers.photos["image_id"][answers.wrong]
    assert sorted(table["ImageID"]) == sorted(wrong)
    assert table["probability"].is_monotonic_decreasing
    for name in ("mask", "gender", "age"):
        differs = (table[f"{name} true"] != table[f"{name} answered"]).tolist()
        assert differs == [name in words.split() for words in table["wrong"]]
    assert (table["probability of true"] <= table["probability"]).all()


def test_confusions_count_each_photo_once(answers: Answers) -> None:
    *factors, whole = matrices(answers)
    assert [matrix.title for matrix in factors] == ["mask", "gender", "age"]
    for number, matrix in enumerate([*factors, whole]):
        counts = np.array([[cell.count for cell in row] for row in matrix.rows])
        truth = answers.truth if matrix is whole else answers.true_parts[number]
        guess = answers.verdict.classes if matrix is whole else answers.answered_parts[number]
        for (true, called), count in np.ndenumerate(counts):
            assert count == ((truth == true) & (guess == called)).sum()
        assert matrix.right == pytest.approx(np.trace(counts) / counts.sum())
        assert sum(cell.count for cell in matrix.commonest) <= answers.wrong.sum()


def test_galleries_are_the_surest_errors_the_least_sure_and_middling_right_ones(answers: Answers) -> None:
    errors, unsure, right = galleries(answers)
    assert answers.wrong[errors.places].all() and errors.total == answers.wrong.sum()
    assert (np.diff(answers.confidence[errors.places]) <= 0).all()
    assert (np.diff(answers.margin[unsure.places]) >= 0).all()
    persons = answers.photos["person"]
    for shown, by in (
        (errors, np.where(answers.wrong, -answers.confidence, np.inf)),
        (unsure, answers.margin),
    ):
        assert not persons[shown.places].duplicated().any()
        for place in shown.places:
            assert by[place] == by[persons == persons[place]].min()
    assert not answers.wrong[right.places].any()
    # In turns: no class has a second photo before each that was answered rightly has one.
    codes = answers.truth[right.places].tolist()
    first = len({*answers.truth[~answers.wrong].tolist()})
    assert len({*codes[:first]}) == min(first, len(codes))


def test_pictures_that_have_room_are_the_named_then_errors(answers: Answers) -> None:
    count, errors = len(answers.truth), int(answers.wrong.sum())
    everything = in_order_of_need(answers, [5], count)
    assert everything[0] == 5 and sorted(everything) == [*range(count)]
    some = in_order_of_need(answers, [5], errors + 3)
    assert {5, *np.flatnonzero(answers.wrong).tolist()} <= {*some} and len(some) == errors + 3


def test_thresholds_count_as_they_say(answers: Answers) -> None:
    given, mine = np.array([0.9, 0.6, 0.4, 0.2]), np.array([True, False, True, False])
    line = line_at(given, mine, 0.4)
    assert (line.called, line.precision, line.recall, line.f1) == (3, 2 / 3, 1.0, 0.8)
    nothing = line_at(given, mine, 0.95)
    assert (nothing.called, nothing.recall, nothing.f1) == (0, 0, 0) and np.isnan(nothing.precision)
    [age] = thresholds(answers)
    rare = np.bincount(answers.true_parts[2])
    assert age.photos == rare[rare > 0].min() and age.title.startswith("P(age ")
    assert [line.called for line in age.lines] == sorted((line.called for line in age.lines), reverse=True)
    assert age.best.f1 == max(line.f1 for line in age.lines)


def test_the_page_holds_each_photo_with_its_answer(written: Path, answers: Answers, cache: Cache) -> None:
    data = data_of(written)
    rows = answers.photos["row"].to_numpy()
    assert sorted(photo["i"] for photo in data["photos"]) == [*range(len(rows))]
    for photo in data["photos"][::7]:
        place = photo["i"]
        shown = Image.open(io.BytesIO(base64.b64decode(photo["t"]))).convert("RGB")
        whole = Image.fromarray(cache.image(int(rows[place]))).resize(shown.size)
        # The crops are noise, of which a small file keeps little: compared is what it is noise around.
        small = [np.asarray(image.resize((6, 6), Image.Resampling.BOX), float) for image in (shown, whole)]
        assert np.abs(small[0] - small[1]).mean() < 8
        assert (photo["y"], photo["g"]) == (answers.truth[place], answers.verdict.classes[place])
        assert photo["q"][1][0][1] == pytest.approx(answers.shares[1][place].max(), abs=1e-4)
    mapped = np.array(data["map"])[:, 1:]
    fold = answers.photos["fold"].to_numpy()
    assert {int(place) for place, *_ in data["map"]} == {*np.flatnonzero(fold == 0).tolist()}
    assert mapped.min() == 0 and mapped.max() == 1


def test_nothing_is_loaded_from_elsewhere_and_only_its_own_script_may_run(written: Path) -> None:
    page = Page(re.sub(r"<script.*?</script>", "", written.read_text(), flags=re.DOTALL))
    assert not page.every("link") and not page.every("iframe")
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page.every("img"))
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    [policy] = [m["content"] for m in page.every("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert not ADDRESS.search(page.html) and "xmlns" not in page.html
    names = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(names) == len(set(names))
    anchors = {a["href"][1:] for a in page.every("a") if a["href"].startswith("#")}
    assert anchors <= {*names}


def test_one_fold_is_scored_on_the_people_it_left_out(place: Path, cache: Cache, tmp_path: Path) -> None:
    out = tmp_path / "one.html"
    command.run(command.ReportSettings(run=place / "runs" / "three" / "fold1", out=out, compute=CPU))
    rows = fold_rows(cache, ("mask", "gender", "age3"), fold=1, folds=3, seed=0).validation
    assert {photo["n"] for photo in data_of(out)["photos"]} == {*cache.index["image_id"].iloc[rows]}
    assert "<h1>three/fold1</h1>" in out.read_text() and out.with_name("one-errors.csv").is_file()


def test_an_ensemble_without_age_has_a_page_of_what_it_tells(
    place: Path, cache: Cache, tmp_path: Path
) -> None:
    file = tmp_path / "plain.toml"
    file.write_text('vote = ["masks"]\nviews = ["original"]')
    settings = command.ReportSettings(
        ensemble=file, cache=cache.folder, runs=place / "runs", predictions=tmp_path / "p", compute=CPU
    )
    command.run(settings)
    page = tmp_path / "p" / "plain" / "out_of_fold" / "report.html"
    data = data_of(page)
    assert [part["name"] for part in data["parts"]] == ["mask"] and len(data["photos"]) == len(cache)
    text = page.read_text()
    assert 'id="slices"' not in text and "P(mask " in text and "age" not in data["classes"]


def test_a_cache_has_what_stage_1_shows_and_how_it_is_dealt_to_folds(place: Path, cache: Cache) -> None:
    command.run(command.ReportSettings(cache=cache.folder))
    page = Page((cache.folder / "report.html").read_text())
    section = page.section("folds")
    for fold in range(5):
        rows = fold_rows(cache, ("mask", "gender", "age3"), fold=fold, folds=5, seed=0).validation
        people = cache.index["person"].iloc[rows].nunique()
        assert f'<th scope="row">{fold}</th><td>{people}</td><td>{len(rows)}</td>' in section
    assert page.number("crops") == str(len(cache)) and not page.every("script")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "none is given; give one, such as RUN="),
        ({"run": Path("a"), "ensemble": Path("b")}, "a page is on one; leave one out"),
        ({"ensemble": Path("b.toml")}, r"b.toml: its photos are not known; give the cache .*CACHE="),
    ],
)
def test_what_the_page_is_on_is_asked_for(given: dict[str, Path], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        command.ReportSettings(**given)  # type: ignore[arg-type]


def test_a_folder_without_runs_and_a_page_that_is_a_folder_are_refused(place: Path, tmp_path: Path) -> None:
    for settings, message in (
        (command.ReportSettings(run=tmp_path / "nothing"), "no such folder; give a trained fold"),
        (command.ReportSettings(run=place / "caches"), "no trained fold in"),
        (command.ReportSettings(run=place / "runs"), r"recipes \(masks, three\); give one, RUN="),
        (
            command.ReportSettings(cache=place / "caches" / "people", out=tmp_path),
            "is a folder; give the page",
        ),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            command.run(settings)
        assert "\n" not in str(caught.value)


def test_a_cache_that_is_not_where_caches_are_is_asked_for(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fold = write_runs(tmp_path / "runs", cache, "far", folds=[0]) / "fold0"
    with pytest.raises(ValueError, match=f"is in none of .*make report RUN={fold} CACHE=") as caught:
        command.run(command.ReportSettings(run=fold))
    assert cache.identity[:12] in str(caught.value)
