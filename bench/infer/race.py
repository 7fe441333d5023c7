"""The recipes whose prediction is measured, and the ways of predicting in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import timm

from bench.infer.process import WayProcess
from bench.infer.report import InferRow, make_row
from bench.infer.setting import FOLDS, Job, random_run
from bench.infer.ways import CROP_LOOP, all_ways
from bench.measure import Rival, measure
from faces.command import nearest
from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe


def write_runs(recipe: Recipe, folder: Path) -> tuple[Path, ...]:
    """Write untrained folds of a recipe below a folder; their best.safetensors."""
    runs = tuple(folder / f"fold{fold}" / "best.safetensors" for fold in range(FOLDS))
    for seed, path in enumerate(runs):
        random_run(recipe, seed, path)
    return runs


def recipes_of(
    files: Sequence[Path],
    backbones: Sequence[str],
    *,
    image_size: int,
    precision: Literal["fp32", "bf16", "fp16"],
) -> dict[str, Recipe]:
    """The recipes to be measured, by name.

    Args:
        files: recipe files; where there are none, a recipe is made for each backbone.
        backbones: names of timm models.
        image_size: of the recipes made, pixels.
        precision: of all recipes.

    Raises:
        ValueError: an unknown backbone, or a recipe that cannot be read.
    """
    if files:
        recipes = {path.stem: read_recipe(path) for path in files}
    else:
        for name in backbones:
            if not timm.is_model(name):
                raise ValueError(f"backbone {name!r} is unknown: {nearest(name, timm.list_models())}")
        recipes = {
            name: Recipe(tasks=("mask", "gender", "age3"), backbone=name, image_size=image_size)
            for name in backbones
        }
    return {
        # Whatever a recipe starts from or measures first is no part of predicting.
        name: replace(recipe, precision=precision, pretrained=False, weights="")
        for name, recipe in recipes.items()
    }


def measure_ways(job: Job, repetitions: int) -> list[InferRow]:
    """Let all ways of predicting take turns, each in a process of its own.

    Args:
        job: what is predicted, with what.
        repetitions: counted turns of each, after one to warm up.
    """
    ways = {way.name: way for way in all_ways(job.device)}
    processes: dict[str, WayProcess] = {}
    try:
        for name, way in ways.items():
            processes[name] = WayProcess(way.make, job)
        rivals = [Rival(name=name, work=process.run) for name, process in processes.items()]
        rows = measure(rivals, repetitions=repetitions, compared_with=CROP_LOOP)
        counted = {name: process.rounds[-repetitions:] for name, process in processes.items()}
        return [
            make_row(
                row,
                counted[row.name],
                counted[ways[row.name].loop],
                counted.get(ways[row.name].full),
                peak_mb=processes[row.name].peak_mb(),
                load_s=processes[row.name].load_s,
            )
            for row in rows
        ]
    finally:
        for process in processes.values():
            process.stop()
