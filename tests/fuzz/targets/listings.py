"""Tables of photos with their labels, as people keep them: CSV, TSV, Parquet."""

from __future__ import annotations

import io
from pathlib import Path
from random import Random

import pandas as pd

from faces.labels import CONTEST
from preprocess.sources.source import Place
from preprocess.sources.table import table_source
from tests.fuzz.mutate import mutate
from tests.fuzz.target import Case, Target, placed
from tests.fuzz.targets.stored import odd_parquet

ROWS = pd.DataFrame(
    {
        "path": ["a.jpg", "b.jpg", "in/c.png"],
        "person": ["ann", "bob", "ann"],
        "mask": ["worn", "incorrect", ""],
        "gender": ["male", "female", "male"],
        "age": [23.5, 60.0, 41.0],
        "split": ["train", "val", "test"],
    }
)


def listings() -> Target:
    """`table_source`, which reads cells of any encoding and separator."""
    parquet = io.BytesIO()
    ROWS.to_parquet(parquet)
    text = ROWS.to_csv(index=False)
    seeds = [
        ("photos.csv", text.encode()),
        ("photos.csv", text.encode("utf-8-sig")),
        ("photos.csv", text.encode("utf-16")),
        ("photos.csv", ("sep=;\n" + ROWS.to_csv(index=False, sep=";", decimal=",")).encode()),
        ("photos.csv", text.replace("ann", "김").encode("cp949")),
        ("photos.tsv", ROWS.to_csv(index=False, sep="\t").encode()),
        ("photos.parquet", parquet.getvalue()),
    ]
    others = [data for _, data in seeds]

    def make(random: Random) -> Case:
        name, data = random.choice(seeds)
        if name.endswith(".parquet") and random.random() < 0.5:
            return Case(name, odd_parquet(ROWS, random))
        return Case(name, mutate(data, others, random))

    def read(case: Case, folder: Path) -> None:
        for name in ROWS["path"]:
            photo = folder / name
            photo.parent.mkdir(exist_ok=True)
            photo.write_bytes(b"\xff\xd8\xff")
        source = table_source(Place(data=placed(case, folder), labels=CONTEST, declared=False))
        for row in range(len(source.photos)):
            source.where(row)

    return Target(make=make, read=read)
