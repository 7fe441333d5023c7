"""The command that sets trained recipes side by side: scores with intervals, paired differences, costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from faces.command import nearest, run_command
from faces.intervals import DRAWS, drawn_f1, interval, pooled_f1
from train.results.runs import Fold, find_recipes, group_seeds, read_folds
from train.results.standings import Standing, count_people, people_of, remarks, stand

_SEED = 0
"""Of the draws of people."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare trained recipes by what their folds answered to photos they had not seen.

    Intervals hold 95 % of 1,000 draws of as many people as there are; differences are paired: the same people
    in both. Recipes <name>_seed1, <name>_seed2 that differ in nothing but `seed` become one line.
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


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much better than the baseline, over the people whom both have answered for."""

    f1: float
    low: float
    high: float
    """95 % interval of `f1`."""
    people: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """A recipe's place in the comparison."""

    standing: Standing
    comparable: bool
    """Whether its people are divided into folds as the baseline's are."""
    baseline: str
    """The recipe it is compared with; its own name for the baseline itself."""
    difference: Difference | None
    """None for the baseline and where no people are the same or their folds are not."""
    notes: tuple[str, ...]


def paired(one: Standing, other: Standing) -> Difference | None:
    """The macro F1 of `one` less that of `other`, on the photos that all seeds of both have answered.

    Returns:
        None where they have no such photo or are not judged by the same tasks.
    """
    if one.tasks != other.tasks:
        return None
    tables = [*one.answers, *other.answers]
    common = tables[0].index
    for table in tables[1:]:
        if not table.index.equals(common):
            common = common.intersection(table.index)
    if not len(common):
        return None
    tables = [table[table.index.isin(common)] for table in tables]
    people, mine = people_of(tables), len(one.seeds)
    sides = [count_people(part, people) for part in (tables[:mine], tables[mine:])]
    first, second = (drawn_f1(parts, draws=DRAWS, seed=_SEED) for parts in sides)
    low, high = interval(first - second)
    return Difference(f1=pooled_f1(sides[0]) - pooled_f1(sides[1]), low=low, high=high, people=len(people))


def compare(standings: Sequence[Standing], baseline: str = "") -> list[Line]:
    """Lines of all recipes: those judged by the same tasks together, the best first.

    Args:
        standings: at least one.
        baseline: name of a recipe; when empty, the best comparable one of those judged by the same tasks.

    Raises:
        ValueError: a baseline that is not among them.
    """
    ordered = sorted(standings, key=lambda s: (s.tasks != ("class18",), s.tasks, -s.score, s.name))
    named = [s for s in ordered if baseline in (s.name, s.name.split(" (")[0])]
    if baseline and not named:
        raise ValueError(f"baseline={baseline!r} is not among them: {nearest(baseline, _names(ordered))}")
    # Ties go to the better one.
    divisions = Counter(_division(s) for s in (named[:1] if baseline else ordered))
    reference = dict(divisions.most_common(1)[0][0])
    lines = []
    for standing in ordered:
        alike = [s for s in ordered if s.tasks == standing.tasks]
        good = [s for s in alike if remarks(s, reference)[0]] or alike
        base = next((s for s in named[:1] if baseline and s in alike), good[0])
        comparable, notes = remarks(standing, reference)
        difference = paired(standing, base) if comparable and standing is not base else None
        line = Line(
            standing=standing,
            comparable=comparable,
            baseline=base.name,
            difference=difference,
            notes=(*notes, *_pair_notes(standing, base, difference)),
        )
        lines.append(line)
    return lines


def _names(standings: Sequence[Standing]) -> list[str]:
    return [standing.name for standing in standings]


def _division(standing: Standing) -> tuple[tuple[str, object], ...]:
    return tuple(standing.folds[0].division.items())


def _pair_notes(standing: Standing, base: Standing, difference: Difference | None) -> list[str]:
    if standing is base:
        return []
    notes = []
    if standing.folds[0].request["cache"] != base.folds[0].request["cache"]:
        notes.append(f"trained on another cache than {base.name}")
    if difference and difference.people < max(len(people_of(s.answers)) for s in (standing, base)):
        notes.append(f"its difference is over the {difference.people} people whom {base.name} has too")
    return notes


def read_standings(roots: Sequence[Path]) -> tuple[list[Standing], list[str]]:
    """Standings of all recipes in some folders, and a line on each that has none.

    Raises:
        ValueError: none has.
    """
    recipes: dict[str, tuple[Fold, ...]] = {}
    notes = []
    for name, folder in track(find_recipes(roots).items(), "reading runs", transient=True):
        try:
            recipes[name] = read_folds(folder)
        except ValueError as error:
            notes.append(f"{name}: left out: {error}")
    if not recipes:
        raise ValueError(f"nothing to compare: {'; '.join(notes)}")
    groups, kept_apart = group_seeds(recipes)
    scored = track(groups.items(), "drawing people", transient=True)
    return [stand(n, seeds, draws=DRAWS, seed=_SEED) for n, seeds in scored], [*notes, *kept_apart]


def run(settings: Settings) -> None:
    """Compare, print, draw and write."""
    from train.results.compare_report import draw_comparison, markdown_tables, print_tables, replace_block

    console = Console()
    standings, notes = read_standings(settings.runs)
    lines = compare(standings, settings.baseline)
    notes += [f"{line.standing.name}: {note}" for line in lines for note in line.notes]
    print_tables(lines, notes, console)
    draw_comparison(lines, settings.out)
    console.print(f"picture: {settings.out}", highlight=False, soft_wrap=True)
    if settings.markdown is not None:
        command = f'make compare RUNS="{" ".join(map(str, settings.runs))}"'
        if settings.baseline:
            command += f" BASELINE={settings.baseline}"
        replace_block(settings.markdown, settings.block, markdown_tables(lines, notes, command))
        console.print(f"tables: {settings.markdown}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_command(Settings, run)
