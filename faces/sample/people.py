"""Who the drawn people are: a pure function of the seed.

A `Look` is everything that stays the same over a person's photos; a `Shot` is everything that one photo
changes. Positions are in *head units*: u runs from -1 at the left edge of the head to 1 at the right,
v from -1 at the top of the skull to 1 at the chin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from faces.sample.drawing import HEIGHT, WIDTH, Floats, floats

SKINS = np.array([(246, 214, 188), (238, 198, 166), (226, 178, 140), (204, 152, 112), (176, 122, 84)])
HAIRS = np.array([(24, 20, 20), (36, 26, 22), (58, 38, 27), (104, 68, 42), (150, 100, 58), (128, 46, 34)])
HAIR_SHARES = ((0.42, 0.28, 0.12, 0.10, 0.05, 0.03), (0.52, 0.32, 0.13, 0.03, 0.0, 0.0))
IRISES = np.array([(66, 42, 26), (44, 30, 22), (88, 62, 36)])
MASK_KINDS = ("surgical", "cloth", "kn95")
MASK_COLOURS = np.array(
    [
        (150, 192, 218),
        (236, 239, 241),
        (66, 70, 78),
        (122, 172, 162),
        (216, 190, 202),
        (196, 206, 150),
        (112, 120, 168),
    ]
)
"""RGB in [0, 255]; the first two are what surgical masks and KN95s are mostly sold in."""
AGEING = ((18, 26, 35, 54, 64, 78), (0.0, 0.08, 0.40, 0.56, 0.86, 1.0))
"""Years a face looks, and how worn it is: in two spurts, so that a few hundred people can teach the bands."""
DETAILS = ("skin", "wrinkles", "beard", "hair")
WORN, INCORRECT, NORMAL = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Look:
    """A person: the same in all seven photos. Sizes are in head units, colours RGB in [0, 255]."""

    stream: tuple[int, int, int]
    """Seed of the person; `rng` splits it."""
    female: float
    """How feminine the features are: about 1 for women, -1 for men, with overlap."""
    wear: float
    """How old the face looks: 0 at 18 years or younger, 1 at 78 or older, with overlap."""
    skin: Floats
    hair: Floats
    grey: float
    """Share of grey hair in [0, 1]."""
    iris: Floats
    head: tuple[float, float]
    """Half width and half height of the head in pixels at scale 1."""
    jaw: float
    """How much the outline has narrowed at the chin, 0 for a box."""
    eye: tuple[float, float, float]
    """Half width, half opening and rise of the outer corner of an eye, all in half widths of the head."""
    brow: float
    """Thickness of a brow."""
    lips: float
    """Fullness of the lips, 1 on average."""
    makeup: float
    """Strength of lipstick and lashes in [0, 1]."""
    beard: float
    """Opacity of the beard in [0, 1]; under 0.3 it is stubble."""
    hair_ends: float
    """v at which the hair at the sides ends: 0 above the ears, 1 at the chin."""
    volume: float
    """How far the hair stands off the skull."""
    curl: float
    """Amplitude of the waves in the hair's outline."""
    hairline: float
    """Height of the hairline above the temples: 0.3 is a fringe on the brows, 0.6 usual, 0.9 bald."""
    sweep: float
    """Slant of the fringe, negative where it falls to the left."""
    part: float
    """u from which the hair falls to both sides."""
    glasses: int
    """0 for none, 1 for a thin frame, 2 for a thick one."""
    earrings: bool
    cloth: Floats
    collar: int
    """0 round neck, 1 open shirt."""
    wall: Floats
    """[6, 5, 3] colours of the wall behind, stretched smoothly over the photo."""

    def rng(self, detail: str) -> np.random.Generator:
        """The random numbers of one of `DETAILS`: the same in all photos, whatever the others draw."""
        return np.random.default_rng((*self.stream, 1 + DETAILS.index(detail)))


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One photo: pose, light, expression and the mask. Pixels, radians, head units."""

    stream: tuple[int, int, int]
    """Seed of the sensor noise."""
    mask: int
    """Code into `faces.labels.MASKS`."""
    centre: tuple[float, float]
    scale: float
    roll: float
    turn: float
    """Shift of the inner features sideways, in half widths: a turn of the head."""
    nod: float
    """Shift of the inner features downwards, in half heights."""
    light: tuple[float, float]
    """Direction the light comes from, -1 to 1 sideways and upwards."""
    gain: Floats
    """[3] exposure and white balance, a factor for each channel."""
    noise: float
    """Standard deviation of the sensor noise in grey levels."""
    blur: float
    """Sigma of the lens blur in pixels."""
    smile: float
    """Rise of the mouth's corners."""
    open_eyes: float
    """Factor on the opening of the eyes."""
    gaze: float
    mask_kind: str
    mask_colour: Floats
    mask_top: float
    """v of the middle of the mask's upper edge."""
    mask_bottom: float
    """v of the mask's lower edge."""


