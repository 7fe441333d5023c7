"""Ensembles of any factors are scored in the task that they vote on, on the photos labelled for it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.factors import Number
from faces.labels import CONTEST, LabelSet, Task
from faces.scores import macro_f1
from infer.evaluate import command as evaluate
from infer.evaluate.scores import Scores, count_groups, last_bands, score
from infer.evaluate.standings import StandingsSettings
from infer.evaluate.standings import run as run_standings
from infer.evaluate.table import Evaluation, Section, sections
from tests.helpers.own_labels import OWN, write_own
from tests.helpers.runs.fold_runs import write_runs
from train.engine.compute import PredictCompute

CPU = PredictCompute(device="cpu")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """72 photos of 24 people, glasses known of two thirds, helmets of three quarters, years of all."""
    return write_own(tmp_path_factory.mktemp("own") / "cache")


@pytest.fixture(scope="module")
def runs(own: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own_runs")
    write_runs(folder, own, "specs", tasks=("glasses",), skill=1.5, seed=1)
    write_runs(folder, own, "specs_too", tasks=("glasses",), skill=0.5, seed=2)
    write_runs(folder, own, "both", tasks=("glasses", "helmet"), skill=2, seed=3)
    write_runs(folder, own, "decades", tasks=("years[30, 50]",), skill=2, seed=4)
    return folder


def test_a_factor_of_two_values_alone() -> None:
    person, truth, guess = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    task = OWN.task("glasses")
    calls: list[None] = []
    found = score(person, truth, guess, task, lambda: calls.append(None))
    assert len(calls) == count_groups(truth, task) == 3
    assert [*found.overall.scores] == ["macro_f1", "accuracy"]
    # F1 of yes: 2 x 1 / (2 + 1), of no: 2 x 2 / (2 + 3).
    assert [group.scores["f1"].value for group in found.classes] == pytest.approx([2 / 3, 4 / 5])
    assert found.overall.scores["macro_f1"].value == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found.overall.scores["accuracy"].value == 0.75
    assert not found.slices and not found.last_bands
    assert not shown(found, task)[-1].note


def shown(found: Scores, task: Task) -> list[Section]:
    evaluation = Evaluation(
        ensemble="e", conditions={}, scores=found, ece=0.1, log_loss=0.5, members=(), views=None
    )
    found_sections = sections(evaluation, task)
    sliced = [section for section in found_sections if section.title.startswith("photos by ")]
    assert len(sliced) == (len(task.factors) if len(task.factors) > 1 else 0)
    return found_sections


def test_classes_that_no_photo_is_of_are_named() -> None:
    person, truth = np.array([0, 0, 1]), np.array([0, 2, 2])
    mask = CONTEST.task("mask")
    [classes] = [s for s in shown(score(person, truth, truth, mask), mask) if s.title == "classes"]
    assert [row[0] for row in classes.rows] == ["wear", "normal"]
    assert classes.note.startswith("no photo is of 1 of 3 classes: incorrect; macro F1")
    every = CONTEST.task("class18")
    [classes] = [s for s in shown(score(person, truth, truth, every), every) if s.title == "classes"]
    assert classes.note.startswith(
        "no photo is of 16 of 18 classes: " + ", ".join(every.classes[n] for n in (1, 3, 4, 5, 6)) + ", …;"
    )


def test_a_product_is_scored_by_factor_and_within_each_value() -> None:
    task = OWN.task("glasses*years")  # yes <40, yes >=40, no <40, no >=40
    person = np.array([0, 0, 1, 1, 2])
    truth, guess = np.array([0, 1, 2, 3, 3]), np.array([0, 0, 3, 3, 1])
    calls: list[None] = []
    found = score(person, truth, guess, task, lambda: calls.append(None))
    assert len(calls) == count_groups(truth, task) == 1 + 1 + 4 + 4
    overall = {name: value.value for name, value in found.overall.scores.items()}
    # F1 of the four classes: 2 / 3, 0, 0, 2 / 4.
    assert overall == pytest.approx(
        {"macro_f1": (2 / 3 + 1 / 2) / 4, "accuracy": 2 / 5, "glasses": 4 / 5, "years": 3 / 5}
    )
    old = found.last_bands["years"]
    assert (old.name, old.photos, old.people) == (">=40", 3, 3)
    # Of three that are in it two are found, and three are said to be.
    assert [old.scores[name].value for name in ("f1", "recall", "precision")] == pytest.approx([2 / 3] * 3)
    assert [*found.slices] == ["glasses", "years"]
    yes, no = found.slices["glasses"]
    # Within yes, <40 is 2 / 3 and >=40 is 0; within no, <40 is 0 and >=40 is 2 x 2 / (2 + 3).
    assert (yes.name, no.name) == ("yes", "no")
    assert yes.scores["macro_f1"].value == pytest.approx(1 / 3)
    assert no.scores["macro_f1"].value == pytest.approx(2 / 5)
    assert [group.scores["accuracy"].value for group in (yes, no)] == pytest.approx([1 / 2, 1 / 3])


def test_every_number_has_a_last_band_and_several_are_told_apart() -> None:
    labels = LabelSet(
        name="two", factors=(Number(name="age", edges=(60.0,)), Number(name="yaw", edges=(15.0, 45.0)))
    )
    assert last_bands(labels.task("age")) == {"age": "60+"}
    assert last_bands(labels.task("age[20, 40]")) == {"age": "40+"}
    assert last_bands(labels.task("age*yaw")) == {"age": "age 60+", "yaw": "yaw 45+"}
    truth = np.arange(6)
    found = score(np.arange(6), truth, truth, labels.task("age*yaw"))
    assert {name: (group.name, group.photos) for name, group in found.last_bands.items()} == {
        "age": (">=60", 3),
        "yaw": (">=45", 2),
    }


def settings(folder: Path, cache: Cache, runs: Path, text: str) -> evaluate.EvaluateSettings:
    path = folder / "mine.toml"
    path.write_text(f'views = ["original"]\n{text}')
    return evaluate.EvaluateSettings(
        ensemble=path, cache=cache.folder, runs=runs, predictions=folder / "p", compute=CPU
    )


def test_only_photos_that_are_labelled_are_scored(
    own: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(settings(tmp_path, own, runs, 'vote = ["specs", "both"]\ntask = "glasses"'))
    folder = tmp_path / "p" / "mine" / "out_of_fold"
    table = pd.read_parquet(folder / "out_of_fold.parquet")
    facts = ["key", "ImageID", "person", "fold", "glasses", "helmet", "years", "ans"]
    assert [*table.columns] == [*facts, "glasses:yes", "glasses:no"]
    np.testing.assert_allclose(table[["glasses:yes", "glasses:no"]].sum(axis=1), 1, rtol=1e-5)
    known = table["glasses"] >= 0
    written = json.loads((folder / "scores.json").read_text(), parse_constant=pytest.fail)
    overall = written["scores"]["overall"]
    value = macro_f1(table["glasses"][known], table["ans"][known], 2)
    assert overall["scores"]["macro_f1"]["value"] == pytest.approx(value, abs=1e-6)
    assert (overall["photos"], overall["people"]) == (known.sum(), table["person"][known].nunique())
    right = table["glasses:yes"].where(table["glasses"] == 0, table["glasses:no"])[known]
    assert written["log_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert not written["scores"]["slices"] and "seniors" not in written["scores"]
    assert {member["recipe"] for member in written["members"]} == {"specs", "both"}
    printed = capsys.readouterr().out
    assert "task: glasses, 2 classes" in printed
    if not known.all():
        line = f"scored on {known.sum()} of {len(table)} photos: the others are not labelled for glasses"
        assert line in printed
    assert (folder / "evaluation.png").is_file()


def test_own_bands_of_a_number_are_the_classes(
    own: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate.run(settings(tmp_path, own, runs, 'vote = ["decades"]'))
    folder = tmp_path / "p" / "mine" / "out_of_fold"
    table = pd.read_parquet(folder / "out_of_fold.parquet")
    assert [*table.columns][-3:] == [f"years[30, 50]:{name}" for name in ("<30", "30-49", ">=50")]
    written = json.loads((folder / "scores.json").read_text())
    old, called = table["years"] >= 50, table["ans"] == 2
    scores = written["scores"]["seniors"]["scores"]
    assert scores["recall"]["value"] == pytest.approx((old & called).sum() / old.sum())
    assert scores["precision"]["value"] == pytest.approx((old & called).sum() / called.sum())
    assert "photos with years of 50 and more" in capsys.readouterr().out


def test_a_task_that_a_member_does_not_tell_is_refused(own: Cache, runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="member 'specs' was trained on glasses, but is asked for") as caught:
        evaluate.run(settings(tmp_path, own, runs, 'vote = ["specs", "both"]'))
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"'beard' is no task of these labels") as caught:
        evaluate.run(settings(tmp_path, own, runs, 'vote = ["specs"]\ntask = "beard"'))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "p").exists()


def test_standings_compare_within_one_space_only(
    own: Cache, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in {
        "one": 'vote = ["specs"]',
        "two": 'vote = ["specs", "specs_too"]',
        "wide": 'vote = ["both"]',
        "old": 'vote = ["decades"]',
    }.items():
        (tmp_path / f"{name}.toml").write_text(f'views = ["original"]\n{text}')
    page = tmp_path / "page.md"
    page.write_text("<!-- compare:ensembles -->\n<!-- /compare:ensembles -->\n")
    run_standings(
        StandingsSettings(
            ensembles=tuple(tmp_path / f"{name}.toml" for name in ("old", "one", "wide", "two")),
            cache=own.folder,
            runs=runs,
            photos=0,
            compute=CPU,
            out=tmp_path / "standings.png",
            markdown=page,
        )
    )
    printed = capsys.readouterr().out
    tables = page.read_text().split("Task ")[1:]
    names = {
        table.splitlines()[0]: {line.split(" | ")[0][2:] for line in table.splitlines() if line[:2] == "| "}
        for table in tables
    }
    head = {"ensemble", "---"}
    assert names == {
        "`glasses`:": {*head, "one", "two"},
        "`glasses*helmet`:": {*head, "wide"},
        "`years[30, 50]`:": {*head, "old"},
    }
    assert [("F1 50+" in table) for table in tables] == ["years" in table for table in tables]
    assert not any("photos |" in table for table in tables)  # as all of a table have the same
    assert all(f"task {name}" in printed for name in ("glasses", "glasses*helmet", "years[30, 50]"))
    assert (tmp_path / "standings.png").stat().st_size > 1000


def test_standings_on_different_photos_say_so(own: Cache, runs: Path, tmp_path: Path) -> None:
    # Only photos that both recipes were trained for are left: those whose glasses and helmet are known.
    (tmp_path / "one.toml").write_text('views = ["original"]\nvote = ["specs"]')
    (tmp_path / "few.toml").write_text('views = ["original"]\ntask = "glasses"\nvote = ["specs", "hats"]')
    write_runs(folder := tmp_path / "runs", own, "specs", tasks=("glasses",))
    write_runs(folder, own, "hats", tasks=("glasses*helmet",))
    page = tmp_path / "page.md"
    page.write_text("<!-- compare:ensembles -->\n<!-- /compare:ensembles -->\n")
    run_standings(
        StandingsSettings(
            ensembles=(tmp_path / "one.toml", tmp_path / "few.toml"),
            cache=own.folder,
            runs=folder,
            photos=0,
            compute=CPU,
            out=tmp_path / "x.png",
            markdown=page,
        )
    )
    rows = [line.split(" | ") for line in page.read_text().splitlines() if line[:2] == "| "]
    assert rows[0][-1] == "photos |"
    known = {row[0]: int(row[-1].rstrip(" |")) for row in rows[2:]}
    labels = own.photos()
    glasses, both = labels["glasses"] >= 0, (labels["glasses"] >= 0) & (labels["helmet"] >= 0)
    assert known["| one"] == glasses.sum() and known["| few"] <= known["| one"]
    assert known["| few"] == both.sum()
