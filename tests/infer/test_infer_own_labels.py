"""Stage 3 answers what its runs were trained on, whatever the photos are labelled with."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from faces.cache.reader import Cache
from faces.labels import CONTEST, LabelSet
from infer import command as infer_command
from infer.answers import diff, score, show
from infer.command import InferSettings
from tests.helpers.own_labels import OWN
from tests.helpers.runs.untrained_runs import write_run
from train.engine.compute import PredictCompute
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask",), backbone="test_resnet", image_size=32, precision="fp32", epochs=1)
RUNS: dict[str, tuple[tuple[str, ...], LabelSet]] = {
    "mask": (("mask",), CONTEST),
    "all": (("mask", "gender", "age3"), CONTEST),
    "glasses": (("glasses",), OWN),
    "own": (("glasses", "helmet", "years"), OWN),
    "others": (("glasses", "helmet", "years"), OWN),
}


@pytest.fixture(scope="module")
def runs(unseen: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folds of each of `RUNS`."""
    folder = tmp_path_factory.mktemp("runs")
    for name, (tasks, labels) in RUNS.items():
        recipe = dataclasses.replace(RECIPE, tasks=tasks)
        for fold in (0, 1):
            crop = unseen.description["settings"]
            write_run(folder / name, recipe, fold=fold, crop=crop, seed=len(name), labels=labels)
    return folder


