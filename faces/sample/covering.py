"""What lies over a drawn face: hair, glasses and the mask."""

from __future__ import annotations

import numpy as np

from faces.sample.drawing import Floats, Patch, Points, Sketch, curve
from faces.sample.features import EYE_U, EYE_V, SIDES, SILVER, relief
from faces.sample.people import NORMAL, Look, Shot


def _hair_colour(look: Look) -> Floats:
    return np.asarray(look.hair + (SILVER * 0.85 - look.hair) * np.float32(0.75 * look.grey))


def _hairline(look: Look, u: Points) -> Points:
    """v of the hairline at u in [-0.93, 0.93]; receding hair draws back at the temples first."""
    bare = max(0.0, look.hairline - 0.56)
    arch = np.clip(1 - np.abs(u / 0.93) ** 2.6, 0, 1) ** 0.5
    temples = 0.5 * bare * np.exp(-(((np.abs(u) - 0.5) / 0.22) ** 2))
    slant = look.sweep * u * np.clip((0.62 - look.hairline) / 0.2, 0, 1)
    ripple = 0.012 * np.sin(11 * u + 7 * look.part)
    line = -0.12 - look.hairline * arch - temples + (slant + ripple) * arch
    skull = -0.12 - (0.86 + look.volume) * np.sqrt(np.clip(1 - (u / 1.06) ** 2, 0, 1))
    return np.asarray(np.maximum(line, skull))


def hair_behind(sketch: Sketch, look: Look) -> None:
    """What of long hair hangs behind neck and shoulders."""
    if look.hair_ends < 0.3:
        return
    turn = np.linspace(np.pi, 2 * np.pi, 24)
    wide = 1.14 + look.volume
    top = curve(wide * np.cos(turn), -0.1 + (0.85 + look.volume) * np.sin(turn))
    v = np.linspace(-0.1, look.hair_ends, 10)
    side = wide + 0.05 * (v + 0.1) + look.curl * np.sin(9 * v)
    tips = look.hair_ends + 0.06 * np.array([0, 1, 0.7, 1, 0.7, 1, 0])
    end = curve(np.linspace(side[-1] - 0.1, 0.1 - side[-1], 7), tips)
    points = np.concatenate([top, curve(side, v), end, curve(-side, v)[::-1]])
    sketch.paint(sketch.shape(points, depth=-0.3, blur=2), _hair_colour(look) * 0.62)


def _hair_cover(sketch: Sketch, look: Look) -> Patch:
    """The cap of hair from the hairline up, and the locks at its sides."""
    turn = np.linspace(np.pi, 2 * np.pi, 48)
    rim = 1.06 + 0.7 * look.volume
    waves = 1 + look.curl * np.sin(13 * turn)
    outer = curve(rim * waves * np.cos(turn), -0.12 + (0.88 + look.volume) * waves * np.sin(turn))
    u = np.linspace(0.93, -0.93, 48)
    cover = sketch.shape(np.concatenate([outer, curve(u, _hairline(look, u))]), blur=1.6).full()
    long = look.hair_ends > 0.3
    v = np.linspace(-0.3, look.hair_ends, 10)
    inner = 0.90 + (0.10 if long else 0.04) * np.clip((v + 0.1) / 0.8, 0, 1)
    outside = (1.14 + look.volume if long else rim) + look.curl * np.sin(9 * v)
    taper = np.linspace(0, 0.05 * (not long), 10)
    for side in SIDES:
        lock = np.concatenate([curve(side * inner, v), curve(side * (outside - taper), v)[::-1]])
        piece = sketch.shape(lock, depth=-0.1, blur=1.8)
        np.maximum(cover[piece.window], piece.alpha, out=cover[piece.window])
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    top, left = int(rows[0]), int(columns[0])
    return Patch(cover[top : rows[-1] + 1, left : columns[-1] + 1], top, left)


