import dataclasses
import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from faces.cache.reader import Cache
from faces.labels import TASKS
from tests.test_help import can_be_typed
from train.assemble import FoldPlan
from train.command import TrainSettings, next_lines, run
from train.data.rows import fold_rows
from train.engine.card import RunError, read_card
from train.engine.checkpoint import load_best
from train.engine.compute import Compute
from train.engine.state import load_state
from train.engine.watch import Watch
from train.fold import train_fold
from train.ready import ready_fold
from train.recipe.network import Head, Optimiser, Schedule
from train.recipe.recipe import Keep, Recipe
from train.results.report import read_out_of_fold, score_out_of_fold
from train.run_folder import resolve_precision

pytestmark = pytest.mark.usefixtures("no_pictures")

RECIPE = Recipe(
    tasks=("mask", "gender", "age3"),
    backbone="test_resnet",
    head=Head(dropout=0.2),
    image_size=32,
    augment="light",
    epochs=3,
    batch_size=16,
    precision="fp32",
    optimiser=Optimiser(name="adamw", lr=4e-3),
    schedule=Schedule(name="cosine", warmup_epochs=0.5),
)


def plan(cache: Cache, folder: Path, recipe: Recipe = RECIPE) -> FoldPlan:
    return FoldPlan(
        recipe=recipe, cache=cache, fold=1, folds=3, fold_seed=0, folder=folder, device="cpu", threads=1
    )


class Cut(Watch):
    """Interrupts after so many photos, as a kill in the middle of an epoch would."""

    def __init__(self, photos: int) -> None:
        self.left = photos

    def advance(self, photos: int, loss: float = math.nan) -> None:
        self.left -= photos
        if self.left < 0:
            raise KeyboardInterrupt


def test_no_person_trains_and_validates(coloured: Cache) -> None:
    seen = []
    for fold in range(3):
        rows = fold_rows(coloured, ("mask",), fold=fold, folds=3, seed=0)
        persons = coloured.index.person
        assert not set(persons[rows.training]) & set(persons[rows.validation])
        assert sum(rows.prior["class18"]) == pytest.approx(1)
        seen += rows.validation.tolist()
    assert sorted(seen) == [*range(len(coloured))]


def test_people_who_are_not_a_tasks_do_not_train_it_but_are_predicted(coloured: Cache) -> None:
    rows = fold_rows(coloured, ("senior",), fold=0, folds=3, seed=0)
    assert (coloured.index.age[rows.training] >= 30).all()
    assert (coloured.index.age[rows.validation] < 30).any()


def test_folds_that_cannot_be(coloured: Cache, unseen: Cache) -> None:
    with pytest.raises(ValueError, match=r"fold 3: with 3 folds of scheme person they are numbered 0 to 2"):
        fold_rows(coloured, ("mask",), fold=3, folds=3, seed=0)
    with pytest.raises(ValueError, match="no photo of this cache is labelled"):
        fold_rows(unseen, ("mask",), fold=0, folds=3, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("photos", [20, 90])
def test_resumed_training_gives_the_same_bits(coloured: Cache, tmp_path: Path, photos: int) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    row = train_fold(plan(coloured, whole), Watch())
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, cut), Cut(photos))
    state = load_state(cut / "last.pt")
    assert (0 if state is None else len(state["history"])) == photos // 70
    resumed = train_fold(plan(coloured, cut), Watch())
    timed = ("images_per_s", "seconds")
    assert {k: v for k, v in row.items() if k not in timed} == {
        k: v for k, v in resumed.items() if k not in timed
    }
    for name in ("best.safetensors", "oof.parquet", "recipe.toml"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
    one, other = load_state(whole / "last.pt"), load_state(cut / "last.pt")
    assert one is not None
    assert other is not None
    for name, tensor in one["model"].items():
        assert torch.equal(tensor, other["model"][name]), name
    tables = [pd.read_csv(folder / "metrics.csv").drop(columns=[*timed]) for folder in (whole, cut)]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_weights_and_answers_are_of_the_epoch_kept_and_all_that_is_needed_travels(
    coloured: Cache, tmp_path: Path, keep: Keep
) -> None:
    folder, recipe = tmp_path / "fold1", dataclasses.replace(RECIPE, keep=keep)
    best = train_fold(plan(coloured, folder, recipe), Watch())
    history = pd.read_csv(folder / "metrics.csv")
    assert best["epoch"] == (2 if keep == "last" else history.macro_f1.argmax())
    network, card = load_best(folder / "best.safetensors")
    asked = dataclasses.replace(recipe, age=card.recipe.age)  # where ages end was found in the data
    assert (card.recipe, card.fold, card.folds, card.epoch) == (asked, 1, 3, int(best["epoch"]))
    assert card.classes == {task: TASKS[task].classes for task in RECIPE.tasks}
    assert card.crop["margin"] == 0.3
    pooled = read_out_of_fold(tmp_path)
    assert score_out_of_fold(pooled, coloured.label_set)["macro_f1"] == pytest.approx(best["macro_f1"])
    assert pooled.position.is_unique
    assert not network.training
    # training again is nothing to do, and changes nothing
    before = (folder / "last.pt").read_bytes()
    assert train_fold(plan(coloured, folder, recipe), Cut(0)) == best
    assert (folder / "last.pt").read_bytes() == before


def test_learns_what_the_pixels_tell(coloured: Cache, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=15, augment="none", tasks=("mask",))
    best = train_fold(plan(coloured, tmp_path, recipe), Watch())
    assert best["mask_f1"] == best["macro_f1"] >= 0.9


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_trains_and_keeps_its_scaler(coloured: Cache, tmp_path: Path, precision: str) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=1, precision=precision)
    row = train_fold(plan(coloured, tmp_path, recipe), Watch())
    assert math.isfinite(row["loss"])
    state = load_state(tmp_path / "last.pt")
    assert state is not None
    assert ("scale" in state["scaler"]) == (precision == "fp16")
    assert all(t.dtype == torch.float32 for t in state["model"].values() if t.is_floating_point())


