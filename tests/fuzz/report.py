"""What is printed of the targets."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from tests.fuzz.drive import Totals


def progress_line(totals: Totals) -> str:
    """How far a target is."""
    return (
        f"{totals.name:10} {totals.inputs:9,} inputs {totals.inputs / max(totals.seconds, 1e-9):7,.0f}/s "
        f"{totals.refused:9,} refused {totals.accepted:9,} accepted {totals.failed:6,} failures"
    )


def totals_table(all_totals: Sequence[Totals]) -> Table:
    """The end: a row a target."""
    table = Table(title="Damaged files, by reader")
    table.add_column("target")
    for name in ("inputs", "per second", "refused", "accepted", "failures", "kinds of failure"):
        table.add_column(name, justify="right")
    for totals in all_totals:
        rate = totals.inputs / max(totals.seconds, 1e-9)
        counts = (totals.inputs, rate, totals.refused, totals.accepted, totals.failed, len(totals.failures))
        table.add_row(totals.name, *(f"{count:,.0f}" for count in counts))
    table.add_section()
    sums = (
        sum(getattr(each, key) for each in all_totals) for key in ("inputs", "refused", "accepted", "failed")
    )
    inputs, *rest = (f"{count:,}" for count in sums)
    table.add_row("all", inputs, "", *rest, f"{sum(len(each.failures) for each in all_totals):,}")
    return table


def failure_lines(all_totals: Sequence[Totals]) -> list[str]:
    """What failed, and the command that repeats it."""
    return [
        f"{totals.name}: {failure['where']}\n  {failure['told'][:300]}\n"
        f"  again: make fuzz TARGET={totals.name} INPUT={failure['input']}"
        for totals in all_totals
        for failure in totals.failures.values()
    ]
