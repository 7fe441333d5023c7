"""An audit from beginning to end: answers, suspects, what else contradicts itself, and the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache.reader import Cache
from faces.command import typed
from faces.factors import Categories
from faces.files import check_writable, exclusive, write_atomically
from infer.ensemble.tree import Ensemble
from preprocess.look.framing import TRUE
from preprocess.look.survey import Survey, survey_crops
from report.audit.answers import Answers, answers_of
from report.audit.draft import (
    Suggestion,
    audit_table,
    earlier_corrections,
    renamed_people,
    suggest_labels,
    suggest_swaps,
)
from report.audit.folder import AUDIT, DRAFT, PAGE, write_draft
from report.audit.page import Found, Judged, render_page
from report.audit.people import disagreements
from report.audit.pixels import padding_of
from report.audit.suspects import Units, suspects_of, units_of
from report.audit.swaps import Swap, swaps_of
from report.audit.twins import twins_of


@dataclass(frozen=True, kw_only=True)
class AuditPlan:
    """What is audited by whose answers."""

    subject: Ensemble
    """A recipe alone, or an ensemble."""
    runs: Path
    """Folder of all runs."""
    cache: Path
    data: Path | None
    """The photos of the cache, for the command that comes next."""
    out: Path


def audit(plan: AuditPlan, console: Console) -> None:
    """Write audit.html, audit.csv, audit.json and a draft of corrections.csv.

    Raises:
        ValueError: as `answers_of`, or the folder holds decisions on another audit, or is being written.
        OSError: the folder cannot be written.
    """
    cache = Cache.open(plan.cache)
    answers = answers_of(plan.subject, plan.runs, cache)
    with exclusive(plan.out, doing="auditing into it", cure="give another folder (OUT=)"):
        check_writable(plan.out)
        judged, suggestions = judge(answers, cache)
        survey = survey_crops(cache)
        found = _found(answers, judged, suggestions, survey)
        card = {
            "cache": str(plan.cache),
            "identity": cache.identity,
            "subject": plan.subject.name,
            "data": "" if plan.data is None else str(plan.data),
        }
        write_draft(plan.out, audit_table(suggestions), card, cache)
        write_atomically(plan.out / PAGE, render_page(found, cache, plan.subject.name, plan.out).encode())
    _say(found, plan.out, console)


def judge(answers: Answers, cache: Cache) -> tuple[list[Judged], list[Suggestion]]:
    """What is suspect of each factor, and what is suggested: swaps first, then factor after factor."""
    earlier = earlier_corrections(cache)
    by_path = renamed_people(earlier, cache)
    judged: list[Judged] = []
    swapped: list[Suggestion] = []
    labelled: list[Suggestion] = []
    for name, probabilities in answers.by_factor.items():
        factor, codes = cache.label_set.factor(name), answers.codes(cache, name)
        units = units_of(answers.photos, factor, codes, probabilities)
        suspects = suspects_of(units)
        pairs: list[Swap] = []
        if factor.per == "photo" and isinstance(factor, Categories):
            pairs = swaps_of(answers.photos["person"], codes, probabilities)
        flagged = sum(each.flagged for each in suspects)
        taken = {row for pair in pairs for row in pair.rows}
        alone = [each for each in suspects if not taken & {*each.rows.tolist()}]
        swapped += suggest_swaps(pairs, factor, answers)
        labelled += suggest_labels(alone, factor, answers, by_path)
        judged.append(
            Judged(name, factor.per, len(units.rows), _agreeing(units), len(suspects), flagged, len(pairs))
        )
    # Sure ones first, whatever the factor: people have ten minutes.
    return judged, [*swapped, *sorted(labelled, key=lambda each: not each.flagged)]


def _agreeing(units: Units) -> float:
    return float((units.probabilities.argmax(1) == units.labels).mean())


def _found(answers: Answers, judged: list[Judged], suggestions: list[Suggestion], survey: Survey) -> Found:
    cache = survey.cache
    return Found(
        judged=judged,
        alone=[*answers.alone.values()],
        suggestions=suggestions,
        disagreements=disagreements(answers, cache),
        places=answers.photos["row"].to_numpy(np.int64),
        twins=twins_of(survey.crops, survey.hashes, cache.label_set),
        padding=padding_of(survey.framing.crops[TRUE].to_numpy(float), survey.crops, cache.label_set),
    )


def _say(found: Found, out: Path, console: Console) -> None:
    for each in found.judged:
        console.print(each.told, highlight=False, soft_wrap=True)
    lines = [*found.alone, *found.told, f"written to {out}: {PAGE}, {AUDIT}, {DRAFT} (a draft)"]
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)
    if found.suggestions:
        console.print(f"next: make audit-confirm AUDIT={typed(out)}", highlight=False, soft_wrap=True)