def settings(folder: Path, cache: Cache, runs: Path, text: str, name: str = "vote") -> InferSettings:
    (folder / f"{name}.toml").write_text(text)
    return InferSettings(
        ensemble=folder / f"{name}.toml",
        cache=cache.folder,
        runs=runs,
        predictions=folder / "predictions",
        compute=PredictCompute(device="cpu", batch_size=8),
    )


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize(
    ("text", "space", "headings"),
    [
        ('vote = ["mask"]', "mask", ["mask"]),
        ('vote = ["all"]', "class18", ["mask", "gender", "age"]),
        ('vote = ["glasses"]', "glasses", ["glasses"]),
        ('vote = ["own"]', "glasses*helmet*years", ["glasses", "helmet", "years"]),
        ('task = "years*glasses"\nvote = ["own"]', "years*glasses", ["years", "glasses"]),
    ],
)
def test_every_photo_is_answered_in_words(
    unseen: Cache,
    runs: Path,
    tmp_path: Path,
    text: str,
    space: str,
    headings: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    infer_command.run(settings(tmp_path, unseen, runs, text))
    folder = tmp_path / "predictions" / "vote"
    labels = CONTEST if space in ("mask", "class18") else OWN
    task = labels.task(space)
    table = pd.read_parquet(folder / "probabilities.parquet")
    assert [*table.columns] == ["ImageID", "ans", "answered_by", "agreement", *task.columns]
    words = pd.read_csv(folder / "answers.csv", dtype=str, keep_default_na=False)
    told = [column for heading in headings for column in (heading, f"{heading} probability")]
    assert [*words.columns] == ["path", "left", "top", "right", "bottom", *told, "status"]
    assert [*words.path] == [f"{position}.jpg" for position in range(14)]
    assert " ".join(words.status) == " ".join(
        ["detected"] * 3 + ["fallback"] + ["detected"] * 8 + ["rejected"] * 2
    )
    said = words[headings].agg(" ".join, axis=1)
    assert [*said] == [task.classes[answer] for answer in table.ans]
    assert len({*table.ans[:12]}) > 1, "the photos should not all be alike"
    even = {"glasses": "0.5000", "years": "0.5000", "helmet": "0.3333", "mask": "0.3333"}
    assert [words[f"{name} probability"].iloc[-1] for name in headings if name in even] == [
        even[name] for name in headings if name in even
    ]
    printed = capsys.readouterr().out
    assert f"{folder / 'answers.csv'}" in printed
    assert (folder / "submission.csv").exists() == ("submission.csv" in printed) == (space == "class18")


@pytest.mark.usefixtures("no_pictures")
def test_an_info_csv_asks_for_the_contests_classes_alone(unseen: Cache, runs: Path, tmp_path: Path) -> None:
    info = tmp_path / "info.csv"
    info.write_text("ImageID,ans\n" + "".join(f"{position}.jpg,0\n" for position in range(14)))
    wanted = settings(tmp_path, unseen, runs, 'vote = ["all"]')
    infer_command.run(dataclasses.replace(wanted, info=info))
    submission = tmp_path / "predictions" / "vote" / "submission.csv"
    before = submission.read_bytes()
    wanted = dataclasses.replace(settings(tmp_path, unseen, runs, 'vote = ["mask"]'), info=info)
    with pytest.raises(
        ValueError, match=r"info\.csv: asks for .* ensemble vote answers mask .*leave INFO out"
    ):
        infer_command.run(wanted)
    assert submission.read_bytes() == before
    infer_command.run(dataclasses.replace(wanted, info=None))
    assert not submission.exists(), "it would be of another ensemble"


def test_runs_of_other_labels_do_not_vote_together(unseen: Cache, runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mask/fold\d.*glasses/fold\d|glasses/fold\d.*mask/fold\d"):
        infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["mask", "glasses"]'))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "columns"), [("glasses", ["glasses"]), ("own", ["glasses", "helmet", "years"])]
)
def test_answers_of_any_factors_are_scored_shown_and_compared(
    unseen: Cache,
    runs: Path,
    tmp_path: Path,
    name: str,
    columns: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    infer_command.run(settings(tmp_path, unseen, runs, f'vote = ["{name}"]'))
    other_text = f'task = "{"*".join(columns)}"\nvote = ["others"]'
    infer_command.run(settings(tmp_path, unseen, runs, other_text, "other"))
    folder, other = (tmp_path / "predictions" / each for each in ("vote", "other"))
    words = pd.read_csv(folder / "answers.csv", dtype=str)
    known = words[["path", *columns]].copy()
    known.loc[0, "glasses"] = {"yes": "no", "no": "yes"}[known.glasses[0]]
    known.loc[1, "glasses"] = ""
    answers = tmp_path / "answers.csv"
    known.to_csv(answers, index=False)
    capsys.readouterr()
    score.run(score.ScoreSettings(predictions=folder, answers=answers, cache=unseen.folder))
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "not known, and so not counted: glasses of 1 photos" in printed
    shares = {"glasses": 12 / 13, "helmet": 1, "years": 1}
    expected = [12 / 13] + [shares[column] for column in columns if len(columns) > 1]
    assert " ".join(f"{value:.4f}" for value in expected) in printed
    assert (folder / "score.png").is_file()
    data = tmp_path / "data"
    data.mkdir()
    for source in unseen.index["source"]:
        Image.new("RGB", (90, 120), "green").save(data / source)
    out = tmp_path / "shown.png"
    show.show(show.ShowSettings(predictions=folder, cache=unseen.folder, data=data, out=out))
    assert out.is_file()
    diff.run(diff.DiffSettings(first=folder, second=other, cache=unseen.folder, answers=answers))
    printed = capsys.readouterr().out
    assert all(column in printed for column in columns)
    assert "who is right" in printed
    assert (other / "diff-vote.png").is_file()


@pytest.mark.usefixtures("no_pictures")
def test_predictions_of_different_things_are_not_compared(unseen: Cache, runs: Path, tmp_path: Path) -> None:
    infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["mask"]'))
    infer_command.run(settings(tmp_path, unseen, runs, 'vote = ["glasses"]', "other"))
    first, second = (tmp_path / "predictions" / each for each in ("vote", "other"))
    with pytest.raises(ValueError, match=r"vote answers mask, .*other glasses: only predictions of the same"):
        diff.run(diff.DiffSettings(first=first, second=second))
