"""Answers stored beside runs: predicted once, and again where anything differs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.infer.setting import random_run
from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from infer.predict import store
from infer.predict.heads import Heads
from infer.predict.passes import predict_runs
from infer.predict.runs import Run
from infer.predict.store import FOLDER, load_or_predict
from infer.predict.views import averaged, summand
from tests.helpers.crops import COUNT, write_cache
from train.engine.compute import PredictCompute
from train.recipe.recipe import Recipe

ROWS = np.array([5, 0, 36, 17])
COMPUTE = PredictCompute(device="cpu", threads=1, batch_size=3)
RECIPE = Recipe(tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=32, precision="fp32")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("caches") / "jpeg", "jpeg")


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    paths = [tmp_path / "recipe" / f"fold{k}" / "best.safetensors" for k in range(3)]
    return [Run(f"recipe/fold{k}", path, random_run(RECIPE, k, path)) for k, path in enumerate(paths)]


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folds that had to predict, in order."""
    names: list[str] = []
    passes = store.predict_passes

    def watched(runs: list[Run], *arguments: object, **options: object):  # type: ignore[no-untyped-def]
        names.extend(run.name[-5:] for run in runs)
        return passes(runs, *arguments, **options)

    monkeypatch.setattr(store, "predict_passes", watched)
    return names


def predict(
    runs: list[Run], cache: Cache, rows: np.ndarray = ROWS, views: tuple[str, ...] = ("original",)
) -> list[Heads]:
    advanced: list[int] = []
    found = load_or_predict(runs, cache, rows, views, COMPUTE, advanced.append)
    assert sum(advanced) == len(runs) * len(rows)
    return found


def same(found: list[Heads], expected: list[Heads]) -> bool:
    return all(
        [*a] == [*b] and all(np.array_equal(a[task], b[task]) for task in a)
        for a, b in zip(found, expected, strict=True)
    )


def files(run: Run) -> list[Path]:
    return sorted((run.path.parent / FOLDER).iterdir())


def test_answers_are_those_of_the_networks_the_first_time_and_later(
    runs: list[Run], cache: Cache, predicted: list[str]
) -> None:
    expected = predict_runs(runs, cache, ROWS, ("original",), COMPUTE)
    assert same(predict(runs, cache), expected)
    assert same(predict(runs, cache), expected)
    assert predicted == ["fold0", "fold1", "fold2"]


def test_only_runs_that_have_not_answered_predict(
    runs: list[Run], cache: Cache, predicted: list[str]
) -> None:
    predict([runs[1]], cache)
    found = predict([runs[2], runs[1], runs[0], runs[1]], cache)
    assert predicted == ["fold1", "fold2", "fold0"]
    assert same([found[1]], [found[3]]) and same(found[:3], predict(runs, cache)[::-1])


def test_other_rows_views_or_crops_are_predicted_and_the_old_answers_stay(
    runs: list[Run], cache: Cache, predicted: list[str], tmp_path: Path
) -> None:
    one = runs[:1]
    first = predict(one, cache)
    raw = write_cache(tmp_path / "raw", "raw")
    others = [(cache, ROWS[::-1], ("original",)), (cache, ROWS, ("flip",)), (raw, ROWS, ("original",))]
    for number, (crops, rows, views) in enumerate(others, 2):
        predict(one, crops, rows, views)
        assert predicted == ["fold0"] * number == ["fold0"] * len(files(runs[0]))
    np.testing.assert_array_equal(predict(one, cache, ROWS[::-1])[0]["mask"], first[0]["mask"][::-1])
    predict(one, cache, ROWS, ("flip", "original"))
    predict(one, cache, ROWS, ("original", "flip"))
    assert len(predicted) == 5


