"""The page on runs or an ensemble, gathered for its template."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rich.console import Console

from faces.pages.folds import count_folds
from faces.pages.render import render
from faces.sample.note import drawn_note
from infer.evaluate.table import MOST_NAMED, Section, sections
from report.answers import Answers, galleries, in_order_of_need
from report.confusions import matrices
from report.counts import count_answers
from report.network_view import view_network
from report.pictures import MOST, records
from report.plots import calibration, curves
from report.thresholds import thresholds

LOOKED_AT = 3
"""Photos of a gallery in which it is shown where the network looks."""
_BESIDE = (
    ("report.html", "report"),
    ("look.html", "what stage 1 made of the photos"),
    ("data_card.md", "card of the data"),
    ("model_card.md", "card of the model"),
    ("audit.html", "labels that may be wrong"),
    ("evaluation.png", "the scores as a picture"),
    ("scores.json", "the scores as a table"),
    ("folds.png", "all folds as a picture"),
)
"""Files that other commands write, and what is in them."""


@dataclass(frozen=True)
class Link:
    """A file near the page."""

    href: str
    """Relative to the page."""
    text: str


def render_report(answers: Answers, folder: Path, errors: str, device: str, console: Console) -> str:
    """The page as HTML.

    Args:
        answers: that it shows.
        folder: in which it will lie.
        errors: name of the table of errors beside it.
        device: where a network is opened up, `cpu` or `cuda`.
        console: where bars are shown.

    Raises:
        ValueError: a run's files are damaged, or a crop of the cache.
    """
    shown = galleries(answers)
    named = [place for gallery in shown for place in gallery.places]
    view = view_network(answers, _looked_at(answers), device, console)
    mapped = [point[0] for point in view.features.points]
    places = in_order_of_need(answers, [*named, *mapped], MOST)
    pictures = records(answers, places, console)
    task = answers.task
    return render(
        "report",
        "report.html.j2",
        {
            "answers": answers,
            "evaluation": answers.subject.evaluation,
            "conditions": _conditions(answers),
            "drawn": drawn_note(any(run.card.drawn for run in answers.subject.every_run)),
            "numbers": _numbers(answers),
            "matrices": matrices(answers),
            "counts": count_answers(
                answers.names, answers.values, answers.true_parts, answers.answered_parts
            ),
            "folds": count_folds(answers.photos, answers.subject.scored.labels),
            "curves": curves(answers.subject.scored.plan.runs),
            "tables": _tables(answers),
            "classes": answers.subject.evaluation.scores.classes,
            "missing": _missing(answers),
            "slices": answers.subject.evaluation.scores.slices,
            "calibration": calibration(answers),
            "thresholds": thresholds(answers),
            "galleries": shown,
            "view": view,
            "links": _links(answers, folder),
            "errors": errors,
            "wrong": int(answers.wrong.sum()),
            "left_out": len(answers.truth) - len(places),
            "data": {
                "photos": pictures,
                "parts": [
                    {"name": n, "values": v} for n, v in zip(answers.names, answers.values, strict=True)
                ],
                "classes": answers.classes,
                "sizes": list(task.sizes),
                "map": view.features.points,
            },
        },
        script=(Path(__file__).parent / "report.js").read_text(encoding="utf-8"),
    )


def _looked_at(answers: Answers) -> list[int]:
    """Photos that the run opened up left out: its most confident errors, then typical right answers."""
    fold = answers.opened.card.fold
    folds = answers.photos["fold"].to_numpy()
    errors, _, right = galleries(answers)
    every = [[place for place in gallery.places if folds[place] == fold] for gallery in (errors, right)]
    return [place for places in every for place in places[:LOOKED_AT]]


def _conditions(answers: Answers) -> dict[str, str]:
    """What must be known to read the scores, and of each recipe what was trained."""
    found = dict(answers.subject.evaluation.conditions)
    for recipe, runs in answers.subject.scored.plan.runs.items():
        made = runs[0].card.recipe
        weights = f"weights {Path(made.weights).name}" if made.weights else ""
        weights = weights or ("weights of ImageNet" if made.pretrained else "no weights to start from")
        found[f"recipe {recipe}"] = (
            f"{made.backbone} at {made.image_size} pixels, {weights}, {made.epochs} epochs, "
            f"tasks {', '.join(made.tasks)}, seed {made.seed}, {made.precision}"
        )
    return found


def _numbers(answers: Answers) -> list[tuple[str, str, str]]:
    """Name, value and note of the headline's scores."""
    evaluation = answers.subject.evaluation
    overall = evaluation.scores.overall
    found = [("Photos", f"{overall.photos:,}", f"of {overall.people:,} people")]
    names = {"macro_f1": "Macro F1", "accuracy": "All right" if len(answers.names) > 1 else "Right"}
    for key, score in overall.scores.items():
        name = names.get(key, f"{key} right")
        found.append((name, f"{score.value:.3f}", f"{score.low:.3f} to {score.high:.3f}"))
    found.append(("Calibration", f"{evaluation.ece:.3f}", "mean gap"))
    return found


def _tables(answers: Answers) -> list[Section]:
    """The tables of the scores that are drawn in no other way: members, views, last bands."""
    whole = sections(answers.subject.evaluation, answers.task)
    drawn = {"classes"} | {f"photos by {factor}" for factor in answers.subject.evaluation.scores.slices}
    return [table for table in whole[1:] if table.title not in drawn]


def _missing(answers: Answers) -> str:
    """Classes that no photo is of."""
    there = {group.name for group in answers.subject.evaluation.scores.classes}
    lost = [name for name in answers.task.classes if name not in there]
    if not lost:
        return ""
    first = ", ".join(lost[:MOST_NAMED]) + (", …" if len(lost) > MOST_NAMED else "")
    return f"No photo is of {len(lost)} of {len(answers.task.classes)} classes: {first}."


def _links(answers: Answers, folder: Path) -> list[Link]:
    """What other commands wrote on the same cache, runs and ensemble, as far as it is there."""
    plan = answers.subject.scored.plan
    recipes = dict.fromkeys(run.path.parent.parent for run in plan.every_run)
    folds = [run.path.parent for run in plan.every_run]
    audits = Path("audits") / plan.cache.folder.resolve().name
    near = {folder: "", plan.cache.folder: "cache", audits: "cache"} | {path: path.name for path in recipes}
    found = []
    for place, name in near.items():
        found += [
            (place / file, f"{name}: {text}".removeprefix(": "))
            for file, text in _BESIDE
            if (place / file).is_file() and (place.resolve(), file) != (folder.resolve(), "report.html")
        ]
    found += [
        (path / "curves.png", f"curves of {path.parent.name}/{path.name}")
        for path in folds
        if (path / "curves.png").is_file()
    ]
    return [Link(quote(Path(os.path.relpath(path, folder)).as_posix()), text) for path, text in found]
