"""The commands of docs/own-labels.md, typed as they stand: from drawn people with glasses to answers."""

import re
import subprocess
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
DOC = ROOT / "docs" / "own-labels.md"


def workplace(folder: Path) -> Path:
    """A folder in which the commands find all that the project's own holds, and write beside it."""
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in ("data", "caches", "runs", "predictions", ".git"):
            (folder / entry.name).symlink_to(entry)
    return folder


@pytest.mark.slow
def test_glasses_are_told_of_people_not_seen(tmp_path: Path) -> None:
    block = re.search(r"```sh\n(make sample .*?)```", DOC.read_text(), re.DOTALL)
    assert block is not None
    place = workplace(tmp_path / "place")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block[1]], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "next: make train-all RECIPE=recipes/factors.toml" in done.stdout
    answers = pd.read_csv(place / "predictions/glasses/factors/answers.csv")
    truth = pd.read_csv(place / "data/glasses/eval/.answers.csv").set_index("ImageID")["glasses"]
    names = answers["path"].str.removeprefix("images/")
    assert {*names} == {*truth.index} and len(names) == len(truth)
    right = answers["glasses"].to_numpy() == truth[names].to_numpy()
    assert right.mean() >= 0.95
    assert 0.1 < (answers["glasses"] == "yes").mean() < 0.5
    assert answers["glasses probability"].between(0.5, 1).all()
    assert not (place / "predictions/glasses/factors/submission.csv").exists()
