"""What fitting an ensemble gains, as tables: untuned, honest and apparent scores side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.intervals import Estimate, estimate, gain
from faces.labels import FloatArray, IntArray
from faces.terminal import print_whole
from infer.ensemble.calibration import log_loss, reliability
from infer.ensemble.tree import Leaf, Node, Override, Vote
from infer.ensemble.vote import Verdict
from infer.evaluate.scores import class_counts, confidence_of, senior_counts
from infer.tune.fit import fitted_nodes
from infer.tune.nested import Tuned


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Scores of one way to answer all photos."""

    macro_f1: Estimate
    gain: Estimate | None
    """Gain over the untuned ensemble, paired; None for that itself."""
    recall: Estimate
    """Recall of people of 60 and older."""
    precision: Estimate
    """Precision of people of 60 and older."""
    log_loss: float
    ece: float


def outcome(
    person: IntArray, truth: IntArray, verdict: Verdict, untuned: FloatArray | None = None
) -> Outcome:
    """Score a verdict.

    Args:
        person: [n] numbers of people, from `numbered`.
        truth: [n] 18-class codes.
        verdict: answers to the same photos.
        untuned: counts of the answers that it is compared with.
    """
    counts = class_counts(person, truth, verdict.classes)
    seniors = senior_counts(person, truth, verdict.classes)
    return Outcome(
        macro_f1=estimate([counts]),
        gain=None if untuned is None else gain([counts], [untuned]),
        recall=estimate([seniors["recall"]]),
        precision=estimate([seniors["precision"]]),
        log_loss=log_loss(verdict.probabilities, truth),
        ece=reliability(confidence_of(verdict), verdict.classes == truth).error,
    )


def outcomes(person: IntArray, truth: IntArray, untuned: Verdict, tuned: Tuned) -> dict[str, Outcome]:
    """Scores by name: untuned, tuned and honest, tuned and too good."""
    before = class_counts(person, truth, untuned.classes)
    return {
        "untuned": outcome(person, truth, untuned),
        "tuned, nested folds": outcome(person, truth, tuned.nested, before),
        "tuned, apparent": outcome(person, truth, tuned.apparent, before),
    }


def print_outcomes(found: Mapping[str, Outcome], console: Console) -> None:
    """Print the scores and how to read them."""
    table = Table(title="out of fold", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in ("macro F1", "against untuned", "recall 60+", "precision 60+", "log-loss", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in found.items():
        against = "" if one.gain is None else one.gain.signed
        cells = (str(one.macro_f1), against, str(one.recall), str(one.precision))
        table.add_row(name, *cells, f"{one.log_loss:.3f}", f"{one.ece:.3f}")
    print_whole(table, console)
    note = "nested: each fold answered by values fitted on the others, what new people would give; apparent: "
    note += "fitted on the photos that score it, too good"
    console.print(note, highlight=False, soft_wrap=True, style="dim")


def print_values(root: Node, tuned: Tuned, console: Console) -> None:
    """Print every fitted value: before, fitted on all, and how far the folds' fits spread."""
    table = Table(title="fitted values", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "before", "fitted on all", "by fold"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    before, whole = values_of(root), values_of(tuned.whole)
    folds = [values_of(tree) for tree in tuned.folds.values()]
    for name, value in before.items():
        spread = " ".join(f"{fold.get(name, 0.0):.3f}" for fold in folds)
        table.add_row(name, f"{value:.3f}", f"{whole.get(name, 0.0):.3f}", spread)
    print_whole(table, console)


def values_of(root: Node) -> dict[str, float]:
    """Fitted values by name: weights as shares, temperatures, thresholds; members left out have none."""
    values: dict[str, float] = {}
    for space, node in fitted_nodes(root):
        where = "" if space == "class18" else f"{space}: "
        if isinstance(node, Override):
            values[f"{where}{node.category} above"] = node.above
        if isinstance(node, Vote):
            named = zip(names_of(node), node.shares, strict=True)
            values |= {f"{where}weight {name}": share for name, share in named}
            values[f"{where}temperature"] = node.temperature
    return values


def names_of(vote: Vote) -> list[str]:
    """Names of members: recipes by their name, sub-trees by what they are and hold."""
    return [_name(member) for member in vote.members]


def _name(node: Node) -> str:
    match node:
        case Leaf():
            return node.recipe
        case Vote():
            return f"{node.rule} vote of {', '.join(names_of(node))}"
        case Override():
            return f"{_name(node.base)} with {node.category} by {_name(node.by)}"
    return " x ".join(f"{task} {_name(part)}" for task, part in node.parts)
