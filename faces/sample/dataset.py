"""The embedded sample data set: drawn people in the contest's layout. No download, no licence question.

It holds `train/train.csv`, `train/images/<person>/<photo>`, `eval/info.csv`, `eval/images/<hash>` and what
the contest kept to itself, `eval/.answers.csv`. Beside the contest's, the tables have a column `glasses`.
Every byte is a pure function of people and seed. The oddities of the contest's data are there too: an id
with a suffix, an id on two people, `.png` and `.jpeg` among the `.jpg`, and macOS `._*` files that are no
images.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.labels import AGE_BANDS, GENDERS, TASKS
from faces.sample.mark import MARK, UNFINISHED_MARK
from faces.sample.people import INCORRECT, NORMAL, WORN, person_look
from faces.sample.portrait import PersonJob, draw_person, write_whole
from faces.terminal.progress import photo_progress

VERSION = 2
"""Raised whenever the same settings would give other bytes."""
TRAIN_SHARE = 0.6
GENDER_SHARES = (0.39, 0.61)
AGE_SHARES = (0.47, 0.46, 0.07)
FULL_CELLS_FROM = 20
PHOTOS = (*((f"mask{i}", WORN) for i in range(1, 6)), ("incorrect_mask", INCORRECT), ("normal", NORMAL))
"""File stem and mask code of a person's photos."""
APPLE_DOUBLE = bytes.fromhex("00051607 00020000") + b"Mac OS X        " + bytes(4072)


@dataclass(frozen=True, kw_only=True)
class Person:
    """One drawn person."""

    number: int
    """Counts from 1, over the people to train on and then those to test on."""
    gender: int
    """Code into `faces.labels.GENDERS`."""
    age: int
    """Years."""
    id: str
    """The id in `train.csv`: not always a number, nor always another person's."""

    @property
    def folder(self) -> str:
        """What the contest names the person's folder; this, not the id, is unique."""
        return f"{self.id}_{GENDERS[self.gender]}_Asian_{self.age}"


def cell_counts(people: int) -> NDArray[np.int64]:
    """How many of `people` are of each gender and age band, by largest remainder; [2, 3].

    From 20 people on no cell is empty, since a class without anyone would have no score.
    24 people give [[4, 4, 1], [7, 7, 1]].
    """
    quota = people * np.outer(GENDER_SHARES, AGE_SHARES).ravel()
    counts = np.floor(quota).astype(np.int64)
    counts[np.argsort(counts - quota, kind="stable")[: people - counts.sum()]] += 1
    if people >= FULL_CELLS_FROM:
        for empty in np.flatnonzero(counts == 0):
            counts[counts.argmax()] -= 1
            counts[empty] = 1
    return np.asarray(counts.reshape(len(GENDERS), len(AGE_BANDS)))


def _age(rng: np.random.Generator, band: int) -> int:
    """Years within an age band: many in their fifties, as among the contest's people, and a tail from 60."""
    if band == 0:
        return int(rng.integers(18, 30))
    if band == 1:
        return 30 + int(30 * rng.random() ** 0.6)
    return min(60 + int(rng.exponential(10)), 85)


def _part(first: int, count: int, seed: int) -> list[Person]:
    cells = [cell for cell, n in np.ndenumerate(cell_counts(count)) for _ in range(n)]
    rng = np.random.default_rng((seed, first, 20_000))
    people = []
    for number, cell in enumerate(rng.permutation(cells), first):
        age = _age(rng, int(cell[1]))
        people.append(Person(number=number, gender=int(cell[0]), age=age, id=f"{number:06d}"))
    return people


def plan_people(people: int, seed: int) -> tuple[list[Person], list[Person]]:
    """Who is in the sample: the people to train on, with the contest's odd ids, and those to test on."""
    count = min(max(round(people * TRAIN_SHARE), 1), people - 1)
    train, unseen = _part(1, count, seed), _part(count + 1, people - count, seed)
    suffixed = 11 if count > 12 else 0
    train[suffixed] = replace(train[suffixed], id=train[suffixed].id + "-1")
    last, earlier = train[-1], (p for p in train[:-1] if p.id.isdigit())
    twin = next((p for p in earlier if (p.gender, p.age) != (last.gender, last.age)), None)
    if twin:
        train[-1] = replace(last, id=twin.id)
    return train, unseen


def _suffix(seed: int, person: int, photo: int) -> str:
    draw = np.random.default_rng((seed, person, 30_000 + photo)).random()
    return ".png" if draw < 0.025 else ".jpeg" if draw < 0.042 else ".jpg"


