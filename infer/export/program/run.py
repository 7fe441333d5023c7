"""Predict what is to be told of the face in every photo, with a model that FaceFold exported.

This file and the model are all that is needed, beside Python 3.11 or later and four packages; it runs on
the CPU:

    pip install onnxruntime numpy opencv-python-headless "pillow>=11.2.1"
    python predict.py model.onnx photo.jpg folder/ --out answers.csv

The face is found by the detector that lies in the model (MTCNN, Zhang and others 2016, with the weights of
facenet-pytorch, MIT licence), cut out as the photos of training were, and shown to the network; with --faces
all every face of a photo. A model that was trained on photos as they are searches none. Boxes are left, top,
right, bottom in pixels of the upright photo, and may reach beyond it.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import PIL

from faces.photos.files import BadPhoto, inspect_file
from faces.photos.names import path_cell
from faces.sample.note import drawn_note
from faces.terminal.text import one_line
from infer.export.program.faces import Box
from infer.export.program.folders import name_of, photos_of
from infer.export.program.predictor import Predictor

EDGES = ("left", "top", "right", "bottom")
"""Columns of the face's box."""


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=(
            "columns: path; left, top, right, bottom of the face, empty where none was found; what the\n"
            "model tells, such as mask, gender and age, each with its probability; status: detected, or\n"
            "fallback, a photo without a face, which is answered by a centre crop.\n"
            "With --faces all a photo has a row for each face, first the one that it is about.\n"
            "In a folder photos are what is called like one or is one by its first bytes; other files,\n"
            "hidden folders and those of tools (@eaDir, __MACOSX) are left out with a line.\n"
            "exit code: 0 all photos answered; 1 some were skipped, each named with the reason; 2 wrong use."
        ),
    )
    parser.add_argument("model", type=Path, help="the exported model.onnx")
    parser.add_argument("photos", type=Path, nargs="+", help="photos, or folders of them (with sub-folders)")
    parser.add_argument("--out", type=Path, help="CSV file to write; without it the answers are printed")
    parser.add_argument(
        "--faces",
        choices=("best", "all"),
        default="best",
        help="answer the face that a photo is about: large, central and certain (default); or every face",
    )
    parser.add_argument("--batch", type=int, default=16, help="photos that go through the network together")
    parser.add_argument("--threads", type=int, default=0, help="0 (default) for as many as there are cores")
    chosen = parser.parse_args(arguments)
    if chosen.batch < 1 or chosen.threads < 0:
        parser.error(f"--batch {chosen.batch} --threads {chosen.threads}: at least 1 and 0")
    if problem := inspect_file(chosen.model)[1]:
        say(f"error: {name_of(chosen.model)}: {problem}; give a model.onnx of `make export`")
        sys.exit(2)
    files, lines, chosen.closed = photos_of(chosen.photos)
    for line in lines:
        say(line)
    if not files:
        parser.error("no photos")
    chosen.photos = files
    return chosen


def answer_photos(
    predictor: Predictor, paths: Sequence[Path], every: bool = False
) -> tuple[list[list[str]], int, int]:
    """Rows of the CSV of some photos, how many of them had no face, and how many were skipped."""
    crops, boxes, seen, skipped = [], [], [], 0
    for path in paths:
        try:
            found = predictor.see(path, every)
        except BadPhoto as bad:
            say(f"skipped {name_of(path)}: {bad.reason}")
            skipped += 1
            continue
        except MemoryError as error:
            what = "not enough memory to read it; free some, or leave it out"
            raise ValueError(f"{name_of(path)}: {what}") from error
        for crop, box in found:
            crops.append(crop)
            boxes.append(box)
            seen.append(path_cell(name_of(path)))
    answers: list[list[str]] = []
    for first in range(0, len(crops), len(paths)):  # a group has many faces
        answers += predictor(crops[first : first + len(paths)])
    rows = [
        [path, *_edges(box), *answer, "detected" if box else "fallback"]
        for path, answer, box in zip(seen, answers, boxes, strict=True)
    ]
    return rows, boxes.count(None), skipped


def _edges(box: Box | None) -> list[str]:
    return [f"{edge:.1f}" for edge in box] if box else [""] * len(EDGES)


def say(text: str) -> None:
    """A line for people, whatever names of files are in it; nothing where nobody listens."""
    if sys.stderr:
        print(one_line(text), file=sys.stderr)


@contextmanager
def opened_table(path: Path | None) -> Iterator[TextIO]:
    """The file of the answers, or standard output: UTF-8 with its line ends as written, in every locale.

    Raises:
        ValueError: standard output is closed.
    """
    if path:
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            yield file
        return
    if sys.stdout is None:
        raise ValueError("standard output is closed; give --out answers.csv")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(newline="", encoding="utf-8", errors="backslashreplace")
    yield sys.stdout
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict and write; the exit code."""
    chosen = parse(arguments)
    try:
        return answer_all(chosen)
    except BrokenPipeError:  # whoever read the table has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except OSError as error:
        say(f"error: {name_of(error.filename or chosen.out or 'the table')}: {error.strerror}")
    except Exception as error:  # ONNX Runtime has an exception type for every kind of damage
        say(f"error: {error}")
    return 2


def answer_all(chosen: argparse.Namespace) -> int:
    """Answer what the command line asks for; the exit code."""
    paths: list[Path] = chosen.photos
    predictor = Predictor(chosen.model, chosen.threads)
    if predictor.detector is None and chosen.faces == "all":
        raise ValueError(
            f"--faces all: {chosen.model} was trained on photos as they are, and searches no faces; "
            "leave --faces out"
        )
    if tuple(map(int, PIL.__version__.split(".")[:2])) < (11, 2):
        raise ValueError(f"Pillow {PIL.__version__} is too old: pip install 'pillow>=11.2.1'")
    start, faces, faceless, skipped = time.perf_counter(), 0, 0, 0
    with opened_table(chosen.out) as file:
        table = csv.writer(file)
        table.writerow(["path", *EDGES, *predictor.columns, "status"])
        for first in range(0, len(paths), chosen.batch):
            some = paths[first : first + chosen.batch]
            rows, without, lost = answer_photos(predictor, some, chosen.faces == "all")
            table.writerows(rows)
            faces += len(rows) - without
            faceless, skipped = faceless + without, skipped + lost
            if sys.stderr and sys.stderr.isatty():
                print(f"{first + len(some)} of {len(paths)} photos", end="\r", file=sys.stderr)
    rate = len(paths) / max(time.perf_counter() - start, 1e-9)
    say(
        f"{len(paths) - skipped} photos answered ({f'{faces} faces; ' if chosen.faces == 'all' else ''}"
        f"{faceless} of them without a face, by their middle), "
        f"{skipped + chosen.closed} skipped, {rate:.1f} photos/s"
    )
    if note := drawn_note(bool(predictor.description.get("drawn"))):
        say(note)
    return 1 if skipped + chosen.closed else 0


if __name__ == "__main__":
    sys.exit(main())
