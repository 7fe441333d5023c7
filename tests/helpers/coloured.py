"""Small caches whose labels can be seen in the pixels, for tests of what comes after preprocessing."""

from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST, LabelSet

SIZE = 48
SETTINGS = {"codec": "raw", "size": SIZE, "margin": 0.3, "seed": 0}
AGES = (25.0, 45.0, 65.0)


def coloured_crop(mask: int, gender: int, band: int, seed: int) -> np.ndarray:
    """Noise in which the lower half's brightness is the mask, red the gender, and stripes the age band."""
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 20, (SIZE, SIZE, 3))
    image[SIZE // 2 :] += 60 * (mask - 1)
    image[..., 0] += 50 * gender
    image[: SIZE // 2 : 2 + 2 * band] += 40
    return image.clip(0, 255).astype(np.uint8)


def coloured_sample(position: int, person: int, mask: int, *, labelled: bool) -> Sample:
    gender, band = person % 2, person // 2 % 3
    fields = {
        "key": f"{position:08d}",
        "position": position,
        "image_id": f"{position}.jpg",
        "source": f"{position}.jpg",
        "source_sha256": "",
        "person": f"p{person:03d}" if labelled else "",
        "mask": mask if labelled else -1,
        "gender": gender if labelled else -1,
        "age": AGES[band] if labelled else float("nan"),
        "height": SIZE,
        "width": SIZE,
        "face_box": [8.0, 8.0, 40.0, 40.0],
        "status": "fallback" if position == 3 else "detected",
    }
    return Sample(fields=fields, data=coloured_crop(mask, gender, band, position).tobytes())


def write_coloured(
    folder: Path, *, people: int, labelled: bool = True, rejects: int = 0, **settings: object
) -> Cache:
    """A cache of `people` with three photos each, rejected photos after them, and rows in shuffled order."""
    photos = [(3 * person + mask, person, mask) for person in range(people) for mask in range(3)]
    order = np.random.default_rng(0).permutation(len(photos))
    samples = [coloured_sample(*photos[p], labelled=labelled) for p in order]
    for position in range(len(photos), len(photos) + rejects):
        fields = {**coloured_sample(position, 0, 0, labelled=labelled).fields}
        samples.insert(1, Sample(fields={**fields, "status": "rejected", "reason": "no JPEG"}, data=None))
    writer = CacheWriter(
        folder,
        settings={**SETTINGS, **settings},
        labels=CONTEST,
        source={"photos": len(samples)},
        shard_count=2,
    )
    for shard in writer.pending():
        writer.write(shard, samples[shard::2])
    return writer.finish()


def write_told(folder: Path, photos: pd.DataFrame, labels: LabelSet = CONTEST) -> Cache:
    """A cache of photos of which only person, labels and perhaps the split are told; others are not known."""
    samples = []
    for row, told in enumerate(photos.to_dict("records")):
        drawn = coloured_sample(row, 0, 0, labelled=True)
        facts = {name: value for name, value in drawn.fields.items() if name not in CONTEST.names}
        missing = {factor.name: factor.missing for factor in labels.factors}
        samples.append(Sample(fields={**facts, **missing, **told}, data=drawn.data))
    writer = CacheWriter(
        folder, settings=SETTINGS, labels=labels, source={"photos": len(samples)}, shard_count=1
    )
    writer.write(0, samples)
    return writer.finish()
