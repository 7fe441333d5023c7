"""The commands that are run on the world, and which of them read which file."""

from __future__ import annotations

import fnmatch
import random
import re
from dataclasses import dataclass

MASK = re.compile(r"[0-9a-f]{16}|\d+")
"""What numbered files of one kind differ in."""
NAMES = re.compile(r"^((?:runs|predictions)/)(?!selected)\w+/")
PROGRAMS = ("exports/*/predict.py",)
"""Files that are programs: with a flipped bit they are other programs, which cannot say what they are."""
JOURNALS = ("*/environment.json",)
"""Files that tell what happened when; what is lost of one is not made again."""
QUOTING = ("*/predicted/*", "*/basis.json", "*/request.json")
"""Files that name others by their digest: they differ where one was sealed anew, whatever is in it."""
GIVEN = ("recipes/*", "ensembles/*", "labels.toml", "predictions/*/tuned.toml", "predictions/*/selected.toml")
"""Files that people write, or may edit: another one that is valid asks for something else."""


@dataclass(frozen=True)
class Command:
    """A command line, in the world."""

    line: str
    """Module (as behind `python -m`) or program, and arguments."""
    without: tuple[str, ...] = ()
    """What is removed before, so that it is made again (patterns)."""

    @property
    def shown(self) -> str:
        """As a person types it."""
        start = "python " if self.line.split()[0].endswith(".py") else "python -m "
        removed = f"rm -rf {' '.join(self.without)}; " if self.without else ""
        return removed + start + self.line


def _preprocess(data: str, cache: str, more: str) -> str:
    return f"preprocess --data data/{data} --cache caches/{cache} --size 32 --workers 1 {more}".strip()


def _train(recipe: str, more: str) -> str:
    return f"train --recipe recipes/{recipe}.toml --folds 2 {more}"


