"""The whole chain as a user runs it, from photo files to a scored submission, on 8 people.

The first command and the last that writes are processes of their own, in which importing torch takes longest.
"""

import importlib
import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow
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


def here(name: str, *arguments: object) -> tuple[object, str, str]:
    """The same in this process, which has imported torch already: exit code, output and errors."""
    is_room = (ROOT / name.replace(".", "/") / "__main__.py").is_file()
    main = importlib.import_module(f"{name}.command" if is_room else name).main
    out, errors, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        patch.setattr(sys, "argv", [name, *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), errors.getvalue()


def done_here(name: str, *arguments: object) -> str:
    """What a command prints that does what it is asked for."""
    code, printed, errors = here(name, *arguments)
    assert code in (0, None), printed + errors
    return printed


def first_photo(place: Path) -> Path:
    """The first photo to predict by name."""
    return min(path for path in (place / "data" / "eval" / "images").iterdir() if path.name[0] != ".")


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the chain has run from drawn photos to a scored submission."""
    place = tmp_path_factory.mktemp("chain")
    done_here("faces.sample", "--people", 14, "--data", place / "data")  # 8 to train on, 6 to predict
    broken = first_photo(place)
    broken.write_bytes(broken.read_bytes()[:1000])
    command("preprocess", "--data", place / "data" / "train", "--cache", place / "train")
    done_here("preprocess", "--data", place / "data" / "eval", "--cache", place / "eval")
    (place / "tiny.toml").write_text(RECIPE)
    (place / "vote.toml").write_text('vote = ["tiny"]')
    shared = ("--cache", place / "train", "--folds", 2, "--runs", place / "runs")
    done_here("train", "--recipe", place / "tiny.toml", *shared)
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
    printed = done_here(
        "infer.answers.score", "--predictions", predictions, "--answers", answers, "--cache", chain / "eval"
    )
    truth = pd.read_csv(answers).set_index("ImageID").ans
    guess = pd.read_csv(predictions / "submission.csv").set_index("ImageID").ans
    assert f"{(truth.loc[guess.index] == guess).mean():.4f}" in printed
    for picture in (
        predictions / "score.png",
        predictions / "gallery.png",
        chain / "runs" / "tiny" / "out_of_fold.png",
        chain / "runs" / "tiny" / "folds.png",
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
            ("infer", "--ensemble", "{0}/vote.toml", "--cache", "{0}/eval", "--runs", "{0}/x"),
            "no trained fold",
        ),
    ],
)
def test_mistakes_end_in_one_line_and_write_nothing(
    chain: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = sorted(chain.rglob("*"))
    code, _, errors = here(*(argument.format(chain) for argument in arguments))
    assert code == 2
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert message in errors
    assert sorted(chain.rglob("*")) == before


def test_a_mistake_ends_a_real_process_in_one_line(tmp_path: Path) -> None:
    done = command("preprocess", "--data", tmp_path / "nowhere", "--cache", tmp_path / "c", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
    assert not [*tmp_path.iterdir()]


COMMANDS = {*re.findall(r"\(call (?:run|with),([a-z_.]+)", (ROOT / "Makefile").read_text())} - {"module"}
MORE = {"infer.answers.check", "train.look", "pipeline.look_augment"}


@pytest.mark.parametrize("name", sorted(COMMANDS | MORE))
def test_help_teaches_every_setting(name: str) -> None:
    code, printed, _ = here(name, "--help")
    assert code == 0
    assert "--" in printed
    assert "(required)" in printed or "default" in printed
