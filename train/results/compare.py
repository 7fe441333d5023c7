"""The command that sets trained recipes side by side: scores with intervals, paired differences, costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from faces.command import run_command, typed
from faces.files import check_writable
from train.results.comparison import compare, score_recipes


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """Compare trained recipes by what their folds answered to photos they had not seen.

    Intervals hold 95 % of 1,000 draws of as many people as there are; differences are paired: the same people
    in both. Recipes <name>_seed1, <name>_seed2 that differ in nothing but `seed` become one line.

    Example: make compare RUNS="runs/small runs/quick" BASELINE=small
    """

    runs: tuple[Path, ...] = (Path("runs"),)
    """Folders of trained recipes, runs/<recipe>, or folders that hold some, as runs does."""
    baseline: str = ""
    """Recipe from which differences are taken; the best comparable one when left out."""
    out: Path = Path("bench/results/compare.png")
    """Picture of scores and intervals."""
    markdown: Path | None = None
    """Document that takes the tables between its lines <!-- compare:NAME --> and <!-- /compare:NAME -->."""
    block: str = "recipes"
    """The NAME of those lines."""


def run(settings: CompareSettings) -> None:
    """Compare, print, draw and write."""
    # matplotlib takes a second to import, which neither --help nor a mistake should wait for.
    from train.results.compare_report import draw_comparison, markdown_tables, print_tables, replace_block

    console = Console(markup=False)
    check_writable(settings.out.parent)
    scores, notes = score_recipes(settings.runs)
    lines = compare(scores, settings.baseline)
    notes += [f"{line.scores.name}: {note}" for line in lines for note in line.notes]
    notes += dict.fromkeys(filter(None, (line.scores.macro_f1.caution for line in lines)))
    print_tables(lines, notes, console)
    draw_comparison(lines, settings.out)
    console.print(f"picture: {settings.out}", highlight=False, soft_wrap=True)
    if settings.markdown is not None:
        command = f"make compare RUNS={typed(settings.runs)}"
        if settings.baseline:
            command += f" BASELINE={typed(settings.baseline)}"
        replace_block(settings.markdown, settings.block, markdown_tables(lines, notes, command))
        console.print(f"tables: {settings.markdown}", highlight=False, soft_wrap=True)


def main() -> None:
    """The command line."""
    run_command(CompareSettings, run)


if __name__ == "__main__":
    main()
