"""How fast photos are predicted, beside the loop that contest teams wrote and beside the bare networks."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console

from faces.command import run_command
from faces.cores import usable_cores
from faces.terminal.output import print_whole

if TYPE_CHECKING:
    from bench.infer.report import InferRow


@dataclass(frozen=True, kw_only=True)
class BenchInferSettings:
    """Measure prediction: one fold, five folds, and five folds on the photo and its mirror image.

    Beside them the same number of forward passes over batches made beforehand, which no loader can beat, and
    the batch-1 loop: PIL, torchvision, one network after the other. The loop is measured over photos too, as
    teams wrote it, with facenet-pytorch in `__getitem__`, and so are stage 1 and five folds together. Every
    way runs in a process of its own on the same cores, in turns. The networks have random weights, which
    speed does not depend on.

    Example: make bench-infer BACKBONES=resnet18
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
    batch_size: int = 0
    """Photos a batch; 0 is as many as the product takes by itself."""
    repetitions: int = 5
    """Counted turns of each way, after one to warm up."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to predict; auto takes the GPU where there is one."""
    cores: int = 0
    """CPU cores for each way, and threads of its networks; 0 is all that there are."""
    out: Path = Path("bench/results/infer.json")
    """The report; a picture is written beside it."""

    def __post_init__(self) -> None:
        there = usable_cores()
        for name, least in (("photos", 1), ("batch_size", 0), ("repetitions", 1), ("cores", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.cores > there:
            raise ValueError(f"cores={self.cores}: this process may use {there}")
        chosen = self.recipes or self.backbones
        if not chosen or len(set(chosen)) < len(chosen):
            raise ValueError(f"{list(map(str, chosen))}: name at least one backbone or recipe, each once")


def bench(settings: BenchInferSettings) -> dict[str, list[InferRow]]:
    """Measure and write the report.

    Returns:
        Rows by backbone or recipe.

    Raises:
        ValueError: an unknown backbone, a recipe or photos that cannot be used, or a GPU that is not there.
    """
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from bench.infer.race import measure_ways, recipes_of, write_runs
    from bench.infer.report import rows_table, write_results
    from bench.infer.setting import FILES, PHOTOS, Job, lay_out
    from train.engine.compute import PredictCompute
    from train.engine.precision import choose_device, loader_threads

    recipes = recipes_of(
        settings.recipes,
        settings.backbones,
        image_size=settings.image_size,
        precision=settings.precision,
    )
    device = choose_device(settings.device)
    cores = settings.cores or usable_cores()
    threads = loader_threads(device)
    batch = PredictCompute(device=device, batch_size=settings.batch_size).photos_a_batch()
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
                runs=write_runs(recipe, folder / name),
                device=device,
                cores=cores,
                loader_threads=threads,
                batch_size=batch,
            )
            results[name] = measure_ways(job, settings.repetitions)
            title = f"{name}: {recipe.backbone} at {recipe.image_size} pixels, {recipe.precision}"
            print_whole(rows_table(title, results[name]), console)
    conditions = {
        "image": ", ".join(f"{name} {recipe.image_size}" for name, recipe in recipes.items()),
        "precision": settings.precision,
        "photos": f"{len(crops)} {'drawn' if settings.data is None else f'of {settings.data}'}",
        "crops": f"{crops.size} as JPEG",
        "batch": batch,
        "device": device,
        "cores and network threads of each way": cores,
        "loader threads, on the same cores": threads,
        "repetitions": settings.repetitions,
    }
    write_results(settings.out, results, conditions)
    return results


def main() -> None:
    """The command line."""
    run_command(BenchInferSettings, bench)
