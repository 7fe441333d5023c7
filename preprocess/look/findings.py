"""What stands out in a cache: its headline numbers, and what a person should look at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faces.labels import UNKNOWN, IntArray, LabelSet, Task
from preprocess.look.duplicates import Alike
from preprocess.look.framing import proposal, warnings
from preprocess.look.rates import Level, gap, level_of, value_rates
from preprocess.look.survey import Survey

LOST = (0.02, 0.10)
"""Shares of fallback crops from which it is worth a look, and bad: 3.5 % of masked and unmasked portraits
are usual for MTCNN alone."""
REJECTED = (0.0, 0.05)
"""Shares of rejected photos: any is worth a look, and from 5 % on preprocessing itself stops by default."""
GAP = 0.05
"""Difference of two values' detection rates from which a model may learn the value by the framing."""
TINY_SIDE = 40
"""Pixels of the photo: a face of fewer a side is blown up in any usual crop."""
DARK, BRIGHT = 40, 215
"""Mean luma of a face under or above which shadows or highlights have mostly lost their detail."""
COMMON = 0.01
"""Share of crops from which several faces, tiny faces or bad light are worth a look."""


@dataclass(frozen=True)
class Number:
    """One headline number."""

    key: str
    name: str
    value: str
    note: str
    level: Level


@dataclass(frozen=True)
class Finding:
    """One sentence, and the section that shows it."""

    level: Level
    anchor: str
    text: str


def headline_task(labels: LabelSet) -> Task | None:
    """The named task that tells all factors, where there are several, or None."""
    task = labels.task(labels.headline) if labels.headline else None
    return task if task and len(task.parts) > 1 else None


