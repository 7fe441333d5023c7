"""`python -m infer.ensemble.catalogue`: every ensemble of a folder as a drawing of its tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.text import Text
from rich.tree import Tree

from faces.command import run_command
from infer.ensemble.file import read_ensemble
from infer.ensemble.tree import Compose, Leaf, Node, Override, Vote, recipes_of
from infer.predict.runs import find_runs
from train.engine.card import BEST_FILE

LEAST_WIDTH = 120
"""Characters of a line, where the output has no width of its own or a smaller one."""
_RULES = {"soft": "mean probability", "log": "geometric mean", "hard": "a vote each", "rank": "mean rank"}


@dataclass(frozen=True, kw_only=True)
class EnsemblesSettings:
    """List ensembles: what each is, its tree, and how many folds of each member are trained.

    A file that does not read is a red line with its mistake, and the exit status is 2.

    Example: make ensembles RUNS=runs
    """

    ensembles: Path = Path("ensembles")
    """Folder of ensemble files."""
    runs: Path = Path("runs")
    """Folder of all runs, to count the trained folds of each member."""


def list_ensembles(settings: EnsemblesSettings) -> None:
    """Draw all trees.

    Raises:
        ValueError: no ensemble, or one that does not read.
    """
    files = sorted(settings.ensembles.glob("*.toml"))
    if not files:
        raise ValueError(f"{settings.ensembles}: no ensemble (.toml file) is there")
    console = Console()
    console.width = max(console.width, LEAST_WIDTH)
    broken = []
    for file in files:
        try:
            console.print(_drawing(file, settings.runs), highlight=False)
        except ValueError as error:
            broken.append(file.name)
            console.print(Text(f"{file.stem}: error: {error}", "red"), soft_wrap=True)
        console.print()
    if broken:
        raise ValueError(f"{len(broken)} of {len(files)} ensembles do not read: {', '.join(broken)}")


def _drawing(file: Path, runs: Path) -> Tree:
    ensemble = read_ensemble(file)
    counts = {name: len([*(runs / name).glob(f"fold*/{BEST_FILE}")]) for name in recipes_of(ensemble.root)}
    title = f"[bold]{escape(ensemble.name)}[/bold]: {escape(ensemble.about)}"
    answers = f"answers {escape(ensemble.task)}; " if ensemble.task else ""
    tree = Tree(f"{title}\n[dim]{answers}views {ensemble.shown_views}; {escape(_state(counts, runs))}[/dim]")
    add_node(tree, ensemble.root, lambda recipe: _folds(counts[recipe]))
    return tree


def _state(counts: Mapping[str, int], runs: Path) -> str:
    """Whether the members with these numbers of folds can vote, and are at the end of their training."""
    if missing := sum(not count for count in counts.values()):
        return f"{missing} of {len(counts)} members not trained"
    try:
        found = [run for folds in find_runs([*counts], runs).values() for run in folds]
    except ValueError as error:
        return f"not ready: {error}"
    half = [f"{run.name} ({run.half_done})" for run in found if run.half_done]
    return f"half done: {', '.join(half)}" if half else "ready"


def _folds(count: int) -> str:
    return (
        f"[green]{count} fold{'s' if count > 1 else ''}[/green]" if count else "[yellow]not trained[/yellow]"
    )


def add_node(tree: Tree, node: Node, note: Callable[[str], str], label: str = "") -> None:
    """Draw a node and all below it as a branch.

    Args:
        tree: where the branch begins.
        node: to draw.
        note: text behind a recipe's name, with rich's markup.
        label: text before the node: what it is to the one above it.
    """
    match node:
        case Leaf():
            tree.add(f"{escape(label)}{escape(node.recipe)}  {note(node.recipe)}")
        case Vote():
            temperature = f", temperature {node.temperature:g}" if node.temperature != 1 else ""
            said = "".join(
                f", {escape(factor)} {escape(value)} counts {times:g} times"
                for factor, values in node.adjust
                for value, times in values
            )
            branch = tree.add(f"{escape(label)}[cyan]vote[/cyan], {_RULES[node.rule]}{temperature}{said}")
            for number, member in enumerate(node.members):
                add_node(branch, member, note, f"{node.weights[number]:g} x " if node.weights else "")
        case Compose():
            branch = tree.add(f"{escape(label)}[cyan]compose[/cyan], fold by fold, of")
            for task, part in node.parts:
                add_node(branch, part, note, f"{task}: ")
        case Override():
            only = " and ".join(f"{factor} is {' or '.join(values)}" for factor, values in node.where)
            guard = f", where {only}" if only else ""
            other = f", else {node.otherwise}" if node.otherwise else ""
            branch = tree.add(
                f"{escape(label)}[cyan]override[/cyan]: becomes {escape(node.category)} where "
                f"{escape(node.task)} gives that more than {node.above:g}{escape(other)}{escape(guard)}"
            )
            add_node(branch, node.base, note, "base: ")
            add_node(branch, node.by, note, "by: ")


def main() -> None:
    """The command line."""
    run_command(EnsemblesSettings, list_ensembles)


if __name__ == "__main__":
    main()