def _job(person: Person, folder: Path, stems: Sequence[str], seed: int) -> PersonJob:
    files = [folder / f"{stem}{_suffix(seed, person.number, i)}" for i, stem in enumerate(stems)]
    return PersonJob(
        seed=seed,
        person=person.number,
        female=GENDERS[person.gender] == "female",
        age=person.age,
        photos=tuple((i, mask, file) for i, ((_, mask), file) in enumerate(zip(PHOTOS, files, strict=True))),
    )


def _train_job(person: Person, data: Path, seed: int) -> PersonJob:
    folder = data / "train" / "images" / person.folder
    return _job(person, folder, [stem for stem, _ in PHOTOS], seed)


def _unseen_job(person: Person, data: Path, seed: int) -> PersonJob:
    names = [f"{seed}/{person.number}/{photo}" for photo in range(len(PHOTOS))]
    stems = [hashlib.sha1(name.encode()).hexdigest() for name in names]
    return _job(person, data / "eval" / "images", stems, seed)


def _write_table(table: pd.DataFrame, file: Path) -> None:
    write_whole(file, table.to_csv(index=False, lineterminator="\n").encode())


def _glasses(job: PersonJob) -> str:
    """Whether a person wears glasses, in all photos: yes or no."""
    return "yes" if person_look(job.seed, job.person, job.female, job.age).glasses else "no"


def _write_labels(people: Sequence[Person], jobs: Sequence[PersonJob], file: Path) -> None:
    rows = [
        (p.id, GENDERS[p.gender], "Asian", p.age, p.folder, _glasses(job))
        for p, job in zip(people, jobs, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["id", "gender", "race", "age", "path", "glasses"])
    _write_table(table.sort_values("path"), file)


def _write_answers(jobs: Sequence[PersonJob], folder: Path, seed: int) -> None:
    rows = []
    for job in jobs:
        person = (int(job.female), job.age, _glasses(job), job.person)
        rows += [(file.name, mask, *person) for _, mask, file in job.photos]
    table = pd.DataFrame(rows, columns=["ImageID", "mask", "gender", "age", "glasses", "person"])
    table.insert(1, "ans", TASKS["class18"].encode(table))
    table = table.iloc[np.random.default_rng((seed, 40_000)).permutation(len(table))]
    _write_table(table[["ImageID"]].assign(ans=0), folder / "info.csv")
    _write_table(table, folder / ".answers.csv")


def _claim(data: Path, people: int, seed: int) -> Path:
    """Marks the folder as ours, or refuses one that holds something else.

    The marker has another name until the sample is whole, so that another seed cannot complete it.
    """
    wanted = {"people": people, "seed": seed, "version": VERSION}
    partial = data / UNFINISHED_MARK
    for marker in (data / MARK, partial):
        if marker.exists():
            found = json.loads(marker.read_text(encoding="utf-8"))
            differing = [f"{k}={found.get(k)}, not {v}" for k, v in wanted.items() if found.get(k) != v]
            if differing:
                raise ValueError(
                    f"{data} holds a sample of {'; '.join(differing)}: "
                    "choose another folder with --data, or delete this one"
                )
            return marker
    if data.exists() and any(data.iterdir()):
        raise ValueError(f"{data} holds something else than a sample: choose another --data")
    write_whole(partial, json.dumps(wanted).encode())
    return partial


def _draw(jobs: Sequence[PersonJob], workers: int) -> Iterator[int]:
    """Photos drawn for one person after the other."""
    if workers == 1 or len(jobs) < 2:
        yield from map(draw_person, jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), spawn) as pool:
        yield from pool.map(draw_person, jobs)


def write_sample(data: Path, *, people: int, seed: int, workers: int) -> None:
    """Draw what is missing of the sample and write its tables; `sample.json` last.

    Args:
        data: folder of the sample; made if need be.
        people: their number, 2 to 999,999.
        seed: of the draws, at least 0.
        workers: processes that draw.

    Raises:
        ValueError: the folder holds a sample of another number of people or seed, or something else.
    """
    marker = _claim(data, people, seed)
    train, unseen = plan_people(people, seed)
    train_jobs = [_train_job(person, data, seed) for person in train]
    unseen_jobs = [_unseen_job(person, data, seed) for person in unseen]
    jobs = train_jobs + unseen_jobs
    _write_labels(train, train_jobs, data / "train" / "train.csv")
    _write_answers(unseen_jobs, data / "eval", seed)
    missing = [[file for _, _, file in job.photos if not file.exists()] for job in jobs]
    waiting = [job for job, files in zip(jobs, missing, strict=True) if files]
    with photo_progress() as progress:
        bar = progress.add_task("drawing", total=sum(map(len, missing)))
        for drawn in _draw(waiting, workers):
            progress.advance(bar, drawn)
    for job in jobs:
        first = job.photos[0][2]
        write_whole(first.with_name(f"._{first.name}"), APPLE_DOUBLE)
    marker.replace(data / MARK)