def test_auto_precision_is_measured_once_and_kept(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=1, precision="auto")
    train_fold(plan(coloured, tmp_path / "fold1", recipe), Watch())
    best = tmp_path / "fold1" / "best.safetensors"
    chosen = read_card(best).recipe.precision
    assert chosen in ("fp32", "bf16")

    def again(*_: object, **__: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("train.run_folder.measure_fastest", again)
    beside = ready_fold(dataclasses.replace(plan(coloured, tmp_path / "fold2", recipe), fold=2))
    assert resolve_precision(beside.plan, Watch()).precision == chosen
    monkeypatch.setattr("train.run_folder._MEASURED", {})  # as in another process
    (tmp_path / "fold1" / "last.pt").unlink()
    train_fold(plan(coloured, tmp_path / "fold1", recipe), Watch())
    assert read_card(best).recipe.precision == chosen


def test_another_run_in_the_folder_is_refused_with_the_differences(
    coloured: Cache, tmp_path: Path, make_cache: Callable[..., Cache]
) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=1)
    train_fold(plan(coloured, tmp_path, recipe), Watch())
    other = dataclasses.replace(recipe, optimiser=Optimiser(lr=1.0))
    with pytest.raises(ValueError, match=r"recipe.optimiser.lr: 0.004 there, 1.0 now"):
        train_fold(plan(coloured, tmp_path, other), Watch())
    with pytest.raises(ValueError, match="cache: "):
        train_fold(plan(make_cache(people=18), tmp_path, recipe), Watch())


def test_a_recipe_that_could_not_begin_may_be_changed(coloured: Cache, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=1)
    with pytest.raises(ValueError, match="'test_resnot' is unknown"):
        train_fold(plan(coloured, tmp_path, dataclasses.replace(recipe, backbone="test_resnot")), Watch())
    assert train_fold(plan(coloured, tmp_path, recipe), Watch())["epoch"] == 0


def test_a_loss_that_explodes_is_an_error_that_says_what_to_turn(coloured: Cache, tmp_path: Path) -> None:
    recipe = dataclasses.replace(
        RECIPE, optimiser=Optimiser(name="sgd", lr=1e30), schedule=Schedule(name="constant")
    )
    with pytest.raises(
        ValueError, match=r"loss is .*a lower optimiser.lr than 1e\+30 or optimiser.clip = 1.0"
    ):
        train_fold(plan(coloured, tmp_path, recipe), Watch())


def test_damaged_runs_are_refused(coloured: Cache, tmp_path: Path) -> None:
    train_fold(plan(coloured, tmp_path, dataclasses.replace(RECIPE, epochs=1)), Watch())
    path = tmp_path / "best.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match="not a whole safetensors file"):
        read_card(path)
    with pytest.raises(RunError, match="no such file"):
        read_card(tmp_path / "nothing.safetensors")


