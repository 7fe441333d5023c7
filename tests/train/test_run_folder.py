"""A run's folder is one training's at a time, and holds the files of one."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from faces.cache.reader import Cache
from faces.command import read_toml
from faces.files import exclusive
from faces.storage.documents import DamagedError, document
from tests.helpers.runs.undrawn import undrawn
from tests.train.test_train import RECIPE, plan
from train.engine.card import RunError
from train.engine.processes import Processes
from train.engine.state import REQUEST, read_state, save_state
from train.engine.watch import Watch
from train.fold import train_fold
from train.ready import ready_fold
from train.recipe.recipe import Recipe
from train.recipe.request import parse_request, read_request
from train.run_folder import digest_of_run, hold_folder

pytestmark = pytest.mark.usefixtures("no_pictures")

SHORT = dataclasses.replace(RECIPE, epochs=1)

HOLD = """
import sys, time
from pathlib import Path
from faces.files import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds a folder until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_second_training_is_refused_and_tears_nothing(coloured: Cache, tmp_path: Path) -> None:
    short = dataclasses.replace(RECIPE, epochs=1)
    wanted = plan(coloured, tmp_path / "fold1", short)
    with exclusive(wanted.folder):
        with pytest.raises(
            ValueError, match=rf"^{wanted.folder}: another process is training this fold; wait"
        ):
            train_fold(wanted, Watch())
        assert not content(tmp_path)
    train_fold(wanted, Watch())
    trained = content(tmp_path)
    with exclusive(wanted.folder), pytest.raises(ValueError, match=r"another FOLD, .* another RUNS folder"):
        train_fold(wanted, Watch())
    assert content(tmp_path) == trained


def test_a_killed_training_holds_nothing(coloured: Cache, tmp_path: Path) -> None:
    wanted = plan(coloured, tmp_path / "fold1")
    with holder(wanted.folder) as process:
        try:
            with pytest.raises(ValueError, match="another process"), hold_folder(wanted):
                pass
        finally:
            os.kill(process.pid, signal.SIGKILL)
    with hold_folder(wanted):  # at once
        pass


