"""Many runs over one cache: one decoding for all, the answers of each as if it were alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from bench.infer.setting import random_run
from faces.cache.reader import Cache
from infer.predict import networks, passes
from infer.predict.heads import Heads
from infer.predict.networks import form_of
from infer.predict.passes import memory_of, pack, predict_runs
from infer.predict.runs import Run
from infer.predict.views import black_of, looks_of
from pipeline.formats import InputFormat, MultiFormatLoader
from pipeline.loader import Loader
from tests.helpers.crops import COUNT, write_cache
from train.engine.checkpoint import load_best, save_best
from train.engine.compute import PredictCompute
from train.network.kinds import codings_of
from train.network.model import Network
from train.recipe.network import Head, Optimiser
from train.recipe.recipe import Age, Recipe

ROWS = np.array([5, 0, 36, 17, 17, 8, 30])
HALF = (0.5, 0.5, 0.5)
PLAIN = Recipe(tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=32, precision="fp32")
RECIPES = {
    "a": PLAIN,
    "b": replace(PLAIN, tasks=("class18",), image_size=40, centre=0.875),
    "c": replace(PLAIN, tasks=("age6",), age=Age(coding="ordinal"), precision="bf16"),
    "d": PLAIN,
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("caches") / "jpeg", "jpeg")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder, found = tmp_path_factory.mktemp("runs"), []
    for seed, (name, recipe) in enumerate(RECIPES.items()):
        path = folder / name / "fold0" / "best.safetensors"
        found.append(Run(f"{name}/fold0", path, random_run(recipe, seed, path)))
    return found


def predict(
    runs: list[Run],
    cache: Cache,
    views: tuple[str, ...] = ("original", "flip"),
    advance: Callable[[int], object] = lambda _: None,
) -> list[Heads]:
    compute = PredictCompute(device="cpu", threads=1, batch_size=3)
    return predict_runs(runs, cache, ROWS, views, compute, advance)


def alone(run: Run, cache: Cache, views: tuple[str, ...]) -> Heads:
    """A run's answers by its own loader, photo by photo, in float32."""
    network, card = load_best(run.path)
    form, codings = form_of(card), codings_of(card.recipe, card.labels)
    loader = Loader(cache, ROWS, batch_size=1, **vars(form))
    black = black_of(form.mean, form.std)
    rows: dict[str, list[np.ndarray]] = {task: [] for task in codings}
    with torch.inference_mode():
        for images, _ in loader.epoch(0):
            outputs = [network(look(images, black)) for look in looks_of(views)]
            for task, coding in codings.items():
                rows[task].append(
                    np.mean([coding.probabilities(out[task])[0].numpy() for out in outputs], axis=0)
                )
    return {task: np.stack(values) for task, values in rows.items()}


def equal(found: list[Heads], expected: list[Heads]) -> bool:
    return all(
        [*a] == [*b] and all(np.array_equal(a[task], b[task]) for task in a)
        for a, b in zip(found, expected, strict=True)
    )


@pytest.mark.parametrize("codec", ["jpeg", "raw"])
def test_several_forms_of_one_decoding_are_those_of_a_loader_each(codec: str, tmp_path: Path) -> None:
    cache = write_cache(tmp_path / codec, codec)
    forms = [
        InputFormat(image_size=32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        InputFormat(image_size=48, mean=HALF, std=HALF),
        InputFormat(image_size=40, mean=HALF, std=HALF, centre=0.875),
        InputFormat(image_size=32, mean=HALF, std=HALF),
    ]
    together = list(MultiFormatLoader(cache, ROWS, forms, batch_size=3).batches())
    assert [len(rows) for _, rows in together] == [3, 3, 1]
    for place, form in enumerate(forms):
        own = Loader(cache, ROWS, batch_size=3, layout="channels_last", **vars(form))
        for (images, rows), (expected, expected_rows) in zip(together, own.epoch(0), strict=True):
            assert torch.equal(images[place], expected) and torch.equal(rows, expected_rows)
            assert images[place].stride() == expected.stride()


def test_forms_of_one_loader_can_be_taken_again_after_breaking_off(cache: Cache) -> None:
    forms = [InputFormat(image_size=size, mean=HALF, std=HALF) for size in (32, 40)]
    loader = MultiFormatLoader(cache, np.arange(COUNT), forms, batch_size=8)
    first = [images for images, _ in loader.batches()]
    for taken in (1, 3):
        broken = loader.batches()
        for _ in range(taken):
            next(broken)
        again = [images for images, _ in loader.batches()]
        assert all(
            torch.equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True)
        )


