"""Scores, costs and speed of several ensembles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.intervals import DRAWS, pooled_f1
from faces.labels import FloatArray, IntArray, covers_classes, split_classes
from faces.terminal import print_whole
from infer.ensemble.tree import Ensemble, Leaf, recipes_of
from infer.ensemble.vote import count_votes
from infer.evaluate.scores import Estimate, class_counts, estimate, gain, numbered
from infer.evaluate.work import ask, plan_of_ensemble
from infer.predict.out_of_fold import ORIGINAL, OutOfFold
from infer.predict.panel import Panel, load_member
from infer.predict.views import count_of
from train.engine.precision import choose_device, loader_threads
from train.results.compare_report import replace_block
from train.results.trained_folds import count_parameters

if TYPE_CHECKING:
    from infer.evaluate.standings import Settings


@dataclass(frozen=True, kw_only=True)
class Place:
    """What is told of one ensemble."""

    name: str
    macro_f1: Estimate
    senior_f1: Estimate
    best: str
    """The member that scores best alone, of several that tell the 18 classes; "" of a single one or none."""
    over_best: Estimate | None
    over_original: Estimate | None
    """The gain of its views; None where it has the original alone."""
    networks: int
    """That answer a new photo: all folds of all members."""
    images: int
    """That each network sees of a photo."""
    parameters: int
    """Of all networks together."""
    rate: float
    """Photos/s of all networks and views; NaN where not measured."""


def compare(settings: Settings, ensembles: Sequence[Ensemble], cache: Cache) -> None:
    """Score all, the best first; those without trained members are named and left out."""
    console = Console()
    known = [e for e in ensembles if settings.ensembles or _trained(e, settings.runs)]
    if not known:
        raise ValueError(
            f"{settings.runs}: holds all members of none of {len(ensembles)} ensembles; `make ensembles RUNS="
            f"{settings.runs}` shows what is missing"
        )
    places = []
    for ensemble in known:
        console.print(f"{ensemble.name} ...", style="dim", highlight=False)
        places.append(_place(settings, ensemble, cache, console))
    places.sort(key=lambda place: -place.macro_f1.value)
    rows = [_cells(place) for place in places]
    table = Table(
        title=f"out of fold on {cache.folder}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "ensemble" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    print_whole(table, console)
    left_out = [e.name for e in ensembles if e not in known]
    if left_out:
        console.print(f"not trained in {settings.runs}: {', '.join(left_out)}", style="dim", soft_wrap=True)
    draw_places(places, settings.out)
    console.print(f"picture: {settings.out}", highlight=False, soft_wrap=True)
    if settings.markdown:
        replace_block(settings.markdown, settings.block, markdown_table(rows))


def _trained(ensemble: Ensemble, runs: Path) -> bool:
    return all(any((runs / name).glob("fold*/best.safetensors")) for name in recipes_of(ensemble.root))


def _place(settings: Settings, ensemble: Ensemble, cache: Cache, console: Console) -> Place:
    plan = plan_of_ensemble(ensemble, settings.runs, cache)
    panels = ask(plan, ensemble.views, settings, console)
    person, truth = numbered(plan.photos["person"]), plan.photos["class18"].to_numpy(np.int64)
    guess = count_votes(ensemble.root, panels).classes
    mine = class_counts(person, truth, guess)
    alone = {
        name: class_counts(person, truth, count_votes(Leaf(name), panels).classes)
        for name, runs in plan.runs.items()
        if len(plan.runs) > 1 and covers_classes(runs[0].card.recipe.tasks)
    }
    best = max(alone, key=lambda name: pooled_f1([alone[name]]), default="")
    over_original = None
    if ensemble.views != ORIGINAL:
        plain = plan.answered(ORIGINAL, device="", threads=0, batch_size=0)
        guessed = count_votes(ensemble.root, plain).classes
        over_original = gain(mine, class_counts(person, truth, guessed))
    every = [run for folds in plan.runs.values() for run in folds]
    return Place(
        name=ensemble.name,
        macro_f1=estimate(mine),
        senior_f1=estimate(_old(person, truth, guess)),
        best=best,
        over_best=gain(mine, alone[best]) if best else None,
        over_original=over_original,
        networks=len(every),
        images=count_of(ensemble.views),
        parameters=sum(count_parameters(run.path) or 0 for run in every),
        rate=measure_rate(settings, ensemble, plan) if settings.photos else float("nan"),
    )


def _old(person: IntArray, truth: IntArray, guess: IntArray) -> FloatArray:
    true, guessed = ((split_classes(codes)["age"] == 2).astype(np.int64) for codes in (truth, guess))
    return class_counts(person, true, guessed, 2)[..., 1:]


def measure_rate(settings: Settings, ensemble: Ensemble, plan: OutOfFold) -> float:
    """Photos/s that all networks of an ensemble answer together in all its views, loaded and warm."""
    device = choose_device(settings.device)
    rows = np.arange(min(settings.photos, len(plan.cache)))
    members = [load_member(run.path, device) for folds in plan.runs.values() for run in folds]
    warm, whole = (
        Panel(
            members,
            plan.cache,
            some,
            ensemble.views,
            device=device,
            threads=settings.threads or loader_threads(device),
            batch_size=settings.batch_size,
        )
        for some in (rows[: settings.batch_size], rows)
    )
    warm.predict(lambda _: None)
    start = time.perf_counter()
    whole.predict(lambda _: None)
    return len(rows) / (time.perf_counter() - start)


def _cells(place: Place) -> dict[str, str]:
    over_best = f"{place.over_best.signed} ({place.best})" if place.over_best else "–"
    return {
        "ensemble": place.name,
        "macro F1": str(place.macro_f1),
        "F1 60+": f"{place.senior_f1.value:.3f}",
        "over its best member": over_best,
        "gain of its views": place.over_original.signed if place.over_original else "–",
        "networks x images": f"{place.networks} x {place.images}",
        "parameters": f"{place.parameters / 1e6:.1f} M",
        "photos/s": "–" if np.isnan(place.rate) else f"{place.rate:,.0f}",
    }


def markdown_table(rows: Sequence[dict[str, str]]) -> str:
    """The table in Markdown."""
    lines = [list(rows[0]), ["---"] + ["---:"] * (len(rows[0]) - 1), *(list(row.values()) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\nIn brackets 95 % intervals over people, {DRAWS:,} draws. Made by `make standings`."


def draw_places(places: Sequence[Place], path: Path) -> None:
    """Macro F1 and its interval of each, beside what a photo costs."""
    figure = Figure(figsize=(10, 0.42 * len(places) + 1.4), layout="constrained")
    scores, costs = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    heights = np.arange(len(places))[::-1]
    for height, place in zip(heights, places, strict=True):
        estimated = place.macro_f1
        scores.plot([estimated.low, estimated.high], [height] * 2, color="tab:blue", linewidth=2.5, alpha=0.5)
        scores.plot(estimated.value, height, "o", color="tab:blue")
        scores.annotate(
            f"{estimated.value:.3f}",
            (estimated.value, height),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    scores.set_yticks(heights, [place.name for place in places])
    scores.set_ylim(-0.6, len(places) - 0.2)
    scores.set_xlabel("macro F1 out of fold, 95 % over people")
    costs.barh(heights, [place.networks * place.images for place in places], color="tab:gray", height=0.5)
    costs.set_xlabel("forward passes a new photo")
    for axes in (scores, costs):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
