"""How fast photos are predicted, beside the loop that contest teams wrote and beside the bare networks."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from bench.measure import Rival, measure
from faces.command import nearest, run_command

if TYPE_CHECKING:
    from bench.infer.report import InferRow
    from bench.infer.setting import Job
    from train.recipe.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure prediction: one fold, five folds, and five folds on the photo and its mirror image.

    Beside them the same number of forward passes over batches made beforehand, which no loader can beat, and
    the batch-1 loop: PIL, torchvision, one network after the other. The loop is measured over photos too, as
    teams wrote it, with facenet-pytorch in `__getitem__`, and so are stage 1 and five folds together. Every
    way runs in a process of its own on the same cores, in turns. The networks have random weights, which
    speed does not depend on.
    """

    backbones: tuple[str, ...] = ("resnet18",)
    """Names of timm models, each with heads for mask, gender and age."""
    recipes: tuple[Path, ...] = ()
    """Recipe files, in the place of the backbones."""
    image_size: int = 224
    """Height and width of the networks' input, pixels; recipes have their own."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of ours and of the bare networks; the loop is in fp32, as teams wrote it."""
    data: Path | None = None
    """A folder of photos, in any layout of stage 1; drawn people otherwise."""
    photos: int = 128
    """Photos a turn, repeated where there are fewer; the loops predict an eighth of them."""
    batch_size: int = 64
    """Photos a batch."""
    repetitions: int = 5
    """Counted turns of each way, after one to warm up."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to predict; auto takes the GPU where there is one."""
    cores: int = 0
    """CPU cores for each way, and threads of its networks; 0 is all that there are."""
    out: Path = Path("bench/results/infer.json")
    """The report; a picture is written beside it."""

    def __post_init__(self) -> None:
        there = len(os.sched_getaffinity(0))
        for name, least in (("photos", 1), ("batch_size", 1), ("repetitions", 1), ("cores", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.cores > there:
            raise ValueError(f"cores={self.cores}: this process may use {there}")
        chosen = self.recipes or self.backbones
        if not chosen or len(set(chosen)) < len(chosen):
            raise ValueError(f"{list(map(str, chosen))}: name at least one backbone or recipe, each once")


def bench(settings: Settings) -> dict[str, list[InferRow]]:
    """Measure and write the report.

    Returns:
        Rows by backbone or recipe.

    Raises:
        ValueError: an unknown backbone, a recipe or photos that cannot be used, or a GPU that is not there.
    """
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from bench.infer.report import rows_table, write_results
    from bench.infer.setting import FILES, PHOTOS, Job, lay_out
    from faces.terminal import print_whole
    from train.engine.precision import choose_device, loader_threads

    recipes = _recipes(settings)
    device = choose_device(settings.device)
    cores = settings.cores or len(os.sched_getaffinity(0))
    threads = loader_threads(device)
    results: dict[str, list[InferRow]] = {}
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with console.status("photos and their crops"):
            crops = lay_out(settings.data, settings.photos, folder)
        for name, recipe in recipes.items():
            job = Job(
                photos=folder / PHOTOS,
                cache=crops.folder,
                files=folder / FILES,
                runs=_write_runs(recipe, folder / name),
                device=device,
                cores=cores,
                loader_threads=threads,
                batch_size=settings.batch_size,
            )
            results[name] = _measure(job, settings.repetitions)
            title = f"{name}: {recipe.backbone} at {recipe.image_size} pixels, {recipe.precision}"
            print_whole(rows_table(title, results[name]), console)
    conditions = {
        "image": ", ".join(f"{name} {recipe.image_size}" for name, recipe in recipes.items()),
        "precision": settings.precision,
        "photos": f"{len(crops)} {'drawn' if settings.data is None else f'of {settings.data}'}",
        "crops": f"{crops.size} as JPEG",
        "batch": settings.batch_size,
        "device": device,
        "cores and network threads of each way": cores,
        "loader threads, on the same cores": threads,
        "repetitions": settings.repetitions,
    }
    write_results(settings.out, results, conditions)
    return results


def _write_runs(recipe: Recipe, folder: Path) -> tuple[Path, ...]:
    """Untrained folds."""
    from bench.infer.setting import FOLDS, random_run

    runs = tuple(folder / f"fold{fold}" / "best.safetensors" for fold in range(FOLDS))
    for seed, path in enumerate(runs):
        random_run(recipe, seed, path)
    return runs


def _recipes(settings: Settings) -> dict[str, Recipe]:
    import timm

    from train.recipe.file import read_recipe
    from train.recipe.recipe import Recipe

    if settings.recipes:
        recipes = {path.stem: read_recipe(path) for path in settings.recipes}
    else:
        for name in settings.backbones:
            if not timm.is_model(name):
                raise ValueError(f"backbone {name!r} is unknown: {nearest(name, timm.list_models())}")
        size, heads = settings.image_size, ("mask", "gender", "age3")
        recipes = {name: Recipe(tasks=heads, backbone=name, image_size=size) for name in settings.backbones}
    return {
        # Whatever a recipe starts from or measures first is no part of predicting.
        name: replace(recipe, precision=settings.precision, pretrained=False, weights="")
        for name, recipe in recipes.items()
    }


def _measure(job: Job, repetitions: int) -> list[InferRow]:
    from bench.infer.process import WayProcess
    from bench.infer.report import make_row
    from bench.infer.ways import CROP_LOOP, all_ways

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


def main() -> None:
    """`python -m bench.infer`."""
    run_command(Settings, bench)
