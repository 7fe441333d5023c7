"""What fitting an ensemble gains, as tables: untuned, honest and apparent scores side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.intervals import Estimate, estimate, gain
from faces.labels import FloatArray
from faces.terminal.output import print_whole
from infer.ensemble.calibration import log_loss, reliability
from infer.ensemble.tree import Leaf, Node, Override, Vote
from infer.ensemble.vote import Verdict
from infer.evaluate.panels import Scored
from infer.evaluate.scores import band_counts, confidence_of, last_bands
from infer.tune.answered import Answered
from infer.tune.nested import Tuned


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Scores of one way to answer all photos."""

    macro_f1: Estimate
    gain: Estimate | None
    """Gain over the untuned ensemble, paired; None for that itself."""
    last_bands: Mapping[str, tuple[Estimate, Estimate]]
    """Recall and precision of the last band of each factor that is a number, by its short name: 60+."""
    log_loss: float
    ece: float


def outcomes(scored: Scored, untuned: Verdict, tuned: Tuned) -> dict[str, Outcome]:
    """Scores by name: untuned, tuned and honest, tuned and too good.

    Args:
        scored: photos and the task of the answers.
        untuned: answers to all photos of its plan before tuning.
        tuned: the trees and their answers.
    """
    before = scored.counts(scored.part(untuned).classes)
    return {
        "untuned": _outcome(scored, untuned, None),
        "tuned, nested folds": _outcome(scored, tuned.nested, before),
        "tuned, apparent": _outcome(scored, tuned.apparent, before),
    }


def _outcome(scored: Scored, verdict: Verdict, untuned: FloatArray | None) -> Outcome:
    person, truth, task, answers = scored.person, scored.truth, scored.task, scored.part(verdict)
    counts = scored.counts(answers.classes)
    bands = {
        band: band_counts(person, truth, answers.classes, task, factor)
        for factor, band in last_bands(task).items()
    }
    return Outcome(
        macro_f1=estimate([counts]),
        gain=None if untuned is None else gain([counts], [untuned]),
        last_bands={
            band: (estimate([found["recall"]]), estimate([found["precision"]]))
            for band, found in bands.items()
        },
        log_loss=log_loss(answers.probabilities, truth),
        ece=reliability(confidence_of(answers), answers.classes == truth).error,
    )


def print_outcomes(found: Mapping[str, Outcome], console: Console) -> None:
    """Print the scores and how to read them."""
    table = Table(title="out of fold", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    bands = [
        f"{score} {band}"
        for band in next(iter(found.values())).last_bands
        for score in ("recall", "precision")
    ]
    for name in ("macro F1", "against untuned", *bands, "log-loss", "ECE"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in found.items():
        against = "" if one.gain is None else one.gain.signed
        of_bands = [str(value) for pair in one.last_bands.values() for value in pair]
        cells = (str(one.macro_f1), against, *of_bands)
        table.add_row(name, *cells, f"{one.log_loss:.3f}", f"{one.ece:.3f}")
    print_whole(table, console)
    note = "nested: each fold answered by values fitted on the others, what new people would give; apparent: "
    note += "fitted on the photos that score it, too good"
    if caution := next(iter(found.values())).macro_f1.caution:
        note += f"; {caution}"
    console.print(note, highlight=False, soft_wrap=True, style="dim")


def print_values(root: Node, tuned: Tuned, given: Answered, console: Console) -> None:
    """Print every fitted value: before, fitted on all, and how far the folds' fits spread."""
    table = Table(title="fitted values", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "before", "fitted on all", "by fold"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    before, whole = values_of(root, given), values_of(tuned.whole, given)
    folds = [values_of(tree, given) for tree in tuned.folds.values()]
    for name in dict.fromkeys((*before, *whole)):
        value, unfitted = before.get(name, 1.0), 1.0 if name.endswith(" times") else 0.0
        spread = " ".join(f"{fold.get(name, unfitted):.3f}" for fold in folds)
        table.add_row(name, f"{value:.3f}", f"{whole.get(name, unfitted):.3f}", spread)
    print_whole(table, console)


def values_of(root: Node, given: Answered) -> dict[str, float]:
    """Fitted values by name: weights as shares, temperatures, how often values count, thresholds; members
    left out have none, and values that count once."""
    values: dict[str, float] = {}
    for task, node in given.fitted_nodes(root):
        where = "" if task == given.space else f"{task}: "
        if isinstance(node, Override):
            values[f"{where}{node.category} above"] = node.above
        if isinstance(node, Vote):
            named = zip(names_of(node), node.shares, strict=True)
            values |= {f"{where}weight {name}": share for name, share in named}
            values[f"{where}temperature"] = node.temperature
            values |= {
                f"{where}{factor} {value} counts ... times": times
                for factor, adjusted in node.adjust
                for value, times in adjusted
            }
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
