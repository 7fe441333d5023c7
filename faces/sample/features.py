"""The parts of a drawn face: skin, eyes, brows, nose, mouth, wrinkles and beard.

Proportions are those that a face detector trained on photos accepts: eyes a tenth above the middle of
the head, shaded sockets, sides of the nose and nostrils.
"""

from __future__ import annotations

import cv2
import numpy as np

from faces.sample.drawing import HEIGHT, WIDTH, Floats, Patch, Points, Sketch, curve, floats
from faces.sample.people import Look, Shot

SIDES = (-1, 1)
EYE_U, EYE_V = 0.43, -0.10
NOSE_V, MOUTH_V = 0.27, 0.56
SILVER = np.array((196, 195, 194), np.float32)
LASHES = (28, 19, 16)


def _outline(look: Look) -> Points:
    """The head seen from the front: an oval whose lower half narrows to the chin, jowls with age."""
    turn = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    u, v = np.cos(turn), np.sin(turn)
    jowls = 0.05 * look.wear * np.exp(-(((v - 0.72) / 0.16) ** 2))
    square = 0.07 * np.clip(-look.female, 0, 1.2) * np.exp(-(((v - 0.62) / 0.2) ** 2))
    return curve(u * (1 - look.jaw * np.clip(v, 0, 1) ** 1.6 + jowls + square), v)


def relief(sketch: Sketch, window: tuple[slice, slice], shot: Shot) -> Floats:
    """Light on the rounded head: factors of about 0.4 to 1.15 for the pixels of a window."""
    u, v = sketch.units(window)
    u = u - np.float32(0.8 * shot.turn)
    facing = np.sqrt(np.clip(1 - 0.75 * u * u - 0.5 * v * v, 0.02, 1))
    sideways, upwards = np.float32(0.14 * shot.light[0]), np.float32(0.10 * shot.light[1])
    return np.asarray(np.clip(0.53 + 0.5 * facing + sideways * u - upwards * v, 0.35, 1.15), np.float32)


def skin(sketch: Sketch, look: Look, shot: Shot) -> None:
    """Ears and the head's skin under the light; sets the sketch's `skin`."""
    for side in SIDES:
        ear = sketch.ellipse((side * 0.99, 0.02), (0.13, 0.19), depth=-0.3, blur=1.2, tilt=side * 0.1)
        sketch.paint(ear, look.skin * 0.86)
        sketch.shade(sketch.ellipse((side, 0.02), (0.06, 0.12), depth=-0.3, blur=2), 0.8)
        if look.earrings:
            stud = sketch.ellipse((side * 1.03, 0.24), (0.035, 0.028), depth=-0.3, blur=0.6)
            sketch.paint(stud, (236, 222, 170))
    head = sketch.shape(_outline(look), blur=1.2)
    light = relief(sketch, head.window, shot)
    spots = look.rng("skin").standard_normal((14, 12), np.float32) * np.float32(0.008 + 0.035 * look.wear)
    uneven = cv2.resize(spots, light.shape[::-1], interpolation=cv2.INTER_CUBIC)
    tint = np.array([1.0, 0.985, 0.97], np.float32)
    sketch.paint(head, look.skin * tint * (light + uneven)[..., None])
    sketch.skin = head.full()
    blush, hollow = 0.30 * (1 - look.wear) + 0.15 * look.makeup, 1 - 0.16 * look.wear
    for side in SIDES:
        cheek = sketch.ellipse((side * 0.52, 0.22), (0.26, 0.15), blur=11).within(sketch.skin)
        sketch.shade(cheek, 1.07)
        sketch.paint(cheek, look.skin * np.array([1.02, 0.74, 0.70], np.float32), blush)
        sketch.shade_skin(sketch.ellipse((side * 0.56, 0.42), (0.14, 0.16), blur=9), hollow)
        sketch.shade_skin(sketch.ellipse((side * 0.86, -0.35), (0.12, 0.2), blur=9), hollow)


def nose(sketch: Sketch) -> None:
    """Shaded sides, lit ridge and tip, shadow below and nostrils."""
    for side, dark in ((-1, 0.76), (1, 0.80)):
        flank = curve(np.array([0.06, 0.13, 0.20, 0.13, 0.02]) * side, [EYE_V, 0.2, 0.29, 0.17, EYE_V])
        sketch.shade_skin(sketch.shape(flank, depth=1.2, blur=3.5), dark)
    sketch.shade_skin(sketch.lines([[(0, EYE_V), (0, 0.21)]], 7, depth=1.3, blur=4), 1.13)
    sketch.shade_skin(sketch.ellipse((0, NOSE_V - 0.02), (0.10, 0.045), depth=1.35, blur=4), 1.12)
    sketch.shade_skin(sketch.ellipse((0, NOSE_V + 0.05), (0.2, 0.03), depth=1.3, blur=3), 0.68)
    for side in SIDES:
        hole = (side * 0.105, NOSE_V + 0.03)
        nostril = sketch.ellipse(hole, (0.052, 0.02), depth=1.35, blur=1.2, tilt=-0.25 * side)
        sketch.shade_skin(nostril, 0.36)
        wing = curve(np.array([0.17, 0.215, 0.19]) * side, [0.22, 0.275, 0.32])
        sketch.shade_skin(sketch.lines([wing], 2, depth=1.3, blur=1.3), 0.72)


