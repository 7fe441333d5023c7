"""The table of a run of faults, and the list of those that ended badly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.commands import kind_of
from tests.faults.outcome import BAD, Outcome


@dataclass(frozen=True)
class Result:
    """A fault and a command that met it."""

    file: str
    kind: str
    """Of fault."""
    what: str
    command: str
    """As a person types it."""
    outcome: Outcome
    why: str = ""
    told: str = ""
    """What was printed, where the outcome is bad."""


def markdown(results: Sequence[Result]) -> str:
    """The table: a row for each kind of fault and of file, a column for each outcome."""
    counts: dict[tuple[str, str], Counter[Outcome]] = {}
    for result in results:
        counts.setdefault((kind_of(result.file), result.kind), Counter())[result.outcome] += 1
    head = ["file", "fault", *Outcome]
    lines = [f"| {' | '.join(head)} |", f"|---|---|{'---:|' * len(Outcome)}"]
    for (file, kind), found in sorted(counts.items()):
        lines.append(f"| {file} | {kind} | {' | '.join(str(found[o] or '') for o in Outcome)} |")
    total = Counter(result.outcome for result in results)
    lines.append(f"| **all** | | {' | '.join(f'**{total[o]}**' for o in Outcome)} |")
    faults = len({(result.file, result.kind, result.what) for result in results})
    return f"{faults} faults, {len(results)} commands that met them.\n\n" + "\n".join(lines) + "\n"


def bad(results: Sequence[Result]) -> str:
    """Each bad one with its command line and what it printed."""
    found = [result for result in results if result.outcome in BAD]
    parts = [f"{len(found)} of {len(results)} ended badly.\n"]
    parts += [
        f"## {result.outcome}: {result.file}, {result.what} ({result.kind})\n"
        f"`{result.command}`: {result.why}\n\n```\n{result.told[-1200:].strip()}\n```\n"
        for result in sorted(found, key=lambda r: (r.file, r.outcome, r.kind))
    ]
    return "\n".join(parts)
