"""Both ways of the whole job, each from its commands to its submission: time, CPU time and score."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from bench.whole.people import People
from faces.labels import CLASS_COUNT
from faces.scores import macro_f1

TEAMS, OURS = "as teams write it", "ours"
STAGES: Final = ("faces", "training", "prediction")
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Job:
    """The whole job."""

    people: People
    recipe: Path
    """Recipe file that both ways train."""
    folds: int
    table: Path
    """`bench.whole.people.TABLE`, for the teams' script."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One way's whole job, done once."""

    way: str
    wall: Mapping[str, float]
    """Seconds by the clock of each of `STAGES`. The teams' script searches faces while it trains and
    predicts, so that it has no time of its own for them."""
    cpu: Mapping[str, float]
    """Seconds of CPU time of all its processes, by stage."""
    macro_f1: float
    """Of the 18 classes of the people that neither way trained on."""
    accuracy: float

    @property
    def seconds(self) -> tuple[float, float]:
        """By the clock and of CPU time, all stages together."""
        return sum(self.wall.values()), sum(self.cpu.values())


def ours(job: Job, folder: Path) -> dict[str, list[list[str]]]:
    """What a user types, by stage: the modules behind make preprocess, train-all and infer.

    Args:
        job: what is to be done.
        folder: where caches, runs and predictions go.
    """
    recipe, people = job.recipe, job.people
    ensemble, runs = folder / "ensembles" / recipe.name, folder / "runs"
    ensemble.parent.mkdir(parents=True)
    ensemble.write_text(
        f'views = ["original"]\nvote = [{json.dumps(recipe.stem)}]\nrule = "soft"\n', encoding="utf-8"
    )
    caches = {name: folder / "caches" / name for name in ("train", "eval")}
    preprocess = [
        ["preprocess", "--data", str(data), "--cache", str(cache)]
        for data, cache in zip((people.train, people.unseen), caches.values(), strict=True)
    ]
    train = ["train", "--recipe", str(recipe), "--cache", str(caches["train"]), "--runs", str(runs)]
    infer = ["infer", "--ensemble", str(ensemble), "--cache", str(caches["eval"]), "--runs", str(runs)]
    infer += ["--predictions", str(folder / "predictions"), "--info", str(people.unseen / "info.csv")]
    return {
        "faces": preprocess,
        "training": [[*train, "--folds", str(job.folds)]],
        "prediction": [infer],
    }


def run_ours(job: Job, folder: Path) -> Turn:
    """The product's commands one after the other, each from its start to its end."""
    spent = {
        stage: [_timed(command) for command in commands] for stage, commands in ours(job, folder).items()
    }
    return turn_of(
        OURS,
        wall={stage: sum(wall for wall, _ in each) for stage, each in spent.items()},
        cpu={stage: sum(cpu for _, cpu in each) for stage, each in spent.items()},
        submission=folder / "predictions" / job.recipe.stem / "submission.csv",
        truth=job.people.truth,
    )


def run_teams(job: Job, folder: Path) -> Turn:
    """The script as teams write it, from its start to its end."""
    folder.mkdir(parents=True)
    command = ["bench.whole.teams", "--recipe", str(job.recipe), "--photos", str(job.table)]
    wall, cpu = _timed([*command, "--unseen", str(job.people.unseen), "--out", str(folder)])
    stages = json.loads((folder / "stages.json").read_text(encoding="utf-8"))
    return turn_of(
        TEAMS, **split_stages(wall, cpu, stages), submission=folder / "submission.csv", truth=job.people.truth
    )


def split_stages(wall: float, cpu: float, stages: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """`Turn.wall` and `Turn.cpu` of the teams' script.

    Args:
        wall: seconds from its start to its end.
        cpu: seconds of its processes.
        stages: what it wrote itself.
    """
    predicting = stages["prediction_cpu"] - stages["prediction_search"]
    return {
        "wall": {
            "faces": 0.0,
            "training": wall - stages["prediction_wall"],
            "prediction": stages["prediction_wall"],
        },
        "cpu": {
            "faces": stages["search"],
            "training": cpu - stages["search"] - predicting,
            "prediction": predicting,
        },
    }


def turn_of(
    way: str, *, wall: Mapping[str, float], cpu: Mapping[str, float], submission: Path, truth: pd.DataFrame
) -> Turn:
    """A turn with its scores.

    Args:
        way: its name.
        wall: by stage.
        cpu: by stage.
        submission: its ImageID and ans.
        truth: of the photos that it was to answer.

    Raises:
        ValueError: the submission does not answer just these photos.
    """
    answers = pd.read_csv(submission)
    if sorted(answers.ImageID) != sorted(truth.ImageID):
        raise ValueError(f"{way}: {submission} answers other photos than were asked for")
    both = answers.merge(truth, on="ImageID", suffixes=("", "_true"), validate="1:1")
    return Turn(
        way=way,
        wall=wall,
        cpu=cpu,
        macro_f1=macro_f1(both.ans_true, both.ans, CLASS_COUNT),
        accuracy=float((both.ans_true == both.ans).mean()),
    )


def _timed(command: Sequence[str]) -> tuple[float, float]:
    """Run a module; seconds by the clock and of CPU time, of it and all that it started.

    Raises:
        OSError: it failed; it has said why.
    """
    start, before = time.perf_counter(), _children()
    code = subprocess.run([sys.executable, "-m", *command], cwd=_ROOT, check=False).returncode
    if code:
        raise OSError(f"python -m {' '.join(command)}: ended with exit code {code}; see above")
    return time.perf_counter() - start, _children() - before


def _children() -> float:
    """CPU seconds of all processes that this one, and those below it, have waited for."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


WAYS: Final[dict[str, Callable[[Job, Path], Turn]]] = {TEAMS: run_teams, OURS: run_ours}


def run_turns(job: Job, folder: Path, repetitions: int, say: Callable[[str], Any]) -> list[Turn]:
    """Each way as often as asked, alone and one after the other; who comes first changes.

    Args:
        job: the whole job.
        folder: for all that is written.
        repetitions: of each way.
        say: called with a line before each turn.
    """
    turns = []
    for number in range(repetitions):
        for way in [*WAYS] if number % 2 == 0 else reversed([*WAYS]):
            say(f"{way}, {number + 1} of {repetitions}")
            turns.append(WAYS[way](job, folder / f"{number}-{way.split()[0]}"))
    return turns
