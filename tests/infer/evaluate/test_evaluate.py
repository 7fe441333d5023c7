import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.intervals import estimate, gain
from faces.labels import CLASS_NAMES, CONTEST, TASKS
from faces.projection import project
from faces.scores import class_scores, macro_f1
from infer.evaluate import command as evaluate
from infer.evaluate.scores import class_counts, count_groups, numbered, score, share_counts
from tests.helpers.runs.fold_runs import out_of_fold_panels, write_runs
from train.engine.compute import PredictCompute

ORIGINAL = ("original",)
CLASS18 = TASKS["class18"]


@pytest.fixture(scope="module")
def runs(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recipes that tell the 18 classes and one that tells masks."""
    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder, coloured, "good", skill=3, seed=1)
    write_runs(folder, coloured, "fair", tasks=("class18",), skill=2, seed=2)
    write_runs(folder, coloured, "only_mask", tasks=("mask",), seed=3)
    return folder


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """Runs that a test may spoil."""
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def answers(count: int, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Person, truth and guess of photos of 40 people."""
    rng = np.random.default_rng(seed)
    person, truth = rng.integers(0, 40, count), rng.integers(0, 18, count)
    person[:40] = np.arange(40)
    return person, truth, np.where(rng.random(count) < wrong, rng.integers(0, 18, count), truth)


def test_scores_are_those_of_the_metrics() -> None:
    person, truth, guess = answers(600, 0.4, 0)
    calls: list[None] = []
    found = score(person, truth, guess, CLASS18, lambda: calls.append(None))
    assert len(calls) == count_groups(truth, CLASS18)
    for name, value in class_scores(truth, guess, CLASS18).items():
        estimated = found.overall.scores[name]
        assert estimated.value == pytest.approx(value, abs=1e-6)
        assert estimated.low < value < estimated.high
    old, called = truth % 3 == 2, guess % 3 == 2
    [(factor, seniors)] = found.last_bands.items()
    assert (factor, seniors.name) == ("age", ">=60")
    assert seniors.scores["recall"].value == pytest.approx((old & called).sum() / old.sum())
    assert seniors.scores["precision"].value == pytest.approx((old & called).sum() / called.sum())
    assert (seniors.photos, seniors.people) == (old.sum(), len(np.unique(person[old])))
    women = truth // 3 % 2 == 1
    inside = found.slices["gender"][1]
    others = [codes[women] // 6 * 3 + codes[women] % 3 for codes in (truth, guess)]
    assert inside.scores["macro_f1"].value == pytest.approx(macro_f1(*others, 9))
    assert inside.scores["accuracy"].value == pytest.approx((truth == guess)[women].mean())
    assert [group.photos for group in found.classes] == np.bincount(truth, minlength=18).tolist()


def test_perfect_answers_leave_nothing_open() -> None:
    person, truth, _ = answers(600, 0, 1)
    found = score(person, truth, truth, CLASS18)
    groups = [found.overall, *found.last_bands.values(), *found.classes, *sum(found.slices.values(), ())]
    for group in groups:
        for value in group.scores.values():
            assert (value.value, value.low, value.high) == (1, 1, 1)


def test_differences_are_paired() -> None:
    person, truth, guess = answers(600, 0.3, 2)
    mine, worse = (
        class_counts(person, truth, g, 18) for g in (guess, np.where(person < 20, (guess + 1) % 18, guess))
    )
    same = gain([mine], [mine])
    assert (same.value, same.low, same.high) == (0, 0, 0)
    less = gain([worse], [mine])
    assert less.value == pytest.approx(estimate([worse]).value - estimate([mine]).value) and less.high < 0


def test_nobody_answered_so_is_no_number_and_no_warning() -> None:
    person = np.zeros(3, np.int64)
    nothing = estimate([share_counts(person, np.ones(3, bool), np.zeros(3, bool))])
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all()


def test_people_are_numbered_by_name_whatever_the_order() -> None:
    names = pd.Series(["b", "a", "c", "a"])
    assert numbered(names).tolist() == [1, 0, 2, 0]


def settings(folder: Path, cache: Cache, runs: Path, text: str) -> evaluate.EvaluateSettings:
    path = folder / "both.toml"
    path.write_text(text)
    return evaluate.EvaluateSettings(
        ensemble=path,
        cache=cache.folder,
        runs=runs,
        predictions=folder / "predictions",
        compute=PredictCompute(device="cpu"),
    )


def test_the_scores_of_another_cache_are_not_replaced(coloured: Cache, runs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "predictions" / "both" / "out_of_fold"
    folder.mkdir(parents=True)
    scores = folder / "scores.json"
    scores.write_text(json.dumps({"conditions": {"cache": "caches/elsewhere, 0123456789ab"}}))
    wanted = settings(tmp_path, coloured, runs, 'vote = ["good", "fair"]')
    with pytest.raises(ValueError, match=r"the scores of another cache \(caches/elsewhere, 0123456789ab"):
        evaluate.run(wanted)
    assert "elsewhere" in scores.read_text()
    moved = f"caches/elsewhere, {coloured.identity[:12]}"
    scores.write_text(json.dumps({"conditions": {"cache": moved}}))
    evaluate.run(wanted)
    assert json.loads(scores.read_text())["ensemble"] == "both"


def test_the_command_writes_what_it_scored(
    coloured: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(settings(tmp_path, coloured, runs, 'vote = ["good", "fair"]\nviews = ["original"]'))
    folder = tmp_path / "predictions" / "both" / "out_of_fold"
    table = pd.read_parquet(folder / "out_of_fold.parquet")
    assert [*table.columns] == [
        "key",
        "ImageID",
        "person",
        "fold",
        "mask",
        "gender",
        "age",
        "ans",
        *CLASS_NAMES,
    ]
    assert sorted(table["ImageID"]) == sorted(coloured.index.image_id)
    panels, photos = out_of_fold_panels(["good", "fair"], runs, coloured, ORIGINAL)
    mean = np.mean([project(panels[name][0], "class18", CONTEST) for name in ("good", "fair")], axis=0)
    np.testing.assert_allclose(table[[*CLASS_NAMES]], mean, atol=1e-6)
    assert table["ans"].tolist() == mean.argmax(1).tolist()
    written = json.loads((folder / "scores.json").read_text(), parse_constant=pytest.fail)
    truth = CLASS18.encode(photos)
    value = macro_f1(truth, table["ans"], 18)
    assert written["scores"]["overall"]["scores"]["macro_f1"]["value"] == pytest.approx(value, abs=1e-6)
    assert [*written["scores"]] == ["overall", "seniors", "classes", "slices"]
    recall = written["scores"]["seniors"]["scores"]["recall"]["value"]
    old, called = truth % 3 == 2, table["ans"].to_numpy() % 3 == 2
    assert recall == pytest.approx((old & called).sum() / old.sum())
    assert [*written["conditions"]] == ["ensemble", "recipes", "views", "cache", "folds", "read with care"]
    assert {member["recipe"] for member in written["members"]} == {"good", "fair"}
    best = written["members"][0]
    assert best["gain"]["value"] == pytest.approx(value - best["macro_f1"]["value"], abs=1e-6)
    assert (folder / "evaluation.png").is_file()
    assert "gain of the ensemble" in (printed := capsys.readouterr().out)
    assert "people of 60 and older" in printed and f"{value:.3f}" in printed
    assert f"next: make report ENSEMBLE={tmp_path / 'both.toml'} CACHE={coloured.folder}" in printed


def test_views_are_set_beside_the_original(coloured: Cache, copied: Path, tmp_path: Path) -> None:
    evaluate.run(settings(tmp_path, coloured, copied, 'vote = ["good"]\nviews = ["original", "flip"]'))
    written = json.loads((tmp_path / "predictions" / "both" / "out_of_fold" / "scores.json").read_text())
    panels, photos = out_of_fold_panels(["good"], copied, coloured, ORIGINAL)
    alone = macro_f1(CLASS18.encode(photos), project(panels["good"][0], "class18", CONTEST).argmax(1), 18)
    views = written["views"]
    assert views["macro_f1"]["value"] == pytest.approx(alone, abs=1e-6)
    whole = written["scores"]["overall"]["scores"]["macro_f1"]["value"]
    assert views["gain"]["value"] == pytest.approx(whole - alone, abs=1e-6)
    assert (views["images"], views["original_images"]) == (2, 1)


def test_an_ensemble_that_does_not_tell_all_is_refused_before_anything_is_predicted(
    coloured: Cache, runs: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="'only_mask' was trained on mask, but is asked for class18"):
        evaluate.run(settings(tmp_path, coloured, runs, 'vote = ["good", "only_mask"]'))
    assert not (tmp_path / "predictions").exists()


def test_a_task_of_some_people_is_scored_on_these_alone(
    coloured: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(settings(tmp_path, coloured, runs, 'vote = ["good"]\nviews = ["original"]\ntask = "senior"'))
    folder = tmp_path / "predictions" / "both" / "out_of_fold"
    table = pd.read_parquet(folder / "out_of_fold.parquet")
    adult = table["age"] >= 30
    overall = json.loads((folder / "scores.json").read_text())["scores"]["overall"]
    right = ((table["age"] >= 60) == (table["ans"] == 1))[adult]
    assert overall["photos"] == adult.sum() < len(table)
    assert overall["scores"]["accuracy"]["value"] == pytest.approx(right.mean())
    line = (
        f"scored on {adult.sum()} of {len(table)} photos: the others are not labelled for senior, or age is"
    )
    assert f"{line} below 30" in capsys.readouterr().out