def listed(names: Sequence[str]) -> str:
    """mask, gender and age."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def people(crops: pd.DataFrame) -> pd.Series:
    """Number of crops of every known person."""
    return crops.loc[crops["person"] != "", "person"].value_counts()


def headline(survey: Survey) -> list[Number]:
    """The totals."""
    crops, photos = survey.crops, max(survey.photos, 1)
    rejected, lost = len(survey.cache.rejects), int((~crops["detected"]).sum())
    known = people(crops)
    side = crops["face_side"].median()
    return [
        Number("photos", "photos", f"{survey.photos:,}", "read or rejected", "plain"),
        Number("crops", "crops", f"{len(crops):,}", f"of {survey.cache.size} pixels", "plain"),
        Number("people", "people", f"{len(known):,}" if len(known) else "–", _per_person(known), "plain"),
        Number(
            "rejected",
            "rejected",
            f"{rejected:,}",
            _percent(rejected, photos),
            level_of(rejected / photos, REJECTED),
        ),
        Number("fallbacks", "without a face", f"{lost:,}", _percent(lost, len(crops)), _lost_level(crops)),
        Number("face", "face side", "–" if np.isnan(side) else f"{side:.0f} px", "median", "plain"),
    ]


def findings(survey: Survey, exact: list[list[int]], near: Alike, corrections: int) -> list[Finding]:
    """What to look at, the worst first; empty where nothing stands out.

    Args:
        survey: the cache.
        exact: photos that stand under several people.
        near: pairs of people's crops that look alike.
        corrections: number of labels that were corrected.
    """
    found = [*_losses(survey), *_labels(survey), *_crops(survey.crops)]
    if exact:
        copies = survey.crops.iloc[[row for rows in exact for row in rows]]
        if ((copies["person"] != "") & (copies["person"] != copies["source"])).any():
            text = f"{_count(len(exact), 'file stands', 'files stand')} under more than one person."
        else:  # of nobody named
            text = f"{_count(len(exact), 'file is', 'files are')} there more than once."
        found.append(Finding("bad", "same-files", text))
    if near.total:
        text = f"{_count(near.total, 'pair', 'pairs')} of crops of different people look alike."
        found.append(Finding("warn", "look-alikes", text))
    if corrections:
        text = f"{_count(corrections, 'label was', 'labels were')} corrected."
        found.append(Finding("plain", "corrections", text))
    order = ("bad", "warn", "plain", "good")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _losses(survey: Survey) -> list[Finding]:
    crops, rejects = survey.crops, len(survey.cache.rejects)
    found = []
    if rejects:
        text = f"{_count(rejects, 'photo was', 'photos were')} rejected ({_percent(rejects, survey.photos)})."
        found.append(Finding(level_of(rejects / survey.photos, REJECTED), "rejects", text))
    lost = int((~crops["detected"]).sum())
    level = _lost_level(crops)
    if level in ("warn", "bad"):
        text = f"{_count(lost, 'crop was', 'crops were')} cut at the centre ({_percent(lost, len(crops))})."
        found.append(Finding(level, "fallbacks", text))
    rates = value_rates(crops["detected"], crops, survey.cache.label_set)
    factor = max(rates, key=lambda factor: gap(rates[factor]))
    if gap(rates[factor]) > GAP:
        worst, *_, best = sorted(rates[factor], key=lambda rate: rate.share)
        text = (
            f"Faces are found in {worst.share * 100:.1f} % of {factor} {worst.value} but in "
            f"{best.share * 100:.1f} % of {factor} {best.value}: a model may learn the framing instead "
            f"of the {factor}."
        )
        found.append(Finding("warn", "overview", text))
    framed = [*warnings(survey.framing), *filter(None, [proposal(survey.framing)])]
    return found + [Finding("warn", "framing", f"{text}.") for text in framed]


def _labels(survey: Survey) -> list[Finding]:
    """Of the classes of all factors together, where they have a name and a crop has one; else by factor."""
    labels = survey.cache.label_set
    task, codes = headline_task(labels), labels.encode(survey.crops)
    if task and (classes := task.encode(survey.crops)).max(initial=UNKNOWN) != UNKNOWN:
        return _values(classes, task.classes, "classes", ("class", "classes"))
    found = []
    nothing = all((each < 0).all() for each in codes.values())
    if task or nothing:
        every = "" if nothing else "all of "
        none = f"No photo is labelled with {every}{listed(labels.names)}."
        found.append(Finding("plain", "classes" if task else "counts", none))
    for factor in labels.factors:
        anchor, mine = f"factor-{factor.name}", codes[factor.name]
        if nothing:
            continue
        if (mine >= 0).any():
            found += _values(mine, factor.classes, anchor, ("value", "values"), f"{factor.name}: ")
        else:
            found.append(Finding("plain", anchor, f"No photo is labelled with {factor.name}."))
    return found


def _values(
    codes: IntArray, names: Sequence[str], anchor: str, words: tuple[str, str], of: str = ""
) -> list[Finding]:
    """Crops without a label, and values without a crop."""
    found = []
    lacking = int((codes < 0).sum())
    if lacking:
        text = f"{of}{_count(lacking, 'crop lacks', 'crops lack')} a label."
        found.append(Finding("plain", anchor, text))
    empty = [name for code, name in enumerate(names) if not (codes == code).any()]
    if empty:
        first = ", ".join(empty[:3]) + (" …" if len(empty) > 3 else "")
        text = f"{of}{_count(len(empty), *words)} of {len(names)} without a crop: {first}."
        found.append(Finding("warn", anchor, text))
    return found


def _crops(crops: pd.DataFrame) -> list[Finding]:
    kinds = (
        ("several", crops["faces"] > 1, "show several faces."),
        ("tiny", crops["face_side"] < TINY_SIDE, f"have a face of under {TINY_SIDE} pixels a side."),
        ("darkest", crops["brightness"] < DARK, f"are dark (luma under {DARK})."),
        ("brightest", crops["brightness"] > BRIGHT, f"are bright (luma over {BRIGHT})."),
    )
    found = []
    for anchor, these, what in kinds:
        if these.mean() > COMMON:
            share = _percent(int(these.sum()), len(crops))
            found.append(Finding("warn", anchor, f"{these.sum():,} crops ({share}) {what}"))
    return found


def _lost_level(crops: pd.DataFrame) -> Level:
    return level_of(float((~crops["detected"]).mean()), LOST)


def _percent(count: int, total: int) -> str:
    """0.0 % stands for none only: 1 of 20,000 is < 0.1 %."""
    share = count / max(total, 1)
    return "< 0.1 %" if 0 < share < 0.001 else f"{share * 100:.1f} %"


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _per_person(known: pd.Series) -> str:
    if not len(known):
        return "not known whose"
    least, most = int(known.min()), int(known.max())
    return f"{_count(least, 'crop', 'crops')} each" if least == most else f"{least} to {most} crops each"