def _strands(look: Look) -> list[Points]:
    """Single hairs, each a curve combed from the parting to the hairline or down the side."""
    rng = look.rng("hair")
    front = rng.uniform(-0.93, 0.93, 150)
    reach = 1.06 + 0.7 * look.volume + 0.12 * (look.hair_ends > 0.3)
    side = curve(rng.choice(SIDES, 90) * rng.uniform(0.92, reach, 90), rng.uniform(-0.25, look.hair_ends, 90))
    ends = rng.permutation(np.concatenate([curve(front, _hairline(look, front) - 0.01), side]))
    crown = -0.98 - look.volume
    start = curve(look.part + 0.06 * ends[:, 0], crown)
    top = np.maximum(crown + 0.04, -0.9 - 0.1 * (1 - ends[:, 0] ** 2))
    bend = curve(0.25 * look.part + 0.98 * ends[:, 0], top)
    t = np.linspace(0, 1, 9)
    wave = curve(look.curl * 1.2 * t * np.sin(14 * t), 0.0 * t)
    near, middle, far = ((1 - t) ** 2)[:, None], (2 * t * (1 - t))[:, None], (t**2)[:, None]
    return [near * a + middle * b + far * c + wave for a, b, c in zip(start, bend, ends, strict=True)]


def hair_front(sketch: Sketch, look: Look) -> None:
    """The hair around the face, with darker, lighter and grey strands that follow the comb."""
    hair = _hair_cover(sketch, look)
    u, v = sketch.units(hair.window)
    sheen = 1.08 - 0.28 * np.abs(u) + 0.16 * np.exp(-(((v + 0.78) / 0.12) ** 2))
    sketch.paint(hair, _hair_colour(look) * sheen[..., None])
    strands, cover = _strands(look), hair.full()
    for some, colour, width, opacity in (
        (strands[::3], look.hair * 0.55, 1.5, 0.5),
        (strands[1::3], look.hair * 1.25 + 14, 1.5, 0.45),
        (strands[: round(len(strands) * look.grey)], SILVER, 1.0, 0.6),
    ):
        if some:
            sketch.paint(sketch.lines(some, width, blur=0.6).within(cover), colour, opacity)


def glasses(sketch: Sketch, look: Look) -> None:
    """Round frames, their bridge and arms."""
    if not look.glasses:
        return
    turn = np.linspace(0, 2 * np.pi, 48)
    parts = [curve([-0.12, 0, 0.12], [EYE_V, EYE_V - 0.02, EYE_V])]
    for side in SIDES:
        parts.append(curve(side * EYE_U + 0.31 * np.cos(turn), EYE_V + 0.02 + 0.165 * np.sin(turn)))
        parts.append(curve([side * 0.74, side * 0.98], [EYE_V, EYE_V - 0.02]))
    sketch.paint(sketch.lines(parts, 1.0 + 1.2 * look.glasses, depth=1.1), (38, 32, 32), 0.82)


def _mask_edges(look: Look, shot: Shot) -> tuple[Points, Points]:
    """Upper edge of the mask from left to right, and the lower one back."""
    t = np.linspace(-1, 1, 30)
    covers_nose = shot.mask_top < 0.3
    sag = 0.13 if covers_nose else 0.05
    corner = shot.mask_top + sag
    reach = 0.01 + np.sqrt(1 - corner**2) * (1 - look.jaw * corner**1.6)
    bridge = 0.04 * covers_nose * np.exp(-((t / 0.25) ** 2))
    upper = curve(t * reach, shot.mask_top + sag * t**2 - bridge)
    start = np.arcsin(corner / 1.03)
    turn = np.linspace(start, np.pi - start, 40)
    down = np.sin(turn)
    lower = curve(np.cos(turn) * (1 - look.jaw * down**1.6) * 1.01, np.minimum(shot.mask_bottom, 1.03 * down))
    return upper, lower


