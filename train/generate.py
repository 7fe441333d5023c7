"""The command that trains a generator of face crops on a fold, judges it, and writes what it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from faces.cache import Cache
from faces.folds import FoldScheme
from faces.labels import AGE_BANDS
from faces.settings import run_command
from train.generator_design import GeneratorDesign

if TYPE_CHECKING:
    from train.generator_plan import GeneratorPlan
    from train.generator_report import Judges

Band = Literal["<30", "30-59", ">=60"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Train a generator of face crops on the training people of a fold, judge it, and write what it makes.

    The people that validate the fold are never shown to it. Run the same command again after an interruption:
    it goes on from the last minute, to the same bits.
    Writes generator.safetensors, losses.csv, samples.png and, with --weights or --judge, scores.json and
    neighbours.png; with --synthetic a cache of generated crops.
    """

    cache: Path
    """Finished cache with labels."""
    fold: int
    """Fold whose training people it learns from."""
    folds: int = 5
    """Number of folds the people are divided into."""
    fold_scheme: FoldScheme = "person"
    """How, as in training."""
    fold_seed: int = 0
    """Which of the many such divisions; the same as in the trainings that use the samples."""
    out: Path | None = None
    """Folder of the generator; runs/generator/fold<k> when left out."""
    weights: Path | None = None
    """Backbone weights (a local file) whose features samples are compared with."""
    backbone: str = "mobilenetv1_025"
    """timm's name of the network that --weights belongs to."""
    judge: Path | None = None
    """best.safetensors of a run of the same fold: tells whether samples show what was asked, and gives the
    features where there is no --weights."""
    synthetic: Path | None = None
    """Cache to write generated crops into; none when left out."""
    bands: tuple[Band, ...] = (">=60",)
    """Age bands of those crops: six classes each."""
    photos: int = 100
    """Generated crops of each class in that cache."""
    steps: int = 8
    """Steps of the solver that makes a sample, 2 or more; half as many again changed little."""
    guidance: float = 2.0
    """How strongly samples show their gender and age, 1 to about 3: higher is clearer and less various."""
    design: GeneratorDesign = field(default_factory=GeneratorDesign)
    """Network and training."""

    def __post_init__(self) -> None:
        if self.steps < 2 or self.photos < 1 or not self.guidance >= 1:
            raise ValueError(
                f"steps={self.steps}, photos={self.photos}, guidance={self.guidance}: need 2 steps, 1 photo "
                "and guidance 1 at least"
            )
        if not self.bands or len({*self.bands}) != len(self.bands):
            raise ValueError(f"bands={list(self.bands)}: name at least one of {AGE_BANDS}, each once")
        for path in (self.weights, self.judge):
            if path and not path.is_file():
                raise ValueError(f"{path}: no such file")

    @property
    def folder(self) -> Path:
        """Where the generator is kept."""
        return self.out or Path("runs/generator") / f"fold{self.fold}"

    @property
    def division(self) -> dict[str, Any]:
        """How people are divided, and which part is held out."""
        return {
            "fold": self.fold,
            "folds": self.folds,
            "fold_seed": self.fold_seed,
            "scheme": self.fold_scheme,
        }


def run(settings: Settings) -> None:
    """Train, draw, score and write."""
    cache = Cache.open(settings.cache)
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from faces.progress import photo_progress
    from train.data import fold_rows
    from train.generator_cache import write_synthetic
    from train.generator_plan import GeneratorPlan, load_generator
    from train.generator_report import PICTURED, draw_samples, score_samples, scored_count
    from train.generator_training import train_generator

    rows = fold_rows(
        cache,
        ["class18"],
        fold=settings.fold,
        folds=settings.folds,
        seed=settings.fold_seed,
        scheme=settings.fold_scheme,
    )
    plan = GeneratorPlan(
        design=settings.design,
        cache=cache,
        rows=rows.training,
        division=settings.division,
        folder=settings.folder,
    )
    judges = _judges(settings, plan)
    made: dict[str, Any] = {"steps": settings.steps, "guidance": settings.guidance}
    with photo_progress("loss") as bar:
        task = bar.add_task(f"fold {settings.fold}: training", total=settings.design.photos, loss="")
        train_generator(plan, lambda n, loss: bar.update(task, advance=n, loss=f"loss {loss:.3f}"))
        generator = load_generator(plan)
        task = bar.add_task("samples to look at", total=PICTURED, loss="")
        draw_samples(generator, plan, **made, tell=lambda n: bar.advance(task, n))
        if judges and len(rows.validation):
            task = bar.add_task("samples to score", total=scored_count(plan, rows.validation), loss="")
            scores = score_samples(
                generator, plan, rows.validation, judges, **made, tell=lambda n: bar.advance(task, n)
            )
            bar.console.print_json(data=scores)
        if settings.synthetic:
            total = settings.photos * 6 * len(settings.bands)
            task = bar.add_task(f"samples for {settings.synthetic}", total=total, loss="")
            write_synthetic(
                generator,
                plan,
                settings.synthetic,
                bands=settings.bands,
                photos=settings.photos,
                **made,
                tell=lambda n: bar.advance(task, n),
            )
    print(f"{settings.folder}: look at samples.png")


def _judges(settings: Settings, plan: GeneratorPlan) -> Judges | None:
    """The networks that judge, or None where none was given.

    Raises:
        ValueError: the judge is of another fold or of other crops, so that it knows the people held out or
            sees faces as it never did.
    """
    from train.generator_report import Judges
    from train.generator_scores import backbone_eye, judge_eyes

    judge = eyes = recipe = None
    if settings.judge:
        judge, eyes, card = judge_eyes(settings.judge)
        recipe = card.recipe
        division = {name: getattr(card, name) for name in ("fold", "folds", "fold_seed", "scheme")}
        if division != settings.division:
            raise ValueError(
                f"{settings.judge}: a run of {division}, the generator's is {settings.division}: it has seen "
                "the people held out here; give the run of the same fold"
            )
        if dict(card.crop) != plan.cache.description["settings"]:
            raise ValueError(f"{settings.judge}: trained on crops of other settings than {plan.cache.folder}")
    if settings.weights:
        eyes = backbone_eye(settings.backbone, settings.weights, 128)
    if not eyes:
        print("no --weights and no --judge: samples are drawn, but not scored")
        return None
    return Judges(features=eyes, judge=judge, recipe=recipe)


def main() -> None:
    """`python -m train.generate`."""
    run_command(Settings, run)


if __name__ == "__main__":
    main()