def eyes(sketch: Sketch, look: Look, shot: Shot) -> None:
    """Sockets, eyeballs, lids and lashes; the lids sink with age."""
    flat = look.head[0] / look.head[1]
    half, opening, rise = look.eye[0], look.eye[1] * flat * shot.open_eyes, look.eye[2]
    t = np.linspace(0, 1, 20)
    arch = np.sin(np.pi * t)
    hood = 0.018 * look.wear * np.clip(t - 0.4, 0, 1)
    slant = EYE_V - rise * (t - 0.5)
    for side in SIDES:
        u = side * (EYE_U + half * (2 * t - 1))
        upper = curve(u, slant - opening * arch**0.75 + hood)
        lower = curve(u, slant + opening * 0.6 * arch)
        socket = sketch.ellipse((side * EYE_U, EYE_V - 0.03), (half * 1.45, half * flat * 1.05), blur=7)
        sketch.shade_skin(socket, 0.70 - 0.05 * look.wear)
        ball = sketch.shape(np.concatenate([upper, lower[::-1]]), depth=1, blur=0.8)
        _eyeball(sketch, look, ball, (side * EYE_U + shot.gaze, EYE_V - opening * 0.12))
        lash = 2.2 + 1.6 * look.makeup
        sketch.paint(sketch.lines([upper], lash, depth=1), LASHES, 0.9)
        wing = curve(
            side * (EYE_U + half * np.array([0.9, 1.14])), EYE_V - rise / 2 - np.array([0.005, 0.03])
        )
        sketch.paint(sketch.lines([wing], lash, depth=1), LASHES, 0.8 * look.makeup)
        sketch.paint(sketch.lines([lower], 1.2, depth=1), look.skin * 0.45, 0.55)
        fold = curve(u, slant - opening * arch**0.75 - 0.038 + 1.6 * hood)
        sketch.paint(sketch.lines([fold], 1.6, depth=1, blur=1.1), look.skin * 0.5, 0.45 + 0.3 * look.wear)


def _eyeball(sketch: Sketch, look: Look, ball: Patch, iris: tuple[float, float]) -> None:
    white = np.array((233, 229, 224)) * (0.62 + 0.38 * min(1.0, float(look.skin.mean()) / 180))
    sketch.paint(ball, white - np.array((0, 4, 14)) * look.wear, 0.93)
    inside = ball.full()
    ru, rv = look.eye[0] * 0.46, look.eye[0] * 0.46 * look.head[0] / look.head[1]
    sketch.paint(sketch.ellipse(iris, (ru, rv), blur=0.8).within(inside), look.iris)
    sketch.paint(sketch.ellipse(iris, (ru * 0.45, rv * 0.45), blur=0.6).within(inside), (8, 8, 8))
    glint = sketch.ellipse((iris[0] - 0.025, iris[1] - 0.022), (0.018, 0.013), blur=0.5)
    sketch.paint(glint.within(inside), (250, 250, 250))


def brows(sketch: Sketch, look: Look) -> None:
    """Brows: tapered, thick for most men, grey and thin with age."""
    t = np.linspace(-1, 1, 12)
    base = look.hair * 0.7 + (SILVER * 0.75 - look.hair * 0.7) * np.float32(0.9 * look.grey)
    arch = 0.022 + 0.012 * look.female
    middle = EYE_V - 0.185 - arch * (1 - t**2) - 0.004 * t - 0.012 * look.female
    half = look.brow / 2 * np.where(t < 0, 1.0, 1 - 0.65 * t)
    for side in SIDES:
        u = side * (EYE_U + t * (0.25 + 0.01 * look.female))
        edge = np.concatenate([curve(u, middle - half), curve(u, middle + half)[::-1]])
        sketch.paint(sketch.shape(edge, depth=1, blur=1.2), np.minimum(base, look.skin * 0.68), 0.86)