def test_of_several_processes_the_first_holds_the_folder_for_all(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first says to the others is passed on by hand."""
    said: list[Exception | None] = []

    def spread(self: Processes, error: Exception | None) -> None:
        said.extend([error] if self.first else [])
        if said[0]:
            raise said[0]

    monkeypatch.setattr(Processes, "raise_first", spread)
    first, second = (
        dataclasses.replace(plan(coloured, tmp_path / "fold1"), processes=Processes(rank=rank, world=2))
        for rank in (0, 1)
    )
    with hold_folder(first), hold_folder(second):
        assert said == [None]
    said.clear()
    with exclusive(first.folder):
        for each in (first, second):
            with pytest.raises(ValueError, match="another process is training"), hold_folder(each):
                pass


def test_a_file_in_the_folders_place_is_named(coloured: Cache, tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(NotADirectoryError, match="runs/fold1"):
        train_fold(plan(coloured, tmp_path / "runs" / "fold1"), Watch())


@pytest.fixture(scope="module")
def done(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one epoch."""
    folder = tmp_path_factory.mktemp("runs") / "fold1"
    with undrawn():
        train_fold(plan(coloured, folder, SHORT), Watch())
    return folder


@pytest.fixture
def finished(done: Path, tmp_path: Path) -> Path:
    """The finished run, which a test may spoil."""
    return Path(shutil.copytree(done, tmp_path / "fold1"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 2
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": cut,
    "flipped": flip,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["request.json", "best.safetensors"])
def test_a_run_whose_files_are_damaged_does_not_go_on(
    coloured: Cache, finished: Path, name: str, damage: str
) -> None:
    DAMAGES[damage](finished / name)
    before = content(finished)
    with pytest.raises(ValueError, match=rf"^{finished / name}: .*; .*(train|make train)") as found:
        train_fold(plan(coloured, finished, SHORT), Watch())
    assert "\n" not in str(found.value)
    assert content(finished) == before


@pytest.mark.parametrize(
    ("name", "damage"), [("recipe.toml", "gone"), *(("metrics.csv", damage) for damage in DAMAGES)]
)
def test_what_another_file_tells_is_written_again(
    coloured: Cache, finished: Path, name: str, damage: str
) -> None:
    before = content(finished)
    DAMAGES[damage](finished / name)
    train_fold(plan(coloured, finished, SHORT), Watch())
    assert content(finished) == before


def test_an_edited_recipe_is_refused_with_the_field(coloured: Cache, finished: Path) -> None:
    path = finished / "recipe.toml"
    path.write_text(path.read_text().replace("image_size = 32", "image_size = 64"))
    message = (
        rf"^{path}: edited, not the recipe of {finished / 'request.json'} \(recipe.image_size: 32 there, 64"
    )
    with pytest.raises(ValueError, match=message):
        train_fold(plan(coloured, finished, SHORT), Watch())


def test_a_run_of_before_goes_on_as_it_was_begun_and_so_do_the_folds_beside_it(
    coloured: Cache, finished: Path
) -> None:
    """Runs that say nothing of `keep` kept their best epoch."""
    wanted = plan(coloured, finished, dataclasses.replace(SHORT, keep="best"))
    shutil.rmtree(finished)
    row = train_fold(wanted, Watch())
    asked, resolved = finished / "request.json", finished / "recipe.toml"
    table = json.loads(asked.read_text())
    del table["seal"], table["recipe"]["keep"]
    asked.write_bytes(document(table))
    resolved.write_text(resolved.read_text().replace('keep = "best"\n', ""))
    state = read_state(finished / "last.pt")  # which names the request
    (finished / "last.pt").unlink()
    again = plan(coloured, finished, SHORT)
    save_state({**state, REQUEST: digest_of_run(again)}, finished / "last.pt")
    (finished / "last.previous.pt").unlink(missing_ok=True)
    before = content(finished)
    assert read_request(finished / "request.json").recipe.keep == "best"
    assert train_fold(again, Watch()) == row
    assert content(finished) == before
    beside = dataclasses.replace(plan(coloured, finished.with_name("fold2"), SHORT), fold=2)
    ready = ready_fold(beside)
    assert ready.plan.recipe.keep == "best"
    assert "goes on with keep = 'best'" in ready.notes[0]
    with pytest.raises(ValueError, match=r"holds a run of something else \(recipe.epochs: 1 there, 2 now\)"):
        ready_fold(plan(coloured, finished, dataclasses.replace(SHORT, epochs=2)))


def test_another_epoch_to_keep_is_another_recipe(coloured: Cache, finished: Path) -> None:
    with pytest.raises(ValueError, match=r"something else \(recipe.keep: 'last' there, 'best' now\)"):
        ready_fold(plan(coloured, finished, dataclasses.replace(SHORT, keep="best")))


def test_a_measured_precision_cannot_be_edited(coloured: Cache, tmp_path: Path) -> None:
    auto = dataclasses.replace(SHORT, precision="auto")
    wanted = plan(coloured, tmp_path / "fold1", auto)
    train_fold(wanted, Watch())
    path = wanted.folder / "recipe.toml"
    found = path.read_text()
    measured = read_toml(Recipe, path).precision
    other = "bf16" if measured == "fp32" else "fp32"
    path.write_text(found.replace(f'precision = "{measured}"', f'precision = "{other}"'))
    with pytest.raises(RunError, match=r"last.pt: state of another training than .* ask for"):
        train_fold(wanted, Watch())
    path.unlink()
    train_fold(wanted, Watch())
    assert path.read_text() == found, "the weights tell what was measured"
    for name in ("recipe.toml", "best.safetensors", "oof.parquet"):
        (wanted.folder / name).unlink()
    with pytest.raises(ValueError, match=r"recipe.toml: no such file.*write it as .*request.json has it"):
        train_fold(wanted, Watch())


def test_going_on_beside_weights_of_another_training_is_refused(
    coloured: Cache, finished: Path, tmp_path: Path
) -> None:
    other = plan(coloured, tmp_path / "other", dataclasses.replace(SHORT, seed=5))
    train_fold(other, Watch())
    for names, message in (
        (
            ("best.safetensors", "oof.parquet"),
            r"best\S+: weights of another training than .*recipe.seed: 0 there, 5 h",
        ),
        (("oof.parquet",), r"oof.parquet: holds other answers than those of .*best.safetensors"),
    ):
        spoilt = Path(shutil.copytree(finished, tmp_path / names[0]))
        for name in names:
            shutil.copy(other.folder / name, spoilt / name)
        with pytest.raises(ValueError, match=message):
            train_fold(plan(coloured, spoilt, SHORT), Watch())


@pytest.mark.parametrize("value", [None, 5, True, "", [], {}, -1])
def test_a_request_with_other_things_in_it_is_refused_or_alike(done: Path, value: object) -> None:
    """Also where its seal was made anew."""
    path = done / "request.json"
    table = json.loads(path.read_text())
    del table["seal"]
    asked = read_request(path)
    for name in table:
        for changed in ({**table, name: value}, {k: v for k, v in table.items() if k != name}):
            try:
                found = parse_request(document(changed), path)
            except DamagedError as error:
                assert str(error).startswith(f"{path}: ") and "train the fold again" in str(error)
            else:
                assert {*map(type, vars(found).values())} == {*map(type, vars(asked).values())}
                assert changed.get(name) == value and not isinstance(value, bool)
