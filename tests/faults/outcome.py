"""What became of a command that met a fault, beside what it does in the sound world."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tests.faults.reference import Reference, has_lines
from tests.faults.zygote.client import HUNG, Ended

_QUIET = ("warning: ", "note: ")
_OF_LIBRARIES = "\x1b[0;31m[ERROR] \x1b[0m[nvimgcodec]"
"""What a library prints by itself, where it gets no memory."""
_NAMED = re.compile(r"ulimit -|[\w.-]+/[\w.-]|\w+=|\w\.(json|toml|csv|parquet|onnx|tar|safetensors|pt)\b")
TEXTS = (".csv", ".json", ".html", ".toml")


class Outcome(StrEnum):
    """In the order of the table's columns."""

    SURVIVED = "survived bit-equal"
    MADE_AGAIN = "made again, with a note"
    REFUSED = "refused clearly"
    SAID = "left out, and said so"
    ASKED = "another valid file"
    UNCLEAR = "unclear"
    WRONG = "silently wrong"


REFUSED = 2
"""Exit code of a command that refuses."""
BAD = (Outcome.UNCLEAR, Outcome.WRONG)


@dataclass(frozen=True)
class Seen:
    """A command that met a fault."""

    ended: Ended
    fault: str
    """Path of the damaged file."""
    before: Mapping[str, str]
    """Digests of all files before the command, by path."""
    after: Mapping[str, str]
    folder: Path
    sound: Mapping[str, str] = field(default_factory=dict)
    """Digests of the files of the sound world."""
    verifies: bool = False
    """Whether the command is one that checks: it lists what is wrong and exits with code 1."""
    given: bool = False
    """Whether the damaged file is one that people write."""
    maybe_valid: bool = False
    """Whether the damaged file may be another valid one."""


def judge(seen: Seen, reference: Reference, *, printed: bool = True) -> tuple[Outcome, str]:
    """The outcome, and for a bad one why; `printed` is whether what is printed counts."""
    if seen.ended.code == 0:
        difference = _difference(seen, reference, printed)
        if difference and _healed(seen, reference):
            return Outcome.MADE_AGAIN, ""
        if difference and _said(seen):
            return Outcome.SAID, difference
        if difference and (seen.given or seen.maybe_valid):
            return Outcome.ASKED, difference
        if difference:
            return Outcome.WRONG, difference
        told = seen.ended.stderr + seen.ended.stdout
        news = [line for line in told.splitlines() if line.lstrip().startswith(_QUIET)]
        again = any(Path(seen.fault).name in line for line in news) and seen.fault in reference.results
        return (Outcome.MADE_AGAIN if again else Outcome.SURVIVED), ""
    complaint = _verdict(seen.ended) if seen.verifies else _complaint(seen, reference)
    return (Outcome.UNCLEAR, complaint) if complaint else (Outcome.REFUSED, "")


def _healed(seen: Seen, reference: Reference) -> bool:
    """Whether the damaged file is sound again, and all else of the sound world too."""
    return seen.fault in seen.sound and all(
        seen.after.get(path) == found for path, found in seen.sound.items() if path not in reference.loose
    )


def _said(seen: Seen) -> bool:
    """Whether a line tells what was left out for the damage, and the cure."""
    told = (seen.ended.stdout + "\n" + seen.ended.stderr).splitlines()
    return any(seen.fault in line and "; " in line for line in told)


def _difference(seen: Seen, reference: Reference, printed: bool) -> str:
    for path, wanted in reference.results.items():
        found = seen.after.get(path)
        if found != wanted:
            return f"{path} {'is not written' if found is None else 'differs'}"
    for path in reference.gone:
        if path in seen.after:
            return f"{path} is still there"
    for path, lines in reference.texts.items():
        if path not in seen.after:
            return f"{path} is not written"
        if lacking := has_lines((seen.folder / path).read_text(errors="replace"), lines):
            return f"{path} lacks {lacking[:100]}"
    if printed and (lacking := has_lines(seen.ended.stdout, reference.lines)):
        return f"not printed: {lacking[:100]}"
    return ""


def _verdict(ended: Ended) -> str:
    """What is wrong with a list of faults."""
    lines = [line for line in ended.stdout.splitlines() if line.strip()]
    if ended.code != 1:
        return refusal(ended)
    if not lines or ended.stderr.strip():
        return "nothing is named, or stderr is not empty"
    unclear = [line for line in lines if "; " not in line or not _NAMED.search(line)]
    return f"neither file nor cure: {unclear[0]}" if unclear else ""


def _complaint(seen: Seen, reference: Reference) -> str:
    """What is wrong with a refusal."""
    if complaint := refusal(seen.ended, reference.errors, Path(seen.fault).name if seen.given else ""):
        return complaint
    lost = [p for p, d in seen.before.items() if seen.after.get(p) != d and p not in reference.loose]
    if lost:
        return f"refused, but {lost[0]} was changed"
    left = [path for path in seen.after if path.endswith(".tmp") and path not in seen.before]
    return f"{left[0]} was left behind" if left else ""


def refusal(ended: Ended, known: frozenset[str] = frozenset(), given: str = "") -> str:
    """What is wrong with how a process refused; nothing if it did so in one clear line.

    Args:
        ended: the process.
        known: lines that it prints to stderr in any case.
        given: name of a damaged file that people write: where it is named, what to do is to correct it.
    """
    if ended.code == HUNG:
        return "it did not end"
    if ended.code != REFUSED:
        return f"exit code {ended.code}"
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    lines = [line for line in lines if line not in known and not line.startswith((*_QUIET, _OF_LIBRARIES))]
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"{len(lines)} lines on stderr, not one that begins with error:"
    if not _NAMED.search(lines[0]):
        return "neither a file nor a setting is named"
    return "" if "; " in lines[0] or (given and given in lines[0]) else "no cure"
