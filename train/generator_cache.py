"""Generated crops as a finished cache, to be joined with the real one."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces.cache import Cache, channels_of, file_sha256
from faces.labels import AGE_BANDS, CLASS_COUNT, IntArray, split_classes
from faces.tar import Sample
from faces.writer import CacheWriter
from train.generator import Generator
from train.generator_plan import WEIGHTS, GeneratorPlan
from train.generator_report import make_samples
from train.generator_sheet import to_pixels

SYNTHETIC = "synthetic"
"""The `status` and `detector` of generated crops, and how their `key`, `person` and `image_id` begin."""
_FIRST = 1_000_000
"""Number of the first generated crop of a cache among a generator's samples."""


def write_synthetic(
    generator: Generator,
    plan: GeneratorPlan,
    folder: Path,
    *,
    bands: Sequence[str],
    photos: int,
    steps: int,
    guidance: float,
    tell: Callable[[int], object] = lambda _: None,
) -> Cache:
    """Write samples as a cache with the real one's crop settings, going on where a stopped run left off.

    Its index has the real one's columns and `extra`, "fold<k>", by which a joined cache lets these rows train
    in that fold only. Every crop is a person of its own. Its age is one of the training photos' of its gender
    and band.

    Args:
        generator: in evaluation mode.
        plan: what it was trained on.
        folder: of the cache.
        bands: age bands to make; all masks and genders of each.
        photos: of each class.
        steps: of the solver.
        guidance: see `train.generator.sample`.
        tell: told of how many more crops are made.

    Returns:
        The finished cache.

    Raises:
        ValueError: the folder holds another cache, or no training photo is of a gender in a band.
    """
    wanted = [code for code in range(CLASS_COUNT) if AGE_BANDS[code % len(AGE_BANDS)] in bands]
    classes = np.random.default_rng(plan.seed).permutation(np.repeat(np.array(wanted, np.int64), photos))
    ages = _ages(plan, classes)
    settings = plan.cache.description["settings"]
    shards = math.ceil(len(classes) / settings.get("shard_size", 512))
    source = {
        "folder": plan.folder.name,
        "layout": SYNTHETIC,
        "photos": len(classes),
        "generator": file_sha256(plan.folder / WEIGHTS),
        "bands": list(bands),
        "steps": steps,
        "guidance": guidance,
    }
    writer = CacheWriter(folder, settings=settings, source=source, shard_count=shards)
    parts = np.array_split(np.arange(len(classes)), shards)
    for shard in writer.pending():
        numbers = parts[shard]
        images = make_samples(
            generator,
            plan,
            classes[numbers],
            first=_FIRST + int(numbers[0]),
            steps=steps,
            guidance=guidance,
            tell=tell,
        )
        pixels = to_pixels(images)
        writer.write(
            shard,
            [
                _sample(plan, int(number), int(classes[number]), float(ages[number]), crop)
                for number, crop in zip(numbers, pixels, strict=True)
            ],
        )
    return writer.finish()


def _ages(plan: GeneratorPlan, classes: IntArray) -> NDArray[np.float64]:
    """An age in years for each class, drawn from the training photos of its gender and age band."""
    rng = np.random.default_rng([plan.seed, 1])
    known = plan.cache.columns("gender", "age").iloc[plan.rows]
    codes = known["gender"].to_numpy() * len(AGE_BANDS) + plan.cache.labels("age3")[plan.rows]
    ages = np.empty(len(classes))
    asked = classes % (2 * len(AGE_BANDS))
    for code in np.unique(asked):
        pool = known["age"].to_numpy(np.float64)[codes == code]
        if not len(pool):
            raise ValueError(
                f"{plan.cache.folder}: no training photo of gender {code // 3} and age "
                f"{AGE_BANDS[code % 3]}: the generator has never seen any, so leave that band out of --bands"
            )
        ages[asked == code] = rng.choice(pool, (asked == code).sum())
    return ages


def _sample(plan: GeneratorPlan, number: int, code: int, age: float, pixels: NDArray[np.uint8]) -> Sample:
    settings = plan.cache.description["settings"]
    fold = int(plan.division["fold"])
    name = f"{SYNTHETIC}-fold{fold}-{number:05d}"
    factors = split_classes(np.array([code]))
    fields: dict[str, Any] = {
        "key": name,
        "position": fold * _FIRST + number,
        "image_id": name,
        "source": name,
        "person": name,
        "mask": int(factors["mask"][0]),
        "gender": int(factors["gender"][0]),
        "age": age,
        "source_bytes": 0,
        "source_sha256": "",
        "height": settings["size"],
        "width": settings["size"],
        "face_box": None,
        "crop_box": [0.0, 0.0, float(settings["size"]), float(settings["size"])],
        "crop_angle": 0.0,
        "landmarks": None,
        "score": math.nan,
        "faces": 0,
        "detector": SYNTHETIC,
        "status": SYNTHETIC,
        "extra": f"fold{fold}",
    }
    return Sample(fields=fields, data=encode(pixels, settings))


def encode(pixels: NDArray[np.uint8], settings: dict[str, Any]) -> bytes:
    """A crop uint8 [s, s, 3] as a cache of these settings stores it: enlarged, opaque, in its codec."""
    side = (settings["size"], settings["size"])
    image = Image.fromarray(pixels).resize(side, Image.Resampling.BICUBIC)
    if channels_of(settings) == 4:
        image.putalpha(255)
    if settings["codec"] == "raw":
        return np.asarray(image).tobytes()
    buffer = io.BytesIO()
    image.save(buffer, settings["codec"].upper(), quality=settings.get("quality", 95))
    return buffer.getvalue()
