"""The finished portrait of a drawn person, and the unit of work that draws all photos of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.sample import covering, features
from faces.sample.drawing import HEIGHT, WIDTH, Sketch, curve
from faces.sample.people import Look, Shot, person_look, photo_shot

JPEG_QUALITY = 92


def portrait(look: Look, shot: Shot) -> NDArray[np.uint8]:
    """Draws one photo, from the wall behind to the mask in front: uint8 RGB [HEIGHT, WIDTH, 3]."""
    rng = np.random.default_rng(shot.stream)
    sketch = _wall(look, shot, rng)
    covering.hair_behind(sketch, look)
    _body(sketch, look)
    features.skin(sketch, look, shot)
    features.nose(sketch)
    features.eyes(sketch, look, shot)
    features.brows(sketch, look)
    lips = features.mouth(sketch, look, shot)
    features.wrinkles(sketch, look)
    features.beard(sketch, look, lips)
    covering.mask(sketch, look, shot)
    covering.hair_front(sketch, look)
    covering.glasses(sketch, look)
    return _expose(sketch, shot, rng)


def _wall(look: Look, shot: Shot, rng: np.random.Generator) -> Sketch:
    """The blurred wall behind the person, whose light varies a little from photo to photo."""
    grid = look.wall + np.float32(6) * rng.standard_normal((6, 5, 1), np.float32)
    image = cv2.resize(grid, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return Sketch(
        np.asarray(image, np.float32),
        centre=shot.centre,
        head=look.head,
        scale=shot.scale,
        roll=shot.roll,
        lean=(shot.turn, shot.nod),
    )


def _body(sketch: Sketch, look: Look) -> None:
    """Neck with its lines and the clothes."""
    broad, neck = 1.95 - 0.16 * look.female, 0.60 - 0.06 * look.female
    throat = curve([-neck, neck, neck + 0.1, -neck - 0.1], [0.4, 0.4, 1.6, 1.6])
    sketch.paint(sketch.shape(throat, blur=2), look.skin * 0.80)
    under_chin = curve([-0.6, -0.3, 0, 0.3, 0.6], [0.75, 1.08, 1.16, 1.08, 0.75])
    sketch.shade(sketch.shape(under_chin, blur=6), 0.72)
    u = np.linspace(-0.4, 0.4, 9)
    for v in (1.22, 1.33):
        sketch.shade(sketch.lines([curve(u, v - 0.12 * u**2)], 2, blur=1.5), 1 - 0.3 * look.wear)
    collar = 1.5 if look.collar else 1.34
    reach = np.linspace(0, 1, 12)
    slope = curve(neck + 0.06 + (broad - neck - 0.06) * reach, 1.13 + 0.16 * reach + 0.5 * reach**7)
    half = np.concatenate([[(0, collar)], slope, [(broad + 0.15, 4)]])
    sketch.paint(sketch.shape(np.concatenate([half, (half * (-1, 1))[::-1]]), blur=1.5), look.cloth)
    for side in features.SIDES:
        if look.collar:
            flap = curve(np.array([neck - 0.02, neck + 0.16, 0.42, 0]) * side, [1.08, 1.2, 1.62, collar])
            sketch.paint(sketch.shape(flap), look.cloth * 0.5 + 118)
        else:
            rim = curve(np.array([neck + 0.04, 0.3, 0]) * side, [1.15, collar - 0.03, collar])
            sketch.shade(sketch.lines([rim], 5, blur=1.2), 0.82)


def _expose(sketch: Sketch, shot: Shot, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What the camera makes of it: lens blur, exposure and sensor noise."""
    image = sketch.image * shot.gain
    if shot.blur > 0.3:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), shot.blur), np.float32)
    image += np.float32(shot.noise) * rng.standard_normal((HEIGHT, WIDTH, 1), np.float32)
    return np.asarray(np.clip(image, 0, 255), np.uint8)


@dataclass(frozen=True, kw_only=True)
class PersonJob:
    """All photos of one person: a unit of work that can be sent to another process."""

    seed: int
    person: int
    female: bool
    age: int
    """Years."""
    photos: tuple[tuple[int, int, Path], ...]
    """Number within the person, mask code and file of each photo."""


def draw_person(job: PersonJob) -> int:
    """Draws and saves those of a person's photos that are not there yet; returns how many they were."""
    cv2.setNumThreads(1)
    look = person_look(job.seed, job.person, job.female, job.age)
    missing = [(photo, mask, file) for photo, mask, file in job.photos if not file.exists()]
    for photo, mask, file in missing:
        image = portrait(look, photo_shot(job.seed, job.person, photo, mask))
        options = [] if file.suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        written, content = cv2.imencode(file.suffix, image[..., ::-1], options)
        assert written, file
        write_whole(file, content.tobytes())
    return len(missing)


def write_whole(file: Path, content: bytes) -> None:
    """Writes a file under a temporary name first: a half-written one never carries the final name.

    Unlike a cache's files it is not forced to disk: what a power cut takes can be drawn again.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    except OSError as error:  # which does not name the file where the disk is full
        raise OSError(error.errno, error.strerror, str(file)) from error
