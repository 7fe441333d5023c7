"""The whole chain as a user runs it, from photo files to a scored submission, on 8 people."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
RECIPE = """
tasks = ["mask", "gender", "age3"]
backbone = "test_resnet"
image_size = 64
epochs = 2
batch_size = 8
precision = "fp32"
"""


def command(*arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    """`python -m <arguments>` in the project's root."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def first_photo(place: Path) -> Path:
    """The first photo to predict by name."""
    return min(path for path in (place / "data" / "eval" / "images").iterdir() if path.name[0] != ".")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the chain has run from drawn photos to a scored submission."""
    place = tmp_path_factory.mktemp("chain")
    command("faces.sample", "--people", 14, "--data", place / "data")  # 8 to train on, 6 to predict
    broken = first_photo(place)
    broken.write_bytes(broken.read_bytes()[:1000])
    for part in ("train", "eval"):
        command("preprocess", "--data", place / "data" / part, "--cache", place / part)
    (place / "tiny.toml").write_text(RECIPE)
    (place / "vote.toml").write_text('vote = ["tiny"]')
    shared = ("--cache", place / "train", "--folds", 2, "--runs", place / "runs")
    command("train", "--recipe", place / "tiny.toml", *shared)
    outcome = command(
        "infer", "--ensemble", place / "vote.toml", "--cache", place / "eval", "--runs", place / "runs",
        "--predictions", place / "predictions",
    )  # fmt: skip
    (place / "printed.txt").write_text(outcome.stdout)
    return place


def test_every_photo_asked_about_is_answered_in_order(chain: Path) -> None:
    asked = pd.read_csv(chain / "data" / "eval" / "info.csv")
    submission = pd.read_csv(chain / "predictions" / "vote" / "submission.csv")
    assert [*submission.ImageID] == [*asked.ImageID]
    assert submission.ans.between(0, 17).all()


def test_a_broken_photo_is_a_named_reject_and_still_answered(chain: Path) -> None:
    broken = first_photo(chain).name
    [reject] = pd.read_csv(chain / "eval" / "rejects.csv").to_dict("records")
    assert reject["image_id"] == broken
    assert reject["reason"]
    table = pd.read_parquet(chain / "predictions" / "vote" / "probabilities.parquet").set_index("ImageID")
    assert table.answered_by[broken] == "training prior"
    assert "commonest training class: 1 " in (chain / "printed.txt").read_text()


def test_every_labelled_photo_was_predicted_by_the_fold_without_its_person(chain: Path) -> None:
    tables = {k: pd.read_parquet(chain / "runs" / "tiny" / f"fold{k}" / "oof.parquet") for k in (0, 1)}
    assert sorted(pd.concat(tables.values()).position) == [*range(56)]
    assert not set(tables[0].person) & set(tables[1].person)


def test_scores_and_draws(chain: Path) -> None:
    predictions = chain / "predictions" / "vote"
    answers = chain / "data" / "eval" / ".answers.csv"
    printed = command(
        "infer.answers.score", "--predictions", predictions, "--answers", answers, "--cache", chain / "eval"
    ).stdout
    truth = pd.read_csv(answers).set_index("ImageID").ans
    guess = pd.read_csv(predictions / "submission.csv").set_index("ImageID").ans
    assert f"{(truth.loc[guess.index] == guess).mean():.4f}" in printed
    for picture in (
        predictions / "score.png",
        predictions / "gallery.png",
        chain / "runs" / "tiny" / "out_of_fold.png",
    ):
        assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("preprocess", "--data", "{0}/nowhere", "--cache", "{0}/c"), "nowhere"),
        (("train", "--recipe", "{0}/tiny.toml", "--cache", "{0}/nowhere"), "no such cache"),
        (("train", "--recipe", "{0}/tiny.toml", "--cache", "{0}/eval"), "is labelled"),
        (("train", "--recipe", "{0}/tiny.toml", "--cache", "{0}/train", "--fold", "5"), "numbered 0 to 4"),
        (
            ("train", "--recipe", "{0}/tiny.toml", "--cache", "{0}/train", "--folds", "5"),
            "fewer than folds=5",
        ),
        (
            ("infer", "--ensemble", "{0}/vote.toml", "--cache", "{0}/eval", "--runs", "{0}/x"),
            "no trained fold",
        ),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(
    chain: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(chain.rglob("*"))
    done = command(*(argument.format(chain) for argument in arguments), check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(chain.rglob("*")) == before


STAGES = ("faces.sample", "preprocess", "preprocess.join", "bench.loaders", "train", "infer")
SCORES = ("score", "evaluate", "tune", "select", "standings", "diff", "check", "export", "ensembles", "bench")


@pytest.mark.parametrize("stage", [*STAGES, *(f"infer.{name}" for name in SCORES)])
def test_help_teaches_every_setting(stage: str) -> None:
    printed = command(stage, "--help").stdout
    assert "--" in printed
    assert "(required)" in printed or "default" in printed