def _mask_light(sketch: Sketch, window: tuple[slice, slice], shot: Shot) -> Floats:
    """Light on the mask: the head's relief, the nose's ridge and sides, hollows under nose and lips."""
    u, v = sketch.units(window)
    u, v = u - np.float32(shot.turn), v - np.float32(shot.nod)
    ridge = np.exp(-((u / 0.16) ** 2)) * np.clip(1 - (v - 0.05) / 0.55, 0, 1)
    flank = np.exp(-(((np.abs(u) - 0.3) / 0.12) ** 2)) * np.clip(1 - (v - 0.05) / 0.45, 0, 1)
    nose = np.exp(-(((v - 0.42) / 0.06) ** 2) - (u / 0.3) ** 2)
    lips = np.exp(-(((v - 0.60) / 0.05) ** 2) - (u / 0.38) ** 2)
    folds = 1 + 1.5 * (0.25 * ridge - 0.28 * flank - 0.35 * nose - 0.30 * lips)
    return np.asarray(np.clip(relief(sketch, window, shot) + 0.06, 0.4, 1.12) * folds, np.float32)


def _mask_texture(sketch: Sketch, shot: Shot, inside: Floats) -> None:
    """Pleats of a surgical mask, the seam of a cloth one, the ridge of a KN95."""
    t = np.linspace(-1, 1, 12)
    space = shot.mask_bottom - shot.mask_top
    if shot.mask_kind == "surgical":
        for i in range(1, 4):
            pleat = curve(t * 0.86, shot.mask_top + space * (0.12 + 0.19 * i) + 0.05 * (1 - t**2))
            lit = pleat + np.array((0, 0.025))
            sketch.shade(sketch.lines([pleat], 2, depth=0.5, blur=1.3).within(inside), 0.85)
            sketch.shade(sketch.lines([lit], 2, depth=0.5, blur=1.5).within(inside), 1.07)
        return
    seam = sketch.lines([curve(0, np.linspace(shot.mask_top, shot.mask_bottom, 9))], 2, depth=1.2, blur=1.2)
    sketch.shade(seam.within(inside), 0.86 if shot.mask_kind == "cloth" else 1.1)
    if shot.mask_kind == "kn95":
        beak = [(-0.5, shot.mask_top), (0.5, shot.mask_top), (0, shot.mask_top + 0.45 * space)]
        sketch.shade(sketch.shape(beak, depth=1, blur=6).within(inside), 1.07)


def mask(sketch: Sketch, look: Look, shot: Shot) -> None:
    """The mask and its ear loops, if the photo has one."""
    if shot.mask == NORMAL:
        return
    # A bright mask on dark skin, or the reverse, is the one thing that hides a face from a detector.
    bright, tone = float(shot.mask_colour.mean()), float(look.skin.mean())
    colour = shot.mask_colour * np.float32(np.clip(bright, tone * 0.5, tone * 1.6 + 20) / bright)
    upper, lower = _mask_edges(look, shot)
    (reach, corner), low = upper[-1], max(0.55, shot.mask_top + 0.08)
    loops = [[(side * 0.98 * reach, corner + 0.01), (side * 1.03, -0.06)] for side in SIDES]
    loops += [[(side * (1.06 - 0.4 * low), low), (side * 1.04, 0.14)] for side in SIDES]
    sketch.paint(sketch.lines(loops, 2.2), colour * 0.86, 0.9)
    cover = sketch.shape(np.concatenate([upper, lower]), depth=0.3)
    sketch.paint(cover, colour * _mask_light(sketch, cover.window, shot)[..., None])
    inside = cover.full()
    _mask_texture(sketch, shot, inside)
    sketch.shade(sketch.lines([upper], 3, depth=0.3, blur=1.2).within(inside), 0.85)
    cast = sketch.lines([upper - np.array((0, 0.025))], 4, depth=0.3, blur=2.5)
    sketch.shade_skin(cast.within(1 - inside), 0.74)