def test_command_trains_all_folds_and_draws(
    coloured: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'tasks = ["class18"]\nbackbone = "test_resnet"\nimage_size = 32\nepochs = 1\nbatch_size = 16\n'
    )
    compute = Compute(device="cpu")
    run(TrainSettings(recipe=recipe, cache=coloured.folder, folds=2, runs=tmp_path / "runs", compute=compute))
    printed = " ".join(capsys.readouterr().out.split())
    assert "out of fold, folds 0, 1, 72 photos: macro_f1" in printed
    folder = tmp_path / "runs" / "tiny"
    for fold in (0, 1):
        kept = {path.name for path in (folder / f"fold{fold}").iterdir()}
        assert kept >= {
            "recipe.toml",
            "metrics.csv",
            "best.safetensors",
            "last.pt",
            "oof.parquet",
            "curves.png",
            "events",
        }
    assert (folder / "out_of_fold.png").is_file()
    pooled = read_out_of_fold(folder)
    assert sorted(pooled.position) == [*range(72)]
    probabilities = pooled[[c for c in pooled if c.startswith("class18:")]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert json.loads((folder / "fold0" / "request.json").read_text())["folds"] == 2


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"runs": Path("demo/runs")},
            [
                "how good it is, on one page: make report RUN=demo/runs/quick CACHE='caches/my cache'",
                "next: make infer ENSEMBLE=ensembles/quick.toml CACHE=caches/name RUNS=demo/runs",
            ],
        ),
        ({"fold": (0,)}, ["how good it is, on one page: make report RUN=runs/quick CACHE='caches/my cache'"]),
        ({"fold_scheme": "everything"}, ["next: make infer ENSEMBLE=ensembles/quick.toml CACHE=caches/name"]),
        ({"nested": True}, ["next: make tune ENSEMBLE=ensembles/quick.toml CACHE='caches/my cache'"]),
    ],
)
def test_what_comes_next_can_be_typed(
    given: dict[str, object], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    asked: dict[str, object] = {"recipe": Path("recipes/quick.toml"), "cache": Path("caches/my cache")}
    assert next_lines(TrainSettings(**{**asked, **given})) == expected  # type: ignore[arg-type]
    for line in expected:
        can_be_typed(line)


@pytest.mark.slow
def test_command_trains_without_each_two_folds_and_goes_on(
    coloured: Cache, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'tasks = ["class18"]\nbackbone = "test_resnet"\nimage_size = 32\nepochs = 1\nbatch_size = 16\n'
    )
    settings = TrainSettings(
        recipe=recipe,
        cache=coloured.folder,
        folds=3,
        nested=True,
        runs=tmp_path / "runs",
        compute=Compute(device="cpu"),
    )
    run(settings)
    nested = tmp_path / "runs" / "tiny" / "nested"
    assert sorted(path.name for path in nested.iterdir()) == ["fold0-1", "fold0-2", "fold1-2"]
    cards = {path.parent.name: read_card(path) for path in nested.glob("*/best.safetensors")}
    assert {name: (card.fold, card.also_out) for name, card in cards.items()} == {
        "fold0-1": (0, (1,)),
        "fold0-2": (0, (2,)),
        "fold1-2": (1, (2,)),
    }
    assert len({card.tensors for card in cards.values()}) == 3
    said = capsys.readouterr().out
    folder = shlex.quote(str(nested))
    assert said.count("--logdir") == 1 and f"tensorboard --logdir {folder}\n" in said
    cache, runs = shlex.quote(str(settings.cache)), shlex.quote(str(settings.runs))
    assert f"next: make tune ENSEMBLE=ensembles/name.toml CACHE={cache} RUNS={runs}\n" in said
    (nested / "fold1-2" / "best.safetensors").unlink()
    (nested / "fold1-2" / "last.pt").unlink()
    run(settings)  # the others are at their end
    assert read_card(nested / "fold1-2" / "best.safetensors").tensors == cards["fold1-2"].tensors


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"fold": (0,)}, r"fold=\[0\]: --nested trains each two"),
        ({"folds": 2}, "nested: fold_scheme=person, folds=2"),
        ({"fold_scheme": "image"}, "nested: fold_scheme=image"),
        ({"fold_scheme": "everything"}, "nested: fold_scheme=everything"),
    ],
)
def test_folds_that_cannot_be_left_out_in_twos_are_refused(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TrainSettings(recipe=Path("a"), cache=Path("b"), nested=True, **fields)  # type: ignore[arg-type]


def test_a_gpu_demanded_in_vain_is_an_error(coloured: Cache, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text("epochs = 1")
    with pytest.raises(ValueError, match=r"^device=cuda: .*use the CPU"):
        run(TrainSettings(recipe=recipe, cache=coloured.folder, compute=Compute(device="cuda")))
