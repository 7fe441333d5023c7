"""`make bench-whole`: the whole job, photos to submission, as teams write it and by the product."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from faces.command import run_command, write_toml
from train.recipe.file import read_recipe


@dataclass(frozen=True, kw_only=True)
class BenchWholeSettings:
    """Measure the whole job twice: time, CPU time of all processes, and macro F1 on people held back.

    As contest teams write it, in one script: facenet-pytorch searches the face of one photo at a time in
    `Dataset.__getitem__`, torchvision augments, a DataLoader has two workers, the arithmetic is float32, the
    last epoch's weights are kept, photos are answered one by one. And by the product: the commands behind
    make preprocess (twice), train-all and infer, with their start-up and all that they compile. Both train
    the same network, epochs and folds of people, one way after the other, and vote with the mean of the
    folds.

    Example: make bench-whole RECIPE=recipes/small.toml FOLDS=2
    """

    recipe: Path = Path("recipes/small.toml")
    """Recipe that both train. It may set network, heads, loss, optimiser, schedule, a policy of torchvision's
    kind and epochs; what is sampled, mixed or averaged otherwise is refused."""
    folds: int = 2
    """Into which the people are divided."""
    epochs: int | None = None
    """Instead of the recipe's."""
    data: Path | None = None
    """A folder with labels in the contest's layout, of which people are taken; drawn people otherwise."""
    people: int = 60
    """How many; 60 % train, the others are held back."""
    repetitions: int = 1
    """Of both ways; who comes first changes."""
    out: Path = Path("bench/results/whole.json")
    """The report; a picture is written beside it."""

    def __post_init__(self) -> None:
        for name, least in (("folds", 2), ("people", 5), ("repetitions", 1), ("epochs", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")


def bench(settings: BenchWholeSettings) -> dict[str, Any]:
    """Measure, print and write the report.

    Raises:
        ValueError: a recipe that the teams' script cannot follow, or people that do not allow the folds.
        OSError: one of the ways failed.
    """
    recipe = read_recipe(settings.recipe)
    if settings.epochs:
        recipe = replace(recipe, epochs=settings.epochs)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from bench.whole.people import lay_out, write_table
    from bench.whole.plain import check_plain
    from bench.whole.race import Job, run_turns
    from bench.whole.report import write_results

    check_plain(recipe, settings.recipe)
    console = Console(highlight=False, soft_wrap=True)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="whole-") as place:
        folder = Path(place)
        people = lay_out(settings.data, settings.people, folder / "data")
        written = folder / settings.recipe.name
        write_toml(recipe, written)
        job = Job(
            people=people,
            recipe=written,
            folds=settings.folds,
            table=write_table(people.train, recipe, settings.folds, folder),
        )
        turns = run_turns(job, folder / "turns", settings.repetitions, console.rule)
    conditions = {
        "recipe": f"{settings.recipe} ({recipe.backbone} at {recipe.image_size} pixels)",
        "epochs": recipe.epochs,
        "folds": settings.folds,
        "people": f"{settings.people} {'drawn' if settings.data is None else f'of {settings.data}'}",
        "held-back photos": len(people.truth),
        "repetitions": settings.repetitions,
        "load before": round(load, 1),
    }
    return write_results(settings.out, turns, conditions)


def main() -> None:
    """The command line."""
    run_command(BenchWholeSettings, bench)
