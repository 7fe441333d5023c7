"""DALI, training and inference on a GPU; `pytest -m gpu` runs these alone."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.train.command import BenchTrainSettings, bench
from faces.cache.reader import Cache
from infer.predict.passes import predict_runs
from infer.predict.runs import Run
from pipeline.loader import Loader
from train.assemble import FoldPlan
from train.engine.card import read_card
from train.engine.compute import Compute, PredictCompute
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.data import Age
from train.recipe.recipe import Recipe

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU here"),
]
RECIPE = Recipe(
    tasks=("mask", "gender", "age3"), backbone="test_resnet", image_size=32, epochs=1, batch_size=16
)


def loader(cache: Cache, device: str, policy: str = "light") -> Loader:
    half = (0.5, 0.5, 0.5)
    shared: dict = {"batch_size": 16, "image_size": 32, "mean": half, "std": half, "shuffle": True}
    return Loader(cache, np.arange(len(cache)), device=device, policy=policy, **shared)


def test_batches_are_on_the_gpu_and_like_those_of_the_cpu(coloured: Cache) -> None:
    pairs = zip(loader(coloured, "gpu").epoch(3), loader(coloured, "cpu").epoch(3), strict=True)
    for (images, rows), (expected, expected_rows) in pairs:
        assert images.device.type == "cuda" and rows.device.type == "cpu"
        assert torch.equal(rows, expected_rows)
        # One grey level is 2 / 255 here; interpolation rounds differently on the two devices.
        assert (images.cpu() - expected).abs().mean() < 2 / 255


def test_batches_on_the_gpu_repeat_bit_for_bit_and_are_the_receivers(coloured: Cache) -> None:
    kept = [images for images, _ in loader(coloured, "gpu").epoch(1)]
    copies = [images.clone() for images in kept]
    again = [images for images, _ in loader(coloured, "gpu").epoch(1)]
    assert all(map(torch.equal, kept, copies)) and all(map(torch.equal, kept, again))


@pytest.mark.parametrize(
    ("precision", "coding"),
    [
        ("fp32", "classes"),
        ("bf16", "classes"),
        ("fp16", "classes"),
        ("bf16", "ordinal"),
        ("fp16", "years"),
        ("fp16", "regression"),
    ],
)
def test_an_epoch_and_inference_on_the_gpu_give_finite_scores(
    coloured: Cache, unseen: Cache, tmp_path: Path, precision: str, coding: str
) -> None:
    age = Age(coding=coding, sigma=3.0)
    plan = FoldPlan(
        recipe=dataclasses.replace(RECIPE, precision=precision, age=age),
        cache=coloured,
        fold=0,
        folds=3,
        fold_seed=0,
        folder=tmp_path,
        device="cuda",
        threads=2,
    )
    row = train_fold(plan, Watch())
    assert all(math.isfinite(value) for value in row.values())
    best = tmp_path / "best.safetensors"
    run = Run("tiny/fold0", best, read_card(best))
    every = np.arange(len(unseen))
    found, cpu = (
        predict_runs([run], unseen, every, ("original", "flip"), compute)[0]
        for compute in (PredictCompute(device=device, threads=2, batch_size=8) for device in ("cuda", "cpu"))
    )
    for task, values in found.items():
        np.testing.assert_allclose(values.sum(1), 1, atol=1e-3)
        np.testing.assert_allclose(values, cpu[task], atol=0.05)


def test_the_measurement_of_waiting_runs_on_the_gpu(coloured: Cache, tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.toml", tmp_path / "train.json"
    recipe.write_text('tasks = ["mask"]\nbackbone = "test_resnet"\nimage_size = 32\nbatch_size = 8\n')
    compute = Compute(device="cuda")
    bench(
        BenchTrainSettings(
            recipe=recipe, cache=coloured.folder, out=out, compute=compute, steps=4, repetitions=1
        )
    )
    report = json.loads(out.read_text())
    assert report["conditions"]["device"] == "cuda"
    assert all(row["images_per_s"] > 0 for row in report["rows"])