def mouth(sketch: Sketch, look: Look, shot: Shot) -> Patch:
    """Lips; thinner with age. Returns their coverage."""
    t = np.linspace(-1, 1, 24)
    half = 0.39 - 0.012 * look.female
    line = MOUTH_V - shot.smile * t**2
    bow = 1 - 0.35 * np.exp(-((t / 0.16) ** 2))
    upper = curve(t * half, line - 0.043 * look.lips * (1 - t**2) * bow)
    lower = curve(t * half, line + 0.060 * look.lips * (1 - t**2))
    bare = look.skin * np.array([0.84, 0.58, 0.56], np.float32)
    rouge = look.skin * np.float32(0.35) + np.array([112, 28, 42], np.float32)
    sketch.shade_skin(sketch.ellipse((0, MOUTH_V + 0.115), (half * 0.8, 0.03), blur=5), 0.80)
    lips = sketch.shape(np.concatenate([upper, lower[::-1]]), depth=1, blur=1.1)
    sketch.paint(lips, bare + (rouge - bare) * np.float32(0.8 * look.makeup), 0.9)
    sketch.paint(sketch.lines([curve(t * half, line)], 2.4, depth=1, blur=1.0), (48, 18, 18), 0.8)
    sketch.shade(sketch.ellipse((0, MOUTH_V + 0.035), (half * 0.4, 0.012), blur=2), 1.15)
    return lips


def _crease(sketch: Sketch, lines: list[Points], width: float, strength: float) -> None:
    """Furrows in the skin: a dark line with a lit rim below; `strength` in [0, 1]."""
    if strength < 0.02:
        return
    sketch.shade_skin(sketch.lines(lines, width, depth=1, blur=1.25), 1 - strength)
    rims = [line + np.array((0, 0.014)) for line in lines]
    sketch.shade_skin(sketch.lines(rims, width, depth=1, blur=1.25), 1 + 0.35 * strength)


def wrinkles(sketch: Sketch, look: Look) -> None:
    """Lines of age: forehead, frown, crow's feet, bags, folds beside nose and mouth, spots."""
    rng = look.rng("wrinkles")
    forehead, frown, feet, bags, folds = (float(x) for x in look.wear * rng.uniform(0.75, 1.2, 5))
    t = np.linspace(-1, 1, 14)
    for i, phase in enumerate(rng.uniform(0, 6, 4)):
        row = curve(t * (0.56 - 0.05 * i), -0.385 - 0.065 * i + 0.01 * np.sin(5 * t + phase) + 0.02 * t**2)
        _crease(sketch, [row], 1.8, float(np.clip(1.5 * forehead - 0.14 * i - 0.08, 0, 0.6)))
    between = [curve([side * 0.09, side * 0.075], [-0.34, -0.22]) for side in SIDES]
    _crease(sketch, between, 1.8, 0.45 * max(0.0, frown - 0.2))
    corner = EYE_U + look.eye[0] * 1.12
    for side in SIDES:
        fan = [
            curve([side * corner, side * (corner + 0.17)], [EYE_V + 0.02 * a, EYE_V + 0.085 * a])
            for a in (-1.2, -0.3, 0.6, 1.5)
        ]
        _crease(sketch, fan, 1.7, 0.7 * feet)
        for sink, strength in ((0.095, 0.5), (0.15, 0.35)):
            bag = curve(side * EYE_U + t * look.eye[0], EYE_V + sink + 0.03 * (1 - t**2))
            _crease(sketch, [bag], 2.0, strength * bags)
        sketch.shade_skin(
            sketch.ellipse((side * EYE_U, EYE_V + 0.09), (0.19, 0.045), blur=4), 1 - 0.32 * bags
        )
        laugh = curve(np.array([0.23, 0.38, 0.50]) * side, [NOSE_V - 0.02, 0.40, MOUTH_V + 0.03])
        _crease(sketch, [laugh], 3.4, 0.06 + 0.30 * folds)
        sulk = curve(np.array([0.42, 0.44]) * side, [MOUTH_V + 0.06, 0.76])
        _crease(sketch, [sulk], 2.2, 0.4 * max(0.0, folds - 0.3))
    spots = rng.uniform((-0.8, -0.6, 0.02), (0.8, 0.4, 0.05), (7, 3))
    for u, v, radius in spots[: max(0, int(12 * look.wear - 5.4))]:
        sketch.shade_skin(sketch.ellipse((u, v), (radius, 0.7 * radius), blur=1.3), 0.84)


def beard(sketch: Sketch, look: Look, lips: Patch) -> None:
    """Stubble or a beard along the jaw, and a moustache."""
    if look.beard < 0.05:
        return
    turn = np.linspace(0, np.pi, 40)
    outer = curve(1.02 * np.cos(turn), 0.12 + 0.95 * np.sin(turn))
    inner = curve(-0.66 * np.cos(turn), 0.20 + 0.22 * np.sin(turn))
    patch = sketch.shape(np.concatenate([outer, inner]), blur=4).within(sketch.skin * (1 - 0.9 * lips.full()))
    rows, columns = patch.alpha.shape
    grain = 1 + 0.3 * look.rng("beard").standard_normal((HEIGHT, WIDTH), np.float32)[:rows, :columns]
    colour = look.hair + (SILVER - look.hair) * np.float32(look.grey)
    stubble = Patch(floats(np.clip(patch.alpha * grain, 0, 1)), patch.top, patch.left)
    sketch.paint(stubble, colour * 0.8, 0.18 + 0.75 * look.beard)
