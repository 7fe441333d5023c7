"""One photo file to answers, and those in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from faces.framing.face import Pixels
from faces.photos.files import BadPhoto, inspect_file
from faces.photos.gate import decode_photo
from infer.export.program.predictor import Told
from serve.photo.model import Cut, PhotoModel

UNSURE = 0.6
"""Probability below which the second value is named, too."""
_CERTAIN = 0.995
"""Probability above which no number is named: no network is 100 % sure."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A photo and what was answered of its faces."""

    photo: Pixels
    """RGB [height, width, 3], upright."""
    cuts: tuple[Cut, ...]
    """The faces, or the photo's middle; the one that the photo is about first."""
    faces: int
    """How many were found in all."""
    told: list[dict[str, Told]]
    """What is answered of each cut, by factor."""


def answer(model: PhotoModel, path: Path, *, every: bool) -> Answered:
    """Find, cut and answer.

    Args:
        model: who answers.
        path: of the photo.
        every: answer every face, not the one alone that the photo is about.

    Raises:
        ValueError: no photo that can be read, with the reason.
    """
    if problem := inspect_file(path)[1]:
        raise ValueError(f"photo={path}: {problem}; give a photo")
    data = path.read_bytes()
    try:
        seen = model.see(data)
        photo = np.asarray(decode_photo(data)[0])
    except BadPhoto as bad:
        raise ValueError(f"photo={path}: {bad.reason}; give another photo") from bad
    cuts = seen.cuts if every else seen.cuts[:1]
    return Answered(photo=photo, cuts=cuts, faces=seen.faces, told=model.answer([cut.crop for cut in cuts]))


def in_words(answered: Answered, path: Path) -> list[str]:
    """Lines on the faces and what is answered of each."""
    lines = [f"{path}: {_found(answered)}"]
    several = len(answered.cuts) > 1
    for number, (cut, told) in enumerate(zip(answered.cuts, answered.told, strict=True), 1):
        if several and cut.box:
            left, top, right, bottom = cut.box
            lines.append(f"face {number}, {left:.0f} to {right:.0f} across, {top:.0f} to {bottom:.0f} down")
        width = max(map(len, told))
        lines += [f"  {factor:{width}}  {said(each)}" for factor, each in told.items()]
    return lines


def said(told: Told) -> str:
    """An answer with its probability, and what it may be else where it is not sure."""
    sure = float(told.probabilities[told.place])
    words = f"{told.values[told.place]}, {'over 99%' if sure > _CERTAIN else f'{sure:.0%}'} sure"
    others: Sequence[int] = [k for k in np.argsort(-told.probabilities) if k != told.place]
    if sure < UNSURE and others:
        words += f" (else {told.values[others[0]]}, {float(told.probabilities[others[0]]):.0%})"
    return words


def _found(answered: Answered) -> str:
    if not answered.faces:
        return "no face was found, so this is answered of its middle, and may mean nothing"
    if answered.faces == 1:
        return "one face"
    if len(answered.cuts) == 1:
        return f"{answered.faces} faces; answered is the one that the photo is about (--every for all)"
    return f"{answered.faces} faces"