def test_a_run_trained_again_predicts_again_and_its_old_answers_are_gone(
    runs: list[Run], cache: Cache, predicted: list[str]
) -> None:
    before = predict(runs, cache)
    random_run(RECIPE, 7, runs[1].path)
    after = predict(runs, cache)
    assert predicted == ["fold0", "fold1", "fold2", "fold1"] and len(files(runs[1])) == 1
    assert same(after[::2], before[::2]) and not same([after[1]], [before[1]])


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "text", "other"])
def test_damaged_answers_are_predicted_anew(
    runs: list[Run], cache: Cache, predicted: list[str], damage: str
) -> None:
    expected = predict(runs, cache)
    (path,) = files(runs[0])
    whole = path.read_bytes()
    data = bytearray(whole)
    if damage == "bit":
        data[-3] ^= 1
    (other,) = files(runs[2])
    path.write_bytes(
        {"cut": data[:-5], "bit": data, "empty": b"", "text": b"no answers", "other": other.read_bytes()}[
            damage
        ]
    )
    said: list[str] = []
    assert same(load_or_predict(runs, cache, ROWS, ("original",), COMPUTE, say=said.append), expected)
    assert predicted[3:] == ["fold0"]
    assert path.read_bytes() == whole and files(runs[0]) == [path]
    if damage == "other":  # another run's answers, which are whole
        assert not said
    else:
        [line] = said
        assert line.startswith(f"{path}: ") and line.endswith("; predicting anew")


def test_every_flip_of_kept_answers_is_predicted_anew_or_changes_nothing(
    runs: list[Run], cache: Cache, predicted: list[str]
) -> None:
    expected = predict(runs[:1], cache)[0]
    (path,) = files(runs[0])
    whole, rng = path.read_bytes(), random.Random(0)
    basis = {**store._request(cache, ROWS, ("original",), "soft"), "weights": file_sha256(runs[0].path)}
    for _ in range(150):
        place = rng.randrange(len(whole))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)]) + whole[place + 1 :])
        said: list[str] = []
        found = store._read(path, basis, RECIPE.tasks, said.append)
        assert (found is None) == bool(said)
        assert found is None or same([found], [expected])


def test_answers_kept_before_their_header_was_sealed_are_read(
    runs: list[Run], cache: Cache, predicted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "document", lambda table: json.dumps(table).encode())
        before = predict(runs, cache)
    assert same(predict(runs, cache), before) and len(predicted) == 3


def test_what_was_predicted_before_a_stop_is_kept(
    runs: list[Run], cache: Cache, predicted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infer.predict.passes.free_memory", lambda _: 0)  # a pass each

    write = store._write

    def fail_second(path: Path, *arguments: object) -> None:
        if "fold1" in str(path):
            raise KeyboardInterrupt
        write(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(store, "_write", fail_second)
        with pytest.raises(KeyboardInterrupt):
            predict(runs, cache)
    predict(runs, cache)
    assert predicted[3:] == ["fold1", "fold2"]


def test_heads_come_in_the_order_of_the_recipe(cache: Cache, tmp_path: Path) -> None:
    recipe = replace(RECIPE, tasks=("mask", "age3", "gender"))
    path = tmp_path / "fold0" / "best.safetensors"
    run = Run("r/fold0", path, random_run(recipe, 0, path))
    for _ in range(2):
        assert [*predict([run], cache, np.arange(COUNT))[0]] == ["mask", "age3", "gender"]


def test_logits_of_views_are_averaged_and_kept_apart_from_probabilities(
    runs: list[Run], cache: Cache, predicted: list[str]
) -> None:
    [one], [other] = (predict_runs(runs[:1], cache, ROWS, (view,), COMPUTE) for view in ("original", "flip"))
    views = ("original", "flip")
    [soft] = load_or_predict(runs[:1], cache, ROWS, views, COMPUTE)
    [log] = load_or_predict(runs[:1], cache, ROWS, views, COMPUTE, rule="log")
    assert predicted == ["fold0", "fold0"]
    for task in RECIPE.tasks:
        np.testing.assert_allclose(soft[task], (one[task] + other[task]) / 2, atol=1e-6)
        geometric = np.sqrt(one[task] * other[task])
        np.testing.assert_allclose(log[task], geometric / geometric.sum(1, keepdims=True), atol=1e-6)


def test_the_mean_of_logits_is_the_softmax_of_it() -> None:
    logits = torch.tensor([[[2.0, 0.0, -1.0]], [[-1.0, 0.5, 0.0]]])
    seen = sum(summand(each.softmax(1), "log") for each in logits)
    torch.testing.assert_close(averaged(seen, 2, "log"), logits.mean(0).softmax(1))
