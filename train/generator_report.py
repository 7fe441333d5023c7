"""Judging a fold's generator: scores.json, samples.png and neighbours.png."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from faces.labels import CLASS_COUNT, FloatArray, IntArray
from faces.writer import write_atomically
from train.generator import Field, Generator, sample
from train.generator_plan import GeneratorPlan, crops_of, noise
from train.generator_scores import (
    Eye,
    copied,
    features_of,
    frechet_distance,
    judged_classes,
    kernel_distance,
    nearest,
    recognition,
    rivals,
)
from train.generator_sheet import draw_classes, draw_pairs
from train.recipe import Recipe

SCORES, SAMPLES, NEIGHBOURS = "scores.json", "samples.png", "neighbours.png"
MOST = 500
"""Crops of each kind that are compared, at most."""
_COLUMNS = 8
PICTURED = CLASS_COUNT * _COLUMNS
"""Samples in samples.png."""
_PAIRS = 16
_FIRST = 100_000
"""Number of the first scored sample among a generator's."""
_BATCH = 60


@dataclass(frozen=True, kw_only=True)
class Judges:
    """What samples are compared with."""

    features: Eye
    """Gives the features of all distances."""
    judge: Eye | None
    """Tells classes; without it labels are not checked."""
    recipe: Recipe | None
    """The judge's."""


def make_samples(
    field: Field,
    plan: GeneratorPlan,
    classes: IntArray,
    *,
    first: int,
    steps: int,
    guidance: float,
    tell: Any = lambda _: None,
) -> Tensor:
    """Samples float [n, 3, S, S] of these classes, numbered from `first`: equal numbers have equal noise.

    Args:
        field: a generator in evaluation mode, or its `closed_form`.
        plan: whose seed gives the noise.
        classes: [n] 18-class codes.
        first: number of the first sample.
        steps: of the solver.
        guidance: see `train.generator.sample`.
        tell: told of how many more samples are made.
    """
    made = []
    for at in range(0, len(classes), _BATCH):
        asked = torch.from_numpy(classes[at : at + _BATCH])
        numbers = range(first + at, first + at + len(asked))
        made.append(sample(field, asked, noise(plan, numbers), steps=steps, guidance=guidance))
        tell(len(asked))
    return torch.cat(made)


def draw_samples(
    generator: Generator, plan: GeneratorPlan, *, steps: int, guidance: float, tell: Any = lambda _: None
) -> None:
    """Write samples.png: eight samples of each of the 18 classes, not chosen."""
    classes = np.repeat(np.arange(CLASS_COUNT), _COLUMNS)
    images = make_samples(generator, plan, classes, first=0, steps=steps, guidance=guidance, tell=tell)
    title = f"generated people, none chosen; guidance {guidance:g}"
    draw_classes(images, classes, plan.folder / SAMPLES, title)


def scored_count(plan: GeneratorPlan, validation: IntArray) -> int:
    """Crops of each kind that `score_samples` compares."""
    return min(MOST, len(validation), len(plan.rows))


def score_samples(
    generator: Generator,
    plan: GeneratorPlan,
    validation: IntArray,
    judges: Judges,
    *,
    steps: int,
    guidance: float,
    tell: Any = lambda _: None,
) -> dict[str, Any]:
    """Compare as many samples, training crops and rivals as there are held-out crops, up to `MOST` of each.

    The samples are asked to have the held-out crops' classes. All crops are compared at the generator's size,
    so that a difference is not one of sharpness alone. `closed form` are samples without what the network has
    learnt. Writes scores.json and neighbours.png.

    Args:
        generator: in evaluation mode.
        plan: what it was trained on.
        validation: rows of held-out people.
        judges: what to compare with.
        steps: of the solver.
        guidance: see `train.generator.sample`.
        tell: told of how many more samples are made.

    Returns:
        The content of scores.json.
    """
    rng = np.random.default_rng(plan.seed)
    count = scored_count(plan, validation)
    held = np.sort(rng.choice(validation, count, replace=False))
    known = np.sort(rng.choice(plan.rows, count, replace=False))
    classes = plan.cache.labels("class18")[held]
    made: dict[str, Any] = {"first": _FIRST, "steps": steps, "guidance": guidance}
    samples = make_samples(generator, plan, classes, **made, tell=tell)
    linear = make_samples(generator.closed_form, plan, classes, **made)
    scores: dict[str, Any] = {"crops of each kind": count, "steps": steps, "guidance": guidance}
    scores |= _distances(plan, judges.features, {"samples": samples, "closed form": linear}, held, known)
    if judges.judge and judges.recipe:
        asked = {
            "samples": iter(torch.split(samples, _BATCH)),
            "closed form": iter(torch.split(linear, _BATCH)),
            "held-out": _crops(plan, held),
        }
        scores["recognised"] = {
            name: recognition(classes, judged_classes(judges.judge, judges.recipe, batches))
            for name, batches in asked.items()
        }
    write_atomically(plan.folder / SCORES, (json.dumps(scores, indent=1) + "\n").encode())
    return scores


def _crops(plan: GeneratorPlan, rows: IntArray) -> Any:
    return crops_of(plan.cache, rows, plan.design.image_size)


def _distances(
    plan: GeneratorPlan, eye: Eye, made: Mapping[str, Tensor], held: IntArray, known: IntArray
) -> dict[str, Any]:
    """Distances to the held-out crops, and to the nearest training crop."""
    known_crops = torch.cat(list(_crops(plan, known)))
    others = rivals(known_crops, seed=plan.seed)
    kinds = {**made, "training": known_crops, **others}
    features = {name: features_of(eye, iter(torch.split(images, _BATCH))) for name, images in kinds.items()}
    target = features_of(eye, _crops(plan, held))
    distances = {}
    for name, values in features.items():
        mean, spread = kernel_distance(values, target, seed=plan.seed)
        distances[name] = {"kid": mean, "kid spread": spread, "frechet": frechet_distance(values, target)}
    copies = _neighbours(
        plan, made["samples"], features["samples"], target, features_of(eye, _crops(plan, plan.rows))
    )
    return {"distance to held-out": distances, "copies": copies}


def _neighbours(
    plan: GeneratorPlan, samples: Tensor, made: FloatArray, target: FloatArray, training: FloatArray
) -> dict[str, Any]:
    """How near samples are to training crops beside how near held-out crops are; writes neighbours.png."""
    near, far = nearest(made, training), nearest(target, training)
    order = np.argsort(near.distance)
    # Half of the pairs are the likeliest copies, half stand for all.
    shown = np.concatenate(
        [order[: _PAIRS // 2], order[:: max(1, len(order) // (_PAIRS // 2))][: _PAIRS // 2]]
    )
    rows = plan.rows[near.place[shown]]
    pixels = torch.cat(list(_crops(plan, rows)))
    names = [f"{near.distance[k]:.3f}" for k in shown]
    title = "samples and their nearest training crops, with the distance: left the nearest of all, right any"
    draw_pairs(samples[torch.from_numpy(shown)], pixels, names, plan.folder / NEIGHBOURS, title)
    return {
        "share nearer than 5 % of held-out": float(copied(near, far).mean()),
        "median distance of samples": float(np.median(near.distance)),
        "median distance of held-out": float(np.median(far.distance)),
        "least distance of samples": float(near.distance.min()),
        "least distance of held-out": float(far.distance.min()),
    }
