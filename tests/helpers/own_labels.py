"""A small cache of somebody's own labels, not all of them known, whose values can be seen in the pixels."""

from pathlib import Path

import numpy as np

from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.factors import Categories, Number
from faces.labels import LabelSet
from tests.helpers.coloured import SETTINGS, coloured_sample

OWN = LabelSet(
    name="own",
    factors=(
        Categories(name="glasses", categories=("yes", "no")),
        Categories(name="helmet", categories=("yes", "no", "unsure"), per="person"),
        Number(name="years", edges=(40.0,), per="person"),
    ),
)
"""Two factors whose values are called alike, and a number; nothing of the contest's."""


def write_own(folder: Path, *, people: int = 24) -> Cache:
    """A cache of `people` with three photos each, in shuffled order.

    Of every photo one of `glasses` is known but of each person's last; `helmet` is known but of every fourth
    person; `years` are known of all, 25 and 65 in turn.
    """
    samples = []
    for position in np.random.default_rng(0).permutation(3 * people):
        person, photo = divmod(int(position), 3)
        glasses, helmet, old = photo, person % 4 % 3, person % 2
        drawn = coloured_sample(int(position), 0, 0, labelled=True)
        crop = coloured_sample(int(position), old + 2 * helmet, glasses, labelled=True).data
        facts = {name: value for name, value in drawn.fields.items() if name not in ("mask", "gender", "age")}
        labels = {
            "glasses": glasses if glasses < 2 else -1,
            "helmet": helmet if person % 4 < 3 else -1,
            "years": (25.0, 65.0)[old],
        }
        samples.append(Sample(fields={**facts, "person": f"p{person:03d}", **labels}, data=crop))
    writer = CacheWriter(
        folder, settings=SETTINGS, labels=OWN, source={"photos": len(samples)}, shard_count=1
    )
    writer.write(0, samples)
    return writer.finish()
