"""The folder of an audit: what is written into it, and what a person decided in it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from faces.cache.crops import crop_cure
from faces.cache.reader import Cache
from faces.command import from_table, typed
from faces.files import write_atomically
from faces.foreign.table import read_table
from faces.labels import CONTEST
from faces.storage.cells import csv_bytes
from faces.storage.documents import read_document, write_document
from preprocess.settings import PreprocessSettings
from report.audit.draft import COLUMNS, earlier_corrections, merged, read_audit

AUDIT, DRAFT, CARD, DECIDED, PAGE = (
    "audit.csv",
    "corrections.csv",
    "audit.json",
    "decisions.csv",
    "audit.html",
)
KEEP, CHANGE, UNKNOWN_LABEL = "keep", "change", "unknown"
"""Decisions on a suggestion; another value of its factor is one, too."""
_AGAIN: Final = "make the audit again (make audit)"


@dataclass(frozen=True, kw_only=True)
class Card:
    """audit.json: what an audit is of."""

    cache: str
    """Folder of the cache."""
    identity: str
    """`Cache.identity`."""
    subject: str
    """Name of the recipe or ensemble that answered."""
    data: str = ""
    """The photos of the cache; "" where nobody said."""
    audit_sha256: str
    """Of audit.csv, whose numbers the decisions name."""


@dataclass(frozen=True)
class Audit:
    """A finished audit, to be decided on."""

    folder: Path
    card: Card
    cache: Cache
    table: pd.DataFrame
    """audit.csv."""

    @property
    def numbers(self) -> list[int]:
        """Of the suggestions, in their order."""
        return [int(number) for number in self.table["number"].unique()]


def write_draft(folder: Path, table: pd.DataFrame, card: Mapping[str, str], cache: Cache) -> None:
    """Write audit.csv, the draft of corrections.csv, and audit.json last.

    Raises:
        ValueError: the folder holds decisions on another audit, which are nobody's to throw away.
    """
    data = csv_bytes(table)
    digest = hashlib.sha256(data).hexdigest()
    decided = folder / DECIDED
    if decided.is_file():
        before = folder / AUDIT
        if not before.is_file() or hashlib.sha256(before.read_bytes()).hexdigest() != digest:
            raise ValueError(
                f"{decided}: decisions on another audit than this one; give another folder (OUT=), or move "
                "it elsewhere"
            )
    write_atomically(folder / AUDIT, data)
    if not decided.is_file():
        write_corrections(
            folder,
            table,
            {int(n): CHANGE for n in table["number"][table["flagged"] == "yes"]},
            cache,
            "not looked at yet",
        )
    write_document(folder / CARD, {**card, "audit_sha256": digest})


def open_audit(folder: Path) -> Audit:
    """The audit of a folder.

    Raises:
        ValueError: there is none, one of its files was changed, or its cache is another one by now.
    """
    card: Card = from_table(Card, read_document(folder / CARD, _AGAIN), folder / CARD)
    path = folder / AUDIT
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != card.audit_sha256:
        raise ValueError(f"{path}: missing, or not as the audit wrote it; {_AGAIN}")
    cache = Cache.open(Path(card.cache))
    if cache.identity != card.identity:
        raise ValueError(
            f"{cache.folder}: cache {cache.identity[:12]}, and {folder} is an audit of {card.identity[:12]}; "
            f"{_AGAIN}"
        )
    return Audit(folder, card, cache, read_audit(path))


def read_decisions(audit: Audit) -> dict[int, str]:
    """Decisions by number of the suggestion, in the order in which they were made.

    Raises:
        ValueError: a row that decides nothing; file and row are named.
    """
    path = audit.folder / DECIDED
    if not path.is_file():
        return {}
    factors = dict(zip(audit.table["number"].astype(str), audit.table["column"], strict=True))
    found: dict[int, str] = {}
    for line, row in read_table(path, ("number", "decision")).iterrows():
        number, decision = row["number"], row["decision"]
        if number not in factors or not is_decision(decision, factors[number], audit.cache):
            raise ValueError(
                f"{path}, row {line}: {number!r}, {decision!r} decides on no suggestion of {AUDIT}; correct "
                "the row, or remove it"
            )
        found[int(number)] = decision
    return found


def is_decision(text: str, factor: str, cache: Cache) -> bool:
    """Whether a text decides on a label: keep, change, unknown, or a value of the factor."""
    return text in (KEEP, CHANGE, UNKNOWN_LABEL, *cache.label_set.factor(factor).classes)


def save_decisions(audit: Audit, decisions: Mapping[int, str]) -> None:
    """Write decisions.csv, then the corrections that follow: what was kept, or not looked at, is none."""
    table = pd.DataFrame([*decisions.items()], columns=["number", "decision"])
    write_atomically(audit.folder / DECIDED, csv_bytes(table))
    write_corrections(audit.folder, audit.table, decisions, audit.cache, "looked at")


def write_corrections(
    folder: Path, table: pd.DataFrame, decisions: Mapping[int, str], cache: Cache, looked: str
) -> None:
    """Write corrections.csv: what stage 1 corrected before, and what is decided to be changed.

    Args:
        folder: of the audit.
        table: `audit_table`.
        decisions: by number.
        cache: that was audited.
        looked: whether a person did, for the column why.
    """
    rows = []
    for row in table.to_dict("records"):
        decision = decisions.get(int(row["number"]), KEEP)
        if decision != KEEP:
            value = row["value"] if decision == CHANGE else decision
            said = f"networks {row['value']}, {100 * float(row['confidence']):.0f} % out of fold"
            why = f"label audit, {looked}: {said}"
            rows.append((row["path"], row["person"], row["column"], value, why))
    new = pd.DataFrame(rows, columns=[*COLUMNS])
    write_atomically(folder / DRAFT, csv_bytes(merged(earlier_corrections(cache), new, cache)))


def next_lines(folder: Path, cache: Cache, data: str) -> list[str]:
    """What makes a cache of the corrected labels, as it is typed."""
    defaults = PreprocessSettings(data=Path("a"), cache=Path("b")).crop_settings()
    cure = crop_cure(cache.description["settings"], defaults, ())
    options = ["--corrections", str(folder / DRAFT)]
    notes = []
    if cure.startswith("ARGS="):
        options += shlex.split(shlex.split(cure)[0].removeprefix("ARGS="))
    else:
        notes.append(f"{cache.folder} was cropped with {cure}")
    if cache.label_set.factors != CONTEST.factors:
        notes.append("with LABELS= and names of columns, if the cache was made with any")
    source = str(cache.description["source"].get("folder", "photos"))
    if cache.description["source"].get("layout") == "joined":
        return [
            f"{cache.folder} was joined of {source}: preprocess the photos of each again with its own rows "
            f"of {folder / DRAFT} (--corrections), into other caches",
            "next: make join CACHES=... CACHE=caches/name, of those",
        ]
    if not data:
        notes.append(f"DATA is the folder {source} of the photos that {cache.folder} was made of")
    corrected = cache.folder.with_name(f"{cache.folder.resolve().name}-corrected")
    line = (
        f"next: make preprocess DATA={typed(data or source)} CACHE={typed(corrected)} ARGS={typed(options)}"
    )
    return [*notes, line]
