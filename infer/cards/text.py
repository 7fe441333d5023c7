"""A model card as Markdown, from the cards of runs and what they scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import tomli_w

from faces.cache.description import file_sha256
from faces.command import to_table
from faces.factors import Factor, Number
from faces.labels import Task
from faces.pages.markdown import render_markdown
from faces.sample.note import drawn_note
from faces.terminal.output import print_notes
from infer.cards.limits import limits_of
from infer.evaluate.table import Evaluation, sections
from infer.predict.runs import Run
from train.environment import last_life
from train.recipe.recipe import Recipe
from train.weights.known import KNOWN

CARD: Final = "model_card.md"
_VERSIONS: Final = (
    "python",
    "torch",
    "timm",
    "nvidia-dali-cuda130",
    "nvidia-dali-cuda120",
    "numpy",
    "scikit-learn",
)
"""Packages whose versions results follow from."""
_METRICS: Final = {"macro_f1": ("f1", "macro F1"), "accuracy": ("accuracy", "accuracy")}
"""Scores in the header: their type and name there."""


def model_card(
    name: str, about: str, runs: Sequence[Run], evaluation: Evaluation | None = None, task: Task | None = None
) -> str:
    """What must be known of networks before they are used; the same files give the same text.

    Args:
        name: of the ensemble or recipe.
        about: what it is, in its author's words; "" where nothing is said.
        runs: all that answer, one or more.
        evaluation: what they scored out of fold; None where nothing scores them.
        task: that they were scored in.
    """
    recipes = {run.name.rpartition("/")[0]: run.card.recipe for run in runs}
    return render_markdown(
        "infer.cards",
        "model_card.md.j2",
        name=name,
        about=about,
        header=_header(name, runs, evaluation),
        drawn=drawn_note(any(run.card.drawn for run in runs)),
        factors=[_factor_row(factor) for factor in runs[0].card.labels.factors if factor.name in _told(runs)],
        runs=runs,
        recipes={recipe: tomli_w.dumps(to_table(fields)) for recipe, fields in recipes.items()},
        starts={recipe: start_of(fields) for recipe, fields in recipes.items()},
        shares=_shares(runs),
        crop=", ".join(f"{key} {_plain(value)}" for key, value in runs[0].card.crop.items()),
        caches=sorted({run.card.cache[:12] or "not recorded" for run in runs}),
        divisions=sorted({_division(run) for run in runs}),
        conditions=evaluation.conditions if evaluation else {},
        sections=sections(evaluation, task) if evaluation and task else [],
        limits=limits_of(runs, evaluation),
        machines=_machines(runs),
        digests={run.name: file_sha256(run.path) for run in runs},
    )


def start_of(recipe: Recipe) -> str:
    """In words, the weights that a recipe's networks start from, and under which licence those are."""
    if recipe.begin_with:
        return f"the networks that the recipe `{recipe.begin_with}` trained on the same folds: see their card"
    if recipe.weights in KNOWN:
        known = KNOWN[recipe.weights]
        source = f"{known.package} {known.version}"
        return (
            f"`{known.name}` ({source}), by {known.author}; learned from {known.learned_from}; licence "
            f"{known.licence}"
        )
    if recipe.weights:
        return f"the file `{Path(recipe.weights).name}`, whose source and licence the run does not record"
    if recipe.pretrained:
        return f"the pretrained weights of `{recipe.backbone}`, whose licence their hub tells"
    return "random weights"


def _header(name: str, runs: Sequence[Run], evaluation: Evaluation | None) -> list[str]:
    """The lines of the YAML header that are not alike in all cards; JSON is YAML."""
    drawn = ["drawn-people"] if any(run.card.drawn for run in runs) else []
    lines = [f"tags: {json.dumps(['face-photos', *drawn, *_told(runs)], ensure_ascii=False)}"]
    if evaluation is None:
        return lines
    cache = f"cache {runs[0].card.cache[:12]}" if runs[0].card.cache else "cache not recorded"
    scores = evaluation.scores.overall.scores
    metrics = [
        {"type": kind, "name": f"{said}, out of fold", "value": round(scores[score].value, 4)}
        for score, (kind, said) in _METRICS.items()
    ]
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"type": "facefold-cache", "name": cache},
        "metrics": metrics,
    }
    return [
        *lines,
        'metrics: ["f1", "accuracy"]',
        f"model-index: {json.dumps([{'name': name, 'results': [result]}], ensure_ascii=False)}",
    ]


def _told(runs: Sequence[Run]) -> list[str]:
    return [*dict.fromkeys(name for run in runs for name in run.told)]


def _factor_row(factor: Factor) -> tuple[str, str]:
    unit = f" ({factor.unit})" if isinstance(factor, Number) and factor.unit else ""
    return f"{factor.name}{unit}", ", ".join(factor.classes)


def _shares(runs: Sequence[Run]) -> dict[str, list[tuple[str, str]]]:
    """By task, each class and its share among the training photos, in the mean over runs that have it."""
    found: dict[str, list[tuple[str, str]]] = {}
    for task in dict.fromkeys(task for run in runs for task in run.card.prior):
        rows = [run.card.prior[task] for run in runs if task in run.card.prior]
        labels = next(run.card.labels for run in runs if task in run.card.prior)
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        classes = labels.task(task).classes
        found[task] = [(name, f"{share:.1%}") for name, share in zip(classes, means, strict=True)]
    return found


def _division(run: Run) -> str:
    card = run.card
    return f"{card.folds} folds, scheme `{card.scheme}`, seed {card.fold_seed}"


def _machines(runs: Sequence[Run]) -> list[str]:
    """What the runs were last trained with, each once."""
    return [*dict.fromkeys(_machine(run.path.parent) for run in runs)]


def _machine(folder: Path) -> str:
    """What a run was last trained with; where its record is gone or damaged, a note says so."""
    try:
        life = last_life(folder)
    except ValueError as error:
        print_notes([f"note: {error}"])
        return "not recorded"
    versions = ", ".join(f"{name} {life['versions'][name]}" for name in _VERSIONS if name in life["versions"])
    git = life["git"] or {}
    changed = " with changes" if git.get("dirty") else ""
    commit = f"commit {git['commit'][:12]}{changed}" if git else "no commit"
    gpus = ", ".join(gpu["name"] for gpu in life["gpus"]) or "no GPU"
    return f"{versions}; {commit}; {life.get('processor')}, {gpus}"


def _plain(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
