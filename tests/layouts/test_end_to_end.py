"""Every layout of docs/layouts.md with drawn faces, by the commands that stand there: photos to answers."""

import importlib
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from tests.layouts import drawn
from tests.layouts.drawn import MASKS, Face, Truth, in_folders

ROOT = Path(__file__).parents[2]
LINES = [
    line.partition("#")[0].strip()
    for line in (ROOT / "docs" / "layouts.md").read_text().splitlines()
    if line.startswith("make ")
]
# Answers in seconds, of the same heads as those of the recipe that stage 1 names.
RECIPE = """
tasks = ["*"]
backbone = "test_resnet"
image_size = 32
epochs = 1
batch_size = 4
precision = "fp32"
"""
Command = Callable[[str], str]
Layout = tuple[Callable[[Path, Sequence[Face]], Truth], str, str]
"""Who writes it, and how its command in the document begins; and what divides its photos."""
PLAIN, OWN = "make preprocess DATA=path/to/photos CACHE=caches/mine", "make labels DATA=path/to/photos"
LAYOUTS: dict[str, Layout] = {
    "two_folders": (in_folders("with_mask/{0}.jpg", "", "without_mask/{0}.jpg"), PLAIN, "person"),
    "three_folders": (in_folders(*(f"{name}/{{0}}.jpg" for name in MASKS)), PLAIN, "person"),
    "parts": (in_folders("Set/{1}/WithMask/{0}.jpg", "", "Set/{1}/WithoutMask/{0}.jpg"), PLAIN, "split"),
    "voc": (drawn.voc, "make preprocess DATA=data/face-mask-detection", "person"),
    "maskedface": (
        in_folders("CMFD/00000/{0}_Mask.jpg", "IMFD/00000/{0}_Mask_Chin.jpg", ""),
        "make preprocess DATA=data/MaskedFace-Net",
        "person",
    ),
    "afdb": (
        in_folders("AFDB_masked_face_dataset/{0}/0.jpg", "", "AFDB_face_dataset/{0}/0.jpg"),
        "make preprocess DATA=data/RMFD",
        "person",
    ),
    "utkface": (drawn.utkface, "make preprocess DATA=data/UTKFace", "person"),
    "fairface": (drawn.fairface, "make preprocess DATA=data/fairface", "split"),
    "adience": (drawn.adience, "make labels DATA=data/adience", "split_folds"),
    "celeba": (drawn.celeba, "make labels DATA=data/celeba", "split"),
    "table": (drawn.table, OWN, "person"),
}


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> list[Face]:
    """Three photos of each of twelve people."""
    return drawn.draw(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where commands run: caches lie side by side, so that the same photo is searched once."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "recipes").mkdir()
    (folder / "recipes" / "factors.toml").write_text(RECIPE)
    (folder / "ensembles").symlink_to(ROOT / "ensembles")
    return folder


@pytest.fixture
def command(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Does what a line of `make` says, but in this process, and gives what it prints."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "200")
    surroundings = {name: value for name, value in os.environ.items() if "MAKE" not in name}

    def run(line: str) -> str:
        capsys.readouterr()
        for part in line.split("&&"):
            asked = ["make", "-n", "--no-print-directory", "-C", str(ROOT), *shlex.split(part)[1:]]
            told = subprocess.run(asked, env=surroundings, capture_output=True, text=True, check=True)
            _, _, name, *arguments = shlex.split(told.stdout.splitlines()[-1])
            monkeypatch.setattr(sys, "argv", [name, *arguments])
            is_room = (ROOT / name.replace(".", "/") / "__main__.py").is_file()
            importlib.import_module(f"{name}.command" if is_room else name).main()
        return capsys.readouterr().out

    return run


def documented(start: str, name: str, data: str) -> list[str]:
    """The lines of the document that read a layout, for `data` where they name none of their own."""
    lines = [line for line in LINES if line.startswith(start)]
    if start == PLAIN:
        lines = lines[:1]
    if start == OWN:
        lines += [line for line in LINES if line.endswith("LABELS=labels.toml")]
    assert lines
    return [line.replace("path/to/photos", data).replace("caches/mine", f"caches/{name}") for line in lines]


def next_step(printed: str) -> str:
    steps: list[str] = re.findall(r"^next: (make .+)$", printed, re.MULTILINE)
    assert len(steps) == 1, printed
    return steps[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYOUTS)
def test_photos_become_answers_in_words(name: str, place: Path, faces: list[Face], command: Command) -> None:
    make, start, scheme = LAYOUTS[name]
    lines = documented(start, name, f"data/{name}" + ".csv" * (start == OWN))
    data = place / re.findall(r"DATA=(\S+)", lines[0])[0]
    (data.parent if data.suffix else data).mkdir(parents=True, exist_ok=True)
    truth = make(data, faces)
    training = next_step("".join(map(command, lines)))
    given = dict(re.findall(r"\b([A-Z_]+)=(\S+)", training))
    cache = Cache.open(place / given["CACHE"])
    assert given.get("FOLD_SCHEME", "person") == scheme
    check_labels(cache, truth)

    voting = next_step(command(training)).replace("caches/name", given["CACHE"])
    predictions = f"predictions/{name}"
    command(f"{voting} PREDICTIONS={predictions}")
    check_answers(cache, place / predictions / "factors", {*next(iter(truth.values()))})

    answers = place / f"{name}_answers.csv"
    pd.DataFrame([{"ImageID": photo, **words} for photo, words in truth.items()]).to_csv(answers, index=False)
    scored = f"make score PREDICTIONS={predictions}/factors ANSWERS={answers}"
    command(f"{scored} CACHE={given['CACHE']}")
    assert (place / predictions / "factors" / "score.png").is_file()

    ensemble = re.findall(r"ENSEMBLE=\S+ CACHE=\S+ RUNS=\S+", voting)[0]
    command(f"make evaluate {ensemble} PREDICTIONS={predictions}")
    table = pd.read_parquet(place / predictions / "factors" / "out_of_fold" / "out_of_fold.parquet")
    seen = cache.index.image_id[cache.index.split == "val"] if scheme == "split" else cache.index.image_id
    assert {*table.ImageID} == {*seen} and len(table) == len(seen)


def check_labels(cache: Cache, truth: Truth) -> None:
    """A crop of a found face for each photo, labelled as it was drawn."""
    rows = cache.index.set_index("image_id")
    assert {*rows.index} == {*truth} and len(rows) == len(truth) and cache.rejects.empty
    assert (rows.status == "detected").mean() > 0.9
    for photo, words in truth.items():
        read = {factor: cache.label_set.factor(factor).read(text) for factor, text in words.items()}
        np.testing.assert_equal(dict(rows.loc[photo, [*words]]), read)


def check_answers(cache: Cache, folder: Path, factors: set[str]) -> None:
    """A row for each sample, with a word and a probability for each labelled factor."""
    answers = pd.read_csv(folder / "answers.csv", dtype=dict.fromkeys(factors, str))
    assert [*answers.path] == [*cache.index.sort_values("position").source]
    told = {*answers.columns} - {"path", "left", "top", "right", "bottom", "status"}
    assert told == factors | {f"{factor} probability" for factor in factors}
    classes = {factor: cache.label_set.factor(factor).classes for factor in factors}
    # The likeliest combination of several factors has at least its share of all; one value of it may not.
    least = 1 / math.prod(map(len, classes.values()))
    for factor, words in classes.items():
        assert answers[factor].isin(words).all()
        assert answers[f"{factor} probability"].between(least - 5e-5, 1).all()
    assert (folder / "gallery.png").is_file() and not (folder / "submission.csv").exists()
