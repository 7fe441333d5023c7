"""A model card says what the files of its runs say, and nothing where they say nothing."""

import dataclasses
import re
import shutil
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import yaml

from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from faces.command import from_table
from faces.labels import CLASS_NAMES, CONTEST
from faces.projection import project
from faces.scores import class_scores
from infer.cards.command import CardSettings, run
from infer.cards.runs import card_of_ensemble, card_of_run
from infer.cards.text import start_of
from infer.ensemble.tree import Ensemble, Leaf
from infer.evaluate import command as evaluate
from infer.predict.runs import find_runs
from tests.helpers.runs.fold_runs import change_card, write_runs
from train.engine.compute import PredictCompute
from train.recipe.recipe import Recipe
from train.results.oof import heads_of, read_oof


@pytest.fixture(scope="module")
def runs(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_runs(folder, coloured, "good", skill=3, seed=1)
    return folder


@pytest.fixture(scope="module")
def card(runs: Path) -> str:
    return card_of_run(runs / "good")


def header(card: str) -> dict[str, object]:
    found = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(found, dict)
    return found


def tables(card: str) -> list[list[list[str]]]:
    """All tables of a card, each as rows of cells."""
    blocks = re.findall(r"(?:^\|.*\|$\n?)+", card, re.M)
    return [[re.split(r"(?<!\\)\|", line)[1:-1] for line in block.splitlines()] for block in blocks]


def test_scores_are_those_of_the_answers_out_of_fold(runs: Path, card: str) -> None:
    table = pd.concat([read_oof(runs / "good" / f"fold{fold}") for fold in range(3)], ignore_index=True)
    truth = CONTEST.task("class18").encode(table)
    guess = project(heads_of(table, CONTEST), "class18", CONTEST).argmax(1)
    expected = class_scores(truth, guess, CONTEST.task("class18"))
    [model] = header(card)["model-index"]  # type: ignore[attr-defined]
    found = {each["type"]: each["value"] for each in model["results"][0]["metrics"]}
    assert found == {
        "f1": pytest.approx(expected["macro_f1"], abs=1e-4),
        "accuracy": pytest.approx(expected["accuracy"], abs=1e-4),
    }
    for name in ("macro_f1", "accuracy", "mask", "gender", "age"):
        assert re.search(rf"^\| {name} \| {expected[name]:.3f} \[", card, re.M), name
    assert all(f"| {name.replace('<', '&lt;')} |" in card for name in CLASS_NAMES)
    assert all(f"photos by {factor}" in card for factor in ("mask", "gender", "age"))


def test_settings_files_and_division_are_the_runs_own(runs: Path, coloured: Cache, card: str) -> None:
    [settings] = re.findall(r"```toml\n(.*?)```", card, re.S)
    recipe = from_table(Recipe, tomllib.loads(settings), "card")
    folds = find_runs(["good"], runs)["good"]
    assert recipe == folds[0].card.recipe
    assert all(file_sha256(each.path) in card for each in folds)
    assert coloured.identity[:12] in card and "3 folds, scheme `person`, seed 0" in card
    assert "- good: random weights" in card and "- not recorded" in card  # no environment.json lies there


def test_every_row_of_a_table_has_the_cells_of_its_head(card: str) -> None:
    for table in tables(card):
        assert len({len(row) for row in table}) == 1, table[0]


def test_no_name_is_a_command_to_markdown_or_yaml(runs: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(runs / "good", tmp_path / 'a | b: "c" <i>'))
    about = "x | y\n---\n# z <script>"
    for fold in range(3):
        recipe = find_runs(["good"], runs)["good"][fold].card.recipe
        change_card(folder / f"fold{fold}", recipe=dataclasses.replace(recipe, about=about))
    card = card_of_run(folder)
    assert header(card)["model-index"][0]["name"] == folder.name  # type: ignore[index]
    assert "<script>" not in card.split("```toml")[0] and "\n# z" not in card.split("```toml")[0]
    for table in tables(card):
        assert len({len(row) for row in table}) == 1


def test_a_fold_alone_is_scored_by_its_own_photos(runs: Path) -> None:
    card = card_of_run(runs / "good/fold1")
    photos = len(read_oof(runs / "good/fold1"))
    assert f"good/fold1, out of fold: {photos} photos" in card and "of 1 of 3 folds" in card


def test_what_flatters_or_is_missing_is_a_limit(runs: Path, card: str, tmp_path: Path) -> None:
    assert "only 24 people" in card or "only" in card.partition("## Limits")[2]
    folder = Path(shutil.copytree(runs / "good", tmp_path / "good"))
    for fold in range(3):
        known = find_runs(["good"], runs)["good"][fold].card
        change_card(
            folder / f"fold{fold}", recipe=dataclasses.replace(known.recipe, weights="face", keep="best")
        )
        (folder / f"fold{fold}/oof.parquet").unlink()
    limits = card_of_run(folder)
    assert "Nothing scores these networks" in limits and "model-index" not in header(limits)
    assert "licence MIT (the package)" in limits and "Networks started from weights" in limits
    assert "was chosen by the photos that score it" in limits
    assert "Networks started from weights" not in card


def test_networks_that_learned_from_drawings_say_so_first(runs: Path, card: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(runs / "good/fold0", tmp_path / "good/fold0"))
    change_card(folder, drawn=True)
    drawn = card_of_run(folder)
    assert "learned from drawings" in drawn.partition("## What it answers")[0]
    assert "drawn-people" in header(drawn)["tags"] and "- drawings of people;" in drawn  # type: ignore[operator]
    assert "drawings" not in card and "drawn-people" not in header(card)["tags"]  # type: ignore[operator]


def test_licences_that_nobody_recorded_are_not_made_up() -> None:
    assert "does not record" in start_of(Recipe(tasks=("mask",), weights="mine.pth"))
    assert start_of(Recipe(tasks=("mask",), pretrained=False)) == "random weights"
    assert "Apache-2.0" in start_of(Recipe(tasks=("mask",), weights="efficientnet_lite0"))


@pytest.mark.usefixtures("no_pictures")
def test_an_ensembles_card_is_that_of_its_evaluation_while_its_runs_stay(
    coloured: Cache, runs: Path, tmp_path: Path
) -> None:
    copied = Path(shutil.copytree(runs, tmp_path / "runs"))
    file = tmp_path / "both.toml"
    file.write_text('about = "all folds"\nvote = ["good"]')
    ensemble = Ensemble(name="both", about="all folds", root=Leaf("good"))

    def card() -> str:
        return card_of_ensemble(ensemble, find_runs(["good"], copied)["good"], tmp_path / "predictions")

    assert "Nothing scores these networks" in card()
    evaluate.run(
        evaluate.EvaluateSettings(
            ensemble=file,
            cache=coloured.folder,
            runs=copied,
            predictions=tmp_path / "predictions",
            compute=PredictCompute(device="cpu"),
        )
    )
    assert "both, out of fold: 72 photos" in card() and "all folds" in card()
    change_card(copied / "good/fold0", epoch=0, score=0.25)
    assert "Nothing scores these networks" in card()


def test_the_command_writes_beside_the_run(runs: Path, card: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(CardSettings(run=runs / "good"))
    assert (runs / "good/model_card.md").read_text() == card
    assert "model_card.md" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no trained fold"):
        run(CardSettings(run=runs / "nobody"))
