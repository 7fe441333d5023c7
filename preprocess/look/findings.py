"""What stands out in a cache: its headline numbers, and what a person should look at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from faces.labels import CLASS_NAMES, MASKS
from preprocess.look.duplicates import Alike
from preprocess.look.survey import Survey

Level = Literal["plain", "good", "warn", "bad"]

LOST = (0.02, 0.10)
"""Shares of fallback crops from which it is worth a look, and bad: 3.5 % of masked and unmasked portraits
are usual for MTCNN alone."""
REJECTED = (0.0, 0.05)
"""Shares of rejected photos: any is worth a look, and from 5 % on preprocessing itself stops by default."""
FOUND = (0.97, 0.90)
"""Detection rates of a mask class under which it is worth a look, and bad."""
GAP = 0.05
"""Difference of two mask classes' detection rates from which a model may learn the mask by the framing."""
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


@dataclass(frozen=True)
class MaskRate:
    """How many photos of one mask class have a face."""

    mask: str
    photos: int
    found: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.found / self.photos

    @property
    def level(self) -> Level:
        """Whether that is enough."""
        return _level(1 - self.share, (1 - FOUND[0], 1 - FOUND[1]))


def mask_rates(crops: pd.DataFrame) -> list[MaskRate]:
    """Detection rates by mask class; classes without a photo are left out."""
    rates = []
    for code, mask in enumerate(MASKS):
        mine = crops["detected"][crops["mask"] == code]
        if len(mine):
            rates.append(MaskRate(mask, len(mine), int(mine.sum())))
    return rates


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
            _level(rejected / photos, REJECTED),
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
    found = [*_losses(survey), *_classes(survey), *_crops(survey.crops)]
    if exact:
        text = f"{_count(len(exact), 'file stands', 'files stand')} under more than one person."
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
        found.append(Finding(_level(rejects / survey.photos, REJECTED), "rejects", text))
    lost = int((~crops["detected"]).sum())
    level = _lost_level(crops)
    if level in ("warn", "bad"):
        text = f"{_count(lost, 'crop was', 'crops were')} cut at the centre ({_percent(lost, len(crops))})."
        found.append(Finding(level, "fallbacks", text))
    rates = sorted(mask_rates(crops), key=lambda rate: rate.share)
    if rates and rates[-1].share - rates[0].share > GAP:
        worst, best = rates[0], rates[-1]
        text = (
            f"Faces are found in {worst.share * 100:.1f} % of {worst.mask} but in {best.share * 100:.1f} % "
            f"of {best.mask}: a model may learn the framing instead of the mask."
        )
        found.append(Finding("warn", "overview", text))
    return found


def _classes(survey: Survey) -> list[Finding]:
    codes = survey.cache.labels("class18")
    labelled = int((codes >= 0).sum())
    if not labelled:
        return [Finding("plain", "classes", "No photo is labelled with mask, gender and age.")]
    found = []
    if labelled < len(codes):
        text = f"{_count(len(codes) - labelled, 'crop lacks', 'crops lack')} a label."
        found.append(Finding("plain", "classes", text))
    empty = [name for code, name in enumerate(CLASS_NAMES) if not (codes == code).any()]
    if empty:
        names = ", ".join(empty[:3]) + (" …" if len(empty) > 3 else "")
        text = f"{_count(len(empty), 'class', 'classes')} of 18 without a crop: {names}."
        found.append(Finding("warn", "classes", text))
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
    return _level(float((~crops["detected"]).mean()), LOST)


def _level(share: float, limits: tuple[float, float]) -> Level:
    """Good up to the first limit, bad from above the second."""
    warn, bad = limits
    return "bad" if share > bad else "warn" if share > warn else "good"


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
    return f"{least} crops each" if least == most else f"{least} to {most} crops each"