def test_a_damaged_crop_is_named_with_its_place(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg", {4})
    loader = MultiFormatLoader(
        cache, np.arange(8), [InputFormat(image_size=s, mean=HALF, std=HALF) for s in (32, 40)], batch_size=3
    )
    with pytest.raises(ValueError, match=r"damaged: key key-4"):
        list(loader.batches())


@pytest.mark.parametrize("views", [("original",), ("original", "flip"), ("flip", "crops", "scales", "light")])
def test_each_run_answers_as_it_does_alone(runs: list[Run], cache: Cache, views: tuple[str, ...]) -> None:
    for run, heads in zip(runs, predict(runs, cache, views), strict=True):
        assert [*heads] == [*run.card.recipe.tasks]
        # bf16 has 8 bits.
        tolerance = 0.02 if run.card.recipe.precision == "bf16" else 1e-5
        for task, expected in alone(run, cache, views).items():
            assert heads[task].dtype == np.float32 and heads[task].shape == expected.shape
            np.testing.assert_allclose(heads[task], expected, atol=tolerance)


def test_crops_are_decoded_once_for_all_runs(
    runs: list[Run], cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    encoded = Cache.encoded
    monkeypatch.setattr(Cache, "encoded", lambda self, rows: read.extend(rows) or encoded(self, rows))
    predict(runs, cache)
    assert read == ROWS.tolist()


@pytest.mark.parametrize(("fitting", "count"), [((0, 3), 3), ((), 4)])
def test_runs_that_do_not_fit_together_take_more_passes_to_the_same_answers(
    runs: list[Run], cache: Cache, monkeypatch: pytest.MonkeyPatch, fitting: tuple[int, ...], count: int
) -> None:
    together = predict(runs, cache)
    budget = sum(memory_of(runs[place], len(ROWS)) for place in fitting)
    sizes: list[int] = []
    group = passes.NetworkGroup
    monkeypatch.setattr(passes, "free_memory", lambda _: budget / passes.SHARE)
    monkeypatch.setattr(passes, "NetworkGroup", lambda some, *a: sizes.append(len(some)) or group(some, *a))
    advanced: list[int] = []
    assert equal(predict(runs, cache, advance=advanced.append), together)
    assert len(sizes) == count and sum(sizes) == len(runs)
    assert sum(advanced) == len(runs) * len(ROWS)


def test_memory_counts_weights_and_answers(runs: list[Run]) -> None:
    run = runs[0]
    weights = sum(tensor.nbytes for tensor in load_best(run.path)[0].state_dict().values())
    assert 0 <= memory_of(run, 0) - weights < 60_000  # the header
    assert memory_of(run, 1000) - memory_of(run, 0) == 4 * 1000 * (3 + 2 + 3)


@given(st.lists(st.integers(0, 100), max_size=12), st.integers(1, 120))
def test_passes_hold_each_thing_once_and_stay_in_the_budget(sizes: list[int], budget: int) -> None:
    packed = pack(sizes, budget)
    assert sorted(place for places in packed for place in places) == [*range(len(sizes))]
    assert all(len(places) == 1 or sum(sizes[at] for at in places) <= budget for places in packed)
    # No two passes could be one.
    totals = [sum(sizes[at] for at in places) for places in packed]
    assert all(a + b > budget for i, a in enumerate(totals) for b in totals[:i])


def test_no_runs_have_no_answers_and_unknown_views_are_named(runs: list[Run], cache: Cache) -> None:
    assert predict([], cache) == []
    with pytest.raises(ValueError, match="'flop': did you mean 'flip'"):
        predict(runs, cache, ("flop",))


def test_advance_counts_photos_of_every_run(runs: list[Run], cache: Cache) -> None:
    seen: list[int] = []
    predict(runs, cache, ("original", "light"), advance=seen.append)
    assert sum(seen) == len(runs) * len(ROWS) and max(seen) == 3


def test_outputs_that_overflow_are_refused_with_run_and_head(
    runs: list[Run], cache: Cache, tmp_path: Path
) -> None:
    """The weights are finite, and so are the probabilities that a sigmoid makes of infinite logits."""
    path = tmp_path / "age" / "fold0" / "best.safetensors"
    recipe = replace(RECIPES["c"], precision="fp16")
    run = Run("age/fold0", path, random_run(recipe, 0, path))
    network, card = load_best(path)
    with torch.no_grad():
        network.heads.layer("age6").scale.weight.fill_(6e4)  # type: ignore[union-attr, operator]
    save_best(network, card, path)
    advanced: list[int] = []
    for members in ([run], [runs[0], run]):
        with pytest.raises(ValueError) as error:
            predict(members, cache, advance=advanced.append)
        told = str(error.value)
        assert told.startswith(f"{path}, in fp16, head age6: the outputs for ")
        assert any(f"the first has key {key};" in told for key in cache.index.key.iloc[ROWS[:3]])
        assert 'precision = "fp32"' in told
    assert sum(advanced) < 2 * len(ROWS)  # looked at after the first batch


def test_folds_with_one_frozen_backbone_share_its_features(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(PLAIN, epochs=1, optimiser=Optimiser(frozen_epochs=1), head=Head(stages=2))
    found = []
    for fold, other in enumerate((False, False, True)):
        path = tmp_path / f"fold{fold}" / "best.safetensors"
        card = random_run(recipe, 0, path)
        network, _ = load_best(path)
        for layer in (network if other else network.heads).modules():  # heads of their own; one backbone too
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.weight.data.add_(0.01 * (fold + 1))
        save_best(network, card, path)
        found.append(Run(f"shared/fold{fold}", path, card))
    seen: list[int] = []
    features = Network.features

    def counted(network: Network, images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return features(network, images)

    monkeypatch.setattr(Network, "features", counted)
    together = predict(found, cache)
    assert sum(seen) == 2 * 2 * len(ROWS)  # views, backbones
    for run, heads in zip(found, together, strict=True):
        monkeypatch.setattr(networks, "_frozen", lambda *_: None)
        [alone] = predict([run], cache)
        for task, values in alone.items():
            np.testing.assert_array_equal(heads[task], values)
    assert not np.array_equal(together[0]["mask"], together[1]["mask"])