def _chance(rng: np.random.Generator, probability: float) -> bool:
    return bool(rng.random() < probability)


def _hair_cut(rng: np.random.Generator, woman: bool, wear: float) -> dict[str, float]:
    """Length, volume, hairline and fringe: long for most women, receding with age for most men."""
    draw, fade = rng.random(4), float(rng.normal(0, 0.12))
    if woman:
        long, bob = 0.72 - 0.5 * wear, 0.24 + 0.15 * wear
        kind = 2 if draw[0] < long else 1 if draw[0] < long + bob else 0
        fringe = draw[1] < 0.55 - 0.75 * wear
        hairline = 0.28 + 0.06 * draw[2] if fringe else 0.50 + 0.09 * draw[2] + 0.06 * wear
    else:
        kind = 1 if draw[0] < 0.07 else 0
        fringe = draw[1] < 0.42 - 0.6 * wear
        bare = max(0.0, wear + fade - 0.22) * (0.15 if draw[3] < 0.3 else 0.62)
        hairline = min(0.95, (0.32 if fringe else 0.50) + 0.07 * draw[2] + bare)
    ends = (rng.uniform(-0.08, 0.1), rng.uniform(0.45, 0.8), rng.uniform(1.0, 1.5))[kind]
    volume = rng.uniform(0.05, 0.14) + (0.05 if woman else 0.0) - 0.05 * wear
    perm = woman and kind < 2 and rng.random() < 0.15 + 0.6 * wear
    return {
        "hair_ends": float(ends),
        "volume": float(volume + 0.06 * perm),
        "curl": float(0.05 if perm else rng.uniform(0, 0.012)),
        "hairline": float(hairline),
        "sweep": float(rng.uniform(-0.16, 0.16)),
        "part": float(rng.uniform(-0.5, 0.5)),
    }


def _complexion(rng: np.random.Generator, wear: float) -> Floats:
    tone = rng.uniform(0, len(SKINS) - 1.01)
    light, dark = SKINS[int(tone)], SKINS[int(tone) + 1]
    skin = light + (dark - light) * (tone % 1) + rng.normal(0, 4, 3)
    return floats(skin * (1 - 0.12 * wear) + np.array([2, 0, -15]) * wear)


def _hair_colour(rng: np.random.Generator, colourful: bool) -> Floats:
    hair = HAIRS[rng.choice(len(HAIRS), p=HAIR_SHARES[0 if colourful else 1])]
    return floats(np.clip(hair + rng.uniform(-8, 8) + rng.uniform(-2, 2, 3), 8, 255))


def _eye(gendered: float, wear: float, jitter: ArrayLike) -> tuple[float, float, float]:
    width, opening, rise = np.asarray(jitter)
    half = 0.205 + 0.008 * gendered + 0.008 * width
    half_opening = np.clip(0.100 + 0.008 * gendered + 0.009 * opening - 0.022 * wear, 0.06, 0.13)
    return float(half), float(half_opening), float(0.03 + 0.012 * rise - 0.03 * wear)