ON_TRAIN, ON_EVAL = "--cache caches/train", "--cache caches/eval"
BOTH = "--ensemble ensembles/both.toml"
_ANSWERS = "--answers data/eval/.answers.csv"
MAKING = {
    "train": Command(_preprocess("train", "train", "--shard-size 8")),
    "eval": Command(_preprocess("eval", "eval", "--shard-size 8")),
    "plain": Command(_preprocess("train", "plain", "--shard-size 8 --faces as_is")),
    "joined": Command("preprocess.join --caches caches/train caches/eval --cache caches/joined"),
    "tiny": Command(_train("tiny", ON_TRAIN)),
    "other": Command(_train("other", ON_TRAIN)),
    "infer": Command(f"infer {BOTH} {ON_EVAL}"),
    "alone": Command(f"infer --ensemble ensembles/alone.toml {ON_EVAL}"),
    "evaluate": Command(f"infer.evaluate {BOTH} {ON_TRAIN}"),
    "evaluate-alone": Command(f"infer.evaluate --ensemble ensembles/alone.toml {ON_TRAIN}"),
    "student": Command(_train("student", f"--fold 0 {ON_TRAIN}")),
    "score": Command(f"infer.answers.score --predictions predictions/both {_ANSWERS} {ON_EVAL}"),
    "show": Command(f"infer.answers.show --predictions predictions/both {ON_EVAL} --data data/eval"),
    "diff": Command(
        f"infer.answers.diff --first predictions/both --second predictions/alone {ON_EVAL} {_ANSWERS}"
    ),
    "tune": Command(f"infer.tune {BOTH} {ON_TRAIN}"),
    "select": Command(f"infer.tune.select {ON_TRAIN} --runs runs --size 3"),
    "standings": Command(f"infer.evaluate.standings {ON_TRAIN} --ensembles ensembles/both.toml"),
    "compare": Command("train.results.compare --runs runs/tiny runs/other --out compare.png"),
    "export": Command("infer.export --run runs/tiny/fold0 --out exports/tiny"),
    "predict": Command("exports/tiny/predict.py exports/tiny/model.onnx photos --out exports/answers.csv"),
    "look": Command("preprocess.look --cache caches/train"),
    "labels": Command("preprocess.labels --data data/train --out labels.toml"),
}
"""By name, in the order in which the world is made by them."""
READING = {
    **{f"{name} again": command for name, command in MAKING.items() if name != "labels"},
    **{f"verify {name}": Command(f"preprocess.verify --cache caches/{name}") for name in ("train", "eval")},
    **{f"verify {name}": Command(f"preprocess.verify --cache caches/{name}") for name in ("plain", "joined")},
    "resume": Command(_preprocess("train", "half", "--shard-size 8 --faces as_is")),
    "lend": Command(_preprocess("train", "lent", "--shard-size 8 --margin 0.5")),
    "labelled": Command(
        _preprocess("train", "labelled", "--shard-size 8 --faces as_is --labels labels.toml")
    ),
    "plain new": Command(_preprocess("train", "killed", "--shard-size 4 --faces as_is")),
    "plain new 2": Command(
        _preprocess("train", "killed", "--shard-size 4 --faces as_is").replace("workers 1", "workers 2")
    ),
    "train new": Command(_train("tiny", f"{ON_TRAIN} --runs new --fold 0")),
    "student new": Command(_train("student", f"--fold 0 {ON_TRAIN} --runs new")),
    "fold again": Command(_train("tiny", f"{ON_TRAIN} --fold 0")),
    "train on": Command(_train("tiny", f"{ON_TRAIN} --runs half --fold 0")),
    "train joined": Command(_train("tiny", "--cache caches/joined --runs joined --fold 0")),
    "infer new": Command(MAKING["infer"].line, ("runs/*/fold?/predicted", "predictions/both")),
    "evaluate new": Command(MAKING["evaluate"].line, ("runs/*/fold?/predicted", "predictions/both")),
    "infer tuned": Command(f"infer --ensemble predictions/both/tuned.toml {ON_EVAL}"),
    "infer selected": Command(f"infer --ensemble predictions/selected/selected.toml {ON_EVAL}"),
    "join new": Command(MAKING["joined"].line, ("caches/joined",)),
    "export plain": Command("infer.export --run runs/tiny/fold1 --no-predictor --out exports/plain"),
    "recipes": Command("train.recipe.catalogue"),
    "ensembles": Command("infer.ensemble.catalogue"),
}
_PICTURES = ("*.png", "*.jpg", "*.html", "*/events/*", "*.pt2")
"""What people look at, and other programs read."""
READERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("caches/train/cache.json", ("verify train", "train again", "train new", "lend", "evaluate again")),
    ("caches/train/index.parquet", ("verify train", "train again", "train new", "lend", "look again")),
    ("caches/train/shards/*.tar", ("verify train", "train new", "evaluate new")),
    ("caches/train/rejects.csv", ("verify train", "look again")),
    ("caches/train/*", ("verify train", "train again")),
    ("caches/eval/cache.json", ("verify eval", "infer again", "show again", "eval again")),
    ("caches/eval/index.parquet", ("verify eval", "infer again", "show again")),
    ("caches/eval/*", ("verify eval", "infer new")),
    ("caches/joined/shards/*", ("verify joined",)),
    ("caches/joined/*", ("verify joined", "joined again", "train joined")),
    ("caches/plain/*", ("verify plain", "plain again")),
    ("caches/half/*", ("resume",)),
    ("half/*", ("train on",)),
    ("runs/*/best.safetensors", ("infer new", "infer again", "evaluate new", "fold again")),
    ("runs/*/oof.parquet", ("evaluate new", "tune again", "select again", "compare again", "fold again")),
    ("runs/student/*", ("student again",)),
    ("runs/*/last*.pt", ("fold again",)),
    ("runs/*/predicted/*", ("infer again", "evaluate again")),
    ("runs/*", ("fold again", "infer new", "evaluate again", "compare again")),
    ("predictions/both/out_of_fold/*.parquet", ("student again", "student new", "evaluate again")),
    ("predictions/*/out_of_fold/*", ("evaluate again", "standings again")),
    ("predictions/*/tuned.toml", ("infer tuned",)),
    ("predictions/selected/*", ("infer selected",)),
    ("predictions/*", ("score again", "diff again", "show again", "infer again")),
    ("exports/*", ("predict again",)),
    ("recipes/student.toml", ("student again", "recipes")),
    ("recipes/*", ("fold again", "train on", "recipes")),
    ("ensembles/*", ("infer again", "evaluate again", "ensembles")),
    ("labels.toml", ("labelled",)),
    ("*", ("verify train", "compare again", "infer again")),
)
"""The first pattern that a path fits names its readers; the last one is for files that are not known here."""


def readers(path: str) -> tuple[str, ...]:
    """Names of the commands to run where that file of the world is damaged."""
    names = next(names for pattern, names in READERS if fnmatch.fnmatch(path, pattern))
    return names[:1] if fits(path, _PICTURES) else names


def met_by(path: str, what: str, most: int) -> list[str]:
    """The readers that meet a fault: of many the first, and others drawn by what the fault is."""
    first, *others = readers(path)
    drawn = random.Random(f"{path} {what}")
    if most == 1:
        return [drawn.choice([first, *others]) if drawn.random() < 0.5 else first]
    return [first, *drawn.sample(others, min(most - 1, len(others)))]


def kind_of(path: str) -> str:
    """The kind of a file: its path without numbers, digests and what its run or ensemble is called."""
    return NAMES.sub(r"\1*/", MASK.sub("*", path))


def fits(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether a path fits one of the patterns."""
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)
