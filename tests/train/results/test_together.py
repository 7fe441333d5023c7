"""Files of several trainings in one folder of a run are refused wherever they are read."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from faces.cache.reader import Cache
from infer.export.subject import subject_of_run
from infer.predict.out_of_fold import plan_out_of_fold
from infer.predict.runs import find_runs
from tests.helpers.runs.fold_runs import card_table, change_weights, save_unsealed, write_card, write_runs
from train.engine.card import read_card
from train.engine.checkpoint import load_best, save_best
from train.recipe.request import read_request
from train.results.comparison import score_recipes
from train.results.report import read_out_of_fold
from train.results.trained_folds import read_folds

BEST, OOF, REQUEST = "best.safetensors", "oof.parquet", "request.json"


@pytest.fixture(scope="module")
def kept(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for seed, name in enumerate(("one", "two")):
        recipe = write_runs(folder, coloured, name, seed=seed)
        for run in recipe.iterdir():
            table = {"epoch": [0], "seconds": [1.0], "loss": [1.0], "lr": [0.1], "macro_f1": [0.5]}
            pd.DataFrame(table).to_csv(run / "metrics.csv", index=False)
    return folder


@pytest.fixture
def runs(kept: Path, tmp_path: Path) -> Path:
    """Recipes one and two of three folds each, which a test may mix."""
    return Path(shutil.copytree(kept, tmp_path / "runs"))


def copy(runs: Path, source: str, target: str, *names: str) -> None:
    for name in names:
        shutil.copy(runs / source / name, runs / target / name)


def weigh(runs: Path, source: str, target: str) -> None:
    """Put the tensors of one run under the card of another, digest and all."""
    other, _ = load_best(runs / source / BEST)
    change_weights(runs / target / BEST, lambda _: other.state_dict(), resealed=True)


def turn(runs: Path, run: str) -> None:
    """Turn the classes of a head round in a card, whose seal is made right again."""
    table = card_table(runs / run / BEST)
    table["classes"]["mask"].reverse()
    write_card(runs / run / BEST, table)


NAMED = r"fold0/best\S+: holds the weights of fold 1, in the folder of fold 0"
ASKED = r"best\S+: weights of another training than \S+request.json .* fold: 1 there, 0 here"
ANSWERED = r"fold0/oof\S+: holds other answers than those of \S+fold0/best"
MIXES: list[tuple[Callable[[Path], None], str]] = [
    (lambda runs: copy(runs, "one/fold1", "one/fold0", BEST), NAMED),
    (lambda runs: copy(runs, "one/fold1", "one/fold0", BEST, OOF), NAMED),
    (lambda runs: copy(runs, "one/fold1", "one/fold0", BEST, OOF, REQUEST), NAMED),
    (lambda runs: copy(runs, "one/fold1", "one/fold0", OOF), ANSWERED),
    (lambda runs: copy(runs, "one/fold1", "one/fold0", REQUEST), ASKED),
    (lambda runs: copy(runs, "two/fold0", "one/fold0", BEST), ANSWERED),
    (lambda runs: weigh(runs, "two/fold0", "one/fold0"), ANSWERED),
    (
        lambda runs: turn(runs, "one/fold0"),
        r"fold0/best\S+: head mask has the classes normal, .* in that order",
    ),
    (lambda runs: save_unsealed(runs / "one/fold0" / BEST), ANSWERED),
]


@pytest.mark.parametrize(("mix", "message"), MIXES)
def test_a_mixed_folder_is_refused_wherever_it_is_read(
    coloured: Cache, runs: Path, mix: Callable[[Path], None], message: str
) -> None:
    mix(runs)
    for read in (
        lambda: find_runs(["one"], runs),
        lambda: plan_out_of_fold(["one"], runs, coloured),
        lambda: subject_of_run(runs / "one" / "fold0", ["original"]),
        lambda: read_folds(runs / "one"),
        lambda: read_out_of_fold(runs / "one"),
        lambda: score_recipes([runs]),
    ):
        with pytest.raises(ValueError, match=message) as found:
            read()
        assert "\n" not in str(found.value) and "train the fold again" in str(found.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 4}, "folds: 4 there, 3 here"),
        ({"fold_seed": 7}, "fold_seed: 7 there, 0 here"),
        ({"scheme": "age_group"}, "scheme: 'age_group' there, 'person' here"),
        ({"cache": "a" * 64}, "cache: 'a+' there, '[0-9a-f]+' here"),
        ({"labels": {"name": "own", "factors": {"mask": ["on", "off"]}}}, "mask: .* there, .* here"),
    ],
)
def test_weights_of_another_request_are_refused(runs: Path, changes: dict[str, object], message: str) -> None:
    path = runs / "one" / "fold0" / REQUEST
    asked = read_request(path)
    path.write_bytes(dataclasses.replace(asked, **changes).document())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"best\S+: weights of another .*{REQUEST} .*{message}"):
        find_runs(["one"], runs)


def test_weights_of_another_recipe_are_refused_but_for_a_measured_precision(runs: Path) -> None:
    path = runs / "one" / "fold0" / REQUEST
    asked = read_request(path)
    for changes in ({"image_size": 64}, {"seed": 3}, {"precision": "bf16"}):
        recipe = dataclasses.replace(asked.recipe, **changes)  # type: ignore[arg-type]
        path.write_bytes(dataclasses.replace(asked, recipe=recipe).document())
        with pytest.raises(ValueError, match=rf"recipe.{next(iter(changes))}: .* there, .* here"):
            find_runs(["one"], runs)
    for changes in ({"precision": "auto"}, {"about": "said later"}):
        recipe = dataclasses.replace(asked.recipe, **changes)  # type: ignore[arg-type]
        path.write_bytes(dataclasses.replace(asked, recipe=recipe).document())
        assert len(find_runs(["one"], runs)["one"]) == 3


def test_folds_of_another_recipe_are_refused(coloured: Cache, runs: Path) -> None:
    write_runs(runs, coloured, "three", tasks=("mask",))
    shutil.rmtree(runs / "one" / "fold1")
    shutil.copytree(runs / "three" / "fold1", runs / "one" / "fold1")
    with pytest.raises(
        ValueError, match=r"fold1/best\S+: of another recipe than \S+fold0/best.*: recipe.tasks: "
    ):
        find_runs(["one"], runs)


def test_lost_files_of_a_training_are_named(runs: Path) -> None:
    for name in ("metrics.csv", OOF):
        (runs / "two" / "fold2" / name).unlink()
        with pytest.raises(
            ValueError, match=rf"fold2/{name}: no such file beside the weights .*; copy the run"
        ):
            read_folds(runs / "two")
    assert len(find_runs(["two"], runs)["two"]) == 3


def test_weights_alone_are_a_run(runs: Path) -> None:
    for fold in range(3):
        for name in (OOF, REQUEST, "metrics.csv"):
            (runs / "one" / f"fold{fold}" / name).unlink()
    assert len(find_runs(["one"], runs)["one"]) == 3
    alone = runs / "elsewhere" / "model"
    alone.mkdir(parents=True)
    copy(runs, "one/fold2", "elsewhere/model", BEST)
    assert subject_of_run(alone, ["original"]).runs[0].card.fold == 2


def test_a_kill_between_the_two_files_leaves_what_is_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs / "one" / "fold0"
    network, card = load_best(run / BEST)
    table = pd.read_parquet(run / OOF)
    good = {name: (run / name).read_bytes() for name in (BEST, OOF)}

    def killed(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("train.engine.checkpoint.card_text", killed)
        save_best(network, card, run / BEST, table.assign(fold=0, note=1))
    with pytest.raises(ValueError, match="a training that was killed between the two writes both again"):
        find_runs(["one"], runs)
    save_best(network, card, run / BEST, table)
    assert {name: (run / name).read_bytes() for name in good} == good
    assert read_card(run / BEST).oof