def person_look(seed: int, person: int, female: bool, age: int) -> Look:
    """Draws a person. Age and gender show, but with overlap: a face may look some 5 years off.

    Args:
        seed: of the data set, at least 0.
        person: number of the person, from 1: zeros at the end of a seed sequence would make
            two streams equal.
        female: gender.
        age: years.
    """
    stream = (seed, person, 1)
    rng = np.random.default_rng(stream)
    looks = age + rng.normal(0, 5.0)
    wear = float(np.interp(looks, *AGEING))
    gendered = float((1 if female else -1) * np.clip(rng.normal(1, 0.35), -0.3, 1.5))
    dyed = _chance(rng, 0.15 if female else 0.07)
    grey = float(np.clip((looks - rng.normal(40, 5)) / 24, 0, 1)) * (0.12 if dyed else 1.0)
    jitter = rng.normal(0, 1, 8)
    paint = rng.uniform(105, 205) + rng.normal(0, 14, 3)
    return Look(
        stream=stream,
        female=gendered,
        wear=wear,
        skin=_complexion(rng, wear),
        hair=_hair_colour(rng, dyed or wear < 0.35),
        grey=grey,
        iris=floats(IRISES[rng.integers(len(IRISES))]),
        head=(88 - 2 * gendered + 2.5 * jitter[0], 122 - 2 * gendered + 2.5 * jitter[1]),
        jaw=float(np.clip(0.24 + 0.06 * gendered + 0.03 * jitter[2] - 0.05 * wear, 0.1, 0.4)),
        eye=_eye(gendered, wear, jitter[3:6]),
        brow=float(np.clip(0.078 - 0.022 * gendered + 0.009 * jitter[6] - 0.012 * wear, 0.03, 0.13)),
        lips=float(np.clip(1 + 0.12 * gendered + 0.1 * jitter[7] - 0.35 * wear, 0.45, 1.5)),
        makeup=float(np.clip(gendered * rng.uniform(0.25, 1.0), 0, 1)),
        beard=0.0 if female else max(0.0, float(rng.uniform(-0.5, 0.75))),
        glasses=int(rng.choice(3, p=(0.78 - 0.1 * wear, 0.12 + 0.1 * wear, 0.10))),
        earrings=_chance(rng, 0.3 if female else 0.01),
        cloth=floats(np.clip(rng.uniform(40, 200) + rng.normal(0, 32, 3), 20, 235)),
        collar=int(rng.integers(2)),
        wall=floats(paint + rng.normal(0, 9, (6, 5, 1)) + rng.normal(0, 4, (6, 5, 3))),
        **_hair_cut(rng, female, wear),
    )


def _mask_place(mask: int, slip: ArrayLike) -> tuple[float, float]:
    """v of the mask's edges: worn wrongly it is mostly under the nose, else on the chin, seldom too high."""
    way, where = (float(x) for x in np.asarray(slip))
    if mask != INCORRECT:
        return 0.14 + 0.10 * where, 1.05
    if way < 0.25:
        return 0.74 + 0.06 * where, 1.05
    if way > 0.95:
        return 0.02, 0.46
    return 0.37 + 0.08 * where, 1.05


def photo_shot(seed: int, person: int, photo: int, mask: int) -> Shot:
    """Draws the circumstances of one photo; the draws before the mask's are the same for every `mask`.

    Args:
        seed: of the data set, at least 0.
        person: number of the person, from 1.
        photo: number of the photo within the person, from 0.
        mask: code into `faces.labels.MASKS`.
    """
    stream = (seed, person, photo + 2)
    rng = np.random.default_rng(stream)
    kind = MASK_KINDS[rng.choice(3, p=(0.5, 0.25, 0.25))]
    tint = rng.choice(len(MASK_COLOURS) if kind == "cloth" else 4)
    top, bottom = _mask_place(mask, rng.random(2))
    return Shot(
        stream=stream,
        mask=mask,
        centre=(WIDTH / 2 + rng.uniform(-20, 20), HEIGHT * 0.47 + rng.uniform(-20, 20)),
        scale=float(rng.uniform(0.85, 1.12)),
        roll=math.radians(rng.uniform(-6, 6)),
        turn=float(rng.uniform(-0.1, 0.1)),
        nod=float(rng.uniform(-0.025, 0.025)),
        light=(float(rng.uniform(-1, 1)), float(rng.uniform(0.2, 1))),
        gain=floats(rng.uniform(0.82, 1.1) * (1 + rng.normal(0, 0.02, 3))),
        noise=float(rng.uniform(1, 4.5)),
        blur=float(rng.uniform(0, 0.9)),
        smile=float(rng.uniform(-0.012, 0.06)),
        open_eyes=float(rng.uniform(0.9, 1.1)),
        gaze=float(rng.uniform(-0.05, 0.05)),
        mask_kind=kind,
        mask_colour=floats(MASK_COLOURS[tint] + rng.uniform(-12, 12, 3)),
        mask_top=top,
        mask_bottom=bottom,
    )
