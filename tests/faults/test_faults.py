"""At least 400 faults: none may end unclear, none silently wrong."""

import fnmatch
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from tests.faults.campaign import Campaign, Trial, file_faults, limited, shuffled
from tests.faults.commands import READING
from tests.faults.fields import table_faults
from tests.faults.mutations import Fault
from tests.faults.outcome import BAD, Outcome, Seen, judge
from tests.faults.processes.disks import can_mount, disk_trials, vanishing_trials
from tests.faults.processes.kills import double_trials, kill_trials, worker_trials
from tests.faults.processes.surroundings import clock_trials, memory_trials, stream_trials
from tests.faults.table import bad, markdown
from tests.faults.weights import weight_faults
from tests.faults.world import remove, written
from tests.faults.zygote.client import ENVIRONMENT, Ended

ONLY = os.environ.get("ONLY") or "*"
SEED = int(os.environ.get("SEED") or 0)
OUT = Path(os.environ.get("OUT") or "faults-report")
"""Folder for table.md and bad.md."""
MOST = int(os.environ.get("MOST") or 60)
"""Faults of fields of each kind of file; other seeds draw others, and a large number is all of them."""
LEAST = 400
PICTURES = ("*.png",)
"""Forked processes write digests in their place."""
T = TypeVar("T", Fault, Trial)
pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    folder = tmp_path_factory.mktemp("faults")
    campaign = Campaign(folder)
    print("\nthe world:", *campaign.open(), sep="\n  ")
    yield campaign
    campaign.close()
    shutil.rmtree(folder)


def chosen(tasks: Sequence[T]) -> list[T]:
    """Those that ONLY names, by file, process or kind of fault, in a drawn order."""

    def fits_only(task: T) -> bool:
        where = task.path if isinstance(task, Fault) else task.where
        return any(fnmatch.fnmatch(name, ONLY) for name in (where, task.kind))

    return shuffled([task for task in tasks if fits_only(task)], SEED)


@pytest.fixture
def told(campaign: Campaign) -> Iterator[None]:
    """The table and the list of all that ended badly so far, written whatever comes."""
    began = time.monotonic()
    yield
    print(f"\n{time.monotonic() - began:.0f} s")
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "table.md").write_text(markdown(campaign.results))
    (OUT / "bad.md").write_text(bad(campaign.results))
    print(f"\n{markdown(campaign.results)}\nwritten: {OUT / 'table.md'}, {OUT / 'bad.md'}")


def ended_badly(campaign: Campaign, before: int) -> str:
    """What ended badly since then, with the commands that show it; "" for nothing."""
    wrong = [result for result in campaign.results[before:] if result.outcome in BAD]
    return bad(wrong) if wrong else ""


@pytest.mark.parametrize("name", ["verify train", "plain new", "train new", "infer new"])
def test_a_forked_process_does_what_a_fresh_one_does(campaign: Campaign, name: str) -> None:
    campaign.learn({name} - {*campaign.references})
    with campaign.room() as room:
        remove(room.copy.folder, READING[name].without)
        before = room.copy.digests()
        ended = subprocess.run(
            [sys.executable, "-m", *READING[name].line.split()],
            cwd=room.copy.folder,
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
        )
        fresh = Ended(ended.returncode, ended.stdout, ended.stderr)
        seen = Seen(fresh, "", before, room.copy.digests(), room.copy.folder)
        assert judge(seen, campaign.references[name].but(PICTURES)) == (Outcome.SURVIVED, "")


@pytest.mark.usefixtures("told")
def test_a_damaged_file_is_survived_or_named(campaign: Campaign) -> None:
    before = len(campaign.results)
    campaign.run(chosen([*file_faults(campaign.sound, SEED), *weight_faults()]), most=2)
    assert ended_badly(campaign, before) == ""


@pytest.mark.usefixtures("told")
def test_a_field_that_is_missing_or_out_of_range_is_survived_or_named(campaign: Campaign) -> None:
    before = len(campaign.results)
    faults = [fault for path in written(campaign.sound) for fault in table_faults(campaign.sound, path)]
    campaign.run(limited(chosen(faults), MOST, SEED), most=1)
    assert ended_badly(campaign, before) == ""


@pytest.mark.usefixtures("told")
def test_a_process_that_is_stopped_starved_or_doubled_loses_nothing(campaign: Campaign) -> None:
    before = len(campaign.results)
    trials = [*kill_trials(campaign, SEED), *worker_trials(campaign, SEED), *double_trials(campaign)]
    trials += [*stream_trials(campaign), *memory_trials(campaign), *clock_trials(campaign)]
    trials += vanishing_trials(campaign, SEED)
    if can_mount(campaign.folder / "mounted"):
        trials += disk_trials(campaign)
    else:
        print("not tried: disks that are full or may only be read, as this process may not mount any")
    campaign.try_all(chosen(trials))
    assert ended_badly(campaign, before) == ""


@pytest.mark.usefixtures("told")
def test_there_are_faults_enough(campaign: Campaign) -> None:
    if ONLY == "*":
        assert len(campaign.results) >= LEAST
