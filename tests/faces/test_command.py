import errno
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from faces.command import nearest, read_toml, run_command, to_table, write_toml
from faces.failures import complaint
from faces.files import write_atomically
from infer.ensemble.file import read_ensemble
from train.recipe.file import read_recipe
from train.recipe.network import Schedule
from train.recipe.recipe import Recipe
from train.sweep.file import read_sweep

ROOT = Path(__file__).parents[2]


def toml(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text)
    return path


def test_every_recipe_and_ensemble_of_the_project_reads_and_says_what_it_is() -> None:
    recipes = [read_recipe(path) for path in (ROOT / "recipes").glob("*.toml")]
    ensembles = [read_ensemble(path) for path in (ROOT / "ensembles").glob("*.toml")]
    assert len(recipes) >= 3
    assert len(ensembles) >= 2
    assert all(settings.about for settings in [*recipes, *ensembles])


def test_written_settings_read_back_equal(tmp_path: Path) -> None:
    recipe = Recipe(
        tasks=("mask", "age6"), precision="bf16", schedule=Schedule(name="exponential", gamma=0.9)
    )
    write_toml(recipe, tmp_path / "recipe.toml")
    assert read_toml(Recipe, tmp_path / "recipe.toml") == recipe
    assert to_table(recipe)["schedule"]["gamma"] == 0.9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"x.toml: unknown setting 'epoch': did you mean 'epochs'\?"),
        ("[optimiser]\nlearning = 1", "unknown setting 'optimiser.learning': known are name, lr"),
        ("[epochs]\nlr = 1", "'epochs' is one value, not a table"),
        ("optimiser = 3", "'optimiser' is a table, not one value"),
        ('epochs = "ten"', r'x.toml: epochs: "ten" is text, expected a whole number$'),
        ('epochs = "5"', r'x.toml: epochs: "5" is text, expected a whole number; leave out the quotes$'),
        ("epochs = 5.0", "x.toml: epochs: 5.0 is a decimal number, expected a whole number; write 5$"),
        ("epochs = 5.5", "x.toml: epochs: 5.5 is a decimal number, expected a whole number$"),
        ("epochs = true", "x.toml: epochs: true is a boolean, expected a whole number$"),
        ("epochs = 2026-01-31", "epochs: .*2026-01-31.* is a date, expected a whole number"),
        ("about = 2026-01-31", "about: .*2026-01-31.* is a date, expected text"),
        ("backbone = 123", "backbone: 123 is a whole number, expected text; put it in quotes"),
        ("pretrained = 1", "pretrained: 1 is a whole number, expected true or false"),
        ('pretrained = "true"', 'pretrained: "true" is text, expected true or false; leave out the quotes'),
        ('tasks = "mask"', 'tasks: "mask" is text, expected a list of texts; put it in brackets'),
        ('tasks = ["mask", 3]', r"tasks\[1\]: 3 is a whole number, expected text; put it in quotes"),
        ("[optimiser]\nlr = true", "optimiser.lr: true is a boolean, expected a number"),
        (
            '[optimiser]\nname = "adamW"',
            'optimiser.name: "adamW" is unknown, expected adam, adamw, sgd, sgd_nesterov or',
        ),
        ("[optimiser]\nname = 3", "optimiser.name: 3 is a whole number, expected adam, adamw"),
        ('loss.terms = ["focl"]', r'loss.terms\[0\]: "focl" is unknown, expected cross_entropy, focal, ldam'),
        ("[mixing]\nratio = [0.4]", r"mixing.ratio: \[0.4\] is a list of 1, expected a list of 2 numbers"),
        ("[mixing]\nratio = [0, 1, 1]", r"mixing.ratio: \[0, 1, 1\] is a list of 3, expected a list of 2"),
        ("epochs = 0", "epochs=0"),
        ('precision = "fp8"', 'precision: "fp8" is unknown, expected auto, fp32, bf16 or fp16'),
        ('tasks = ["mask", "mask"]', "each once"),
        ('augment = "lite"', r"'lite' is unknown: did you mean 'light'\?"),
        ("[optimiser]\nlr = -1", "optimiser.lr=-1"),
        ("[schedule]\ngamma = 2", "schedule.gamma=2"),
        ('pretrained = true\nweights = "a"', "choose one"),
        ("epochs = ", "x.toml: not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_toml(Recipe, toml(tmp_path, text))


def test_a_mistake_names_its_file_and_its_key_once(tmp_path: Path) -> None:
    for text in ("epochs = 0", "[optimiser]\nlr = -1", 'seed = "1"', "optimizer = 3"):
        path = toml(tmp_path, text)
        with pytest.raises(ValueError, match=r"x\.toml") as caught:
            read_toml(Recipe, path)
        key = text.split()[-3].removesuffix("]")
        assert str(caught.value).count(str(path)) == str(caught.value).count(key) == 1
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_whole_numbers_lists_and_texts_become_what_the_field_holds(tmp_path: Path) -> None:
    found = read_toml(Recipe, toml(tmp_path, 'centre = 1\ntasks = ["mask"]\n[mixing]\nratio = [0.25, 0.5]'))
    assert (found.centre, type(found.centre)) == (1.0, float)
    assert (found.tasks, found.mixing.ratio) == (("mask",), (0.25, 0.5))


def test_a_missing_file_names_those_that_are_there(tmp_path: Path) -> None:
    there = toml(tmp_path, "epochs = 1")
    with pytest.raises(ValueError, match=rf"y.toml: no such file; there are: {there}"):
        read_toml(Recipe, tmp_path / "y.toml")
    with pytest.raises(ValueError, match=r"y.toml: no such file; no .toml file is there"):
        read_toml(Recipe, tmp_path / "other" / "y.toml")


@pytest.mark.parametrize(
    ("name", "read", "meant"),
    [
        ("recipes/smal.toml", read_recipe, "recipes/small.toml"),
        ("recipes/small", read_recipe, "recipes/small.toml"),
        ("ensembles/team_b_nin.toml", read_ensemble, "ensembles/team_b_nine.toml"),
        ("sweeps/quater.toml", read_sweep, "sweeps/quarter.toml"),
    ],
)
def test_a_mistyped_file_names_the_nearest_few(
    name: str, read: Callable[[Path], object], meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(ValueError, match=rf"^{name}: no such file; did you mean {meant}( or \S+)*\?$"):
        read(Path(name))


def test_a_file_with_a_name_like_none_lists_some_and_counts_the_rest(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"recipe{number:02d}.toml").touch()
    with pytest.raises(ValueError, match=r"zzz.toml: no such file; there are: .*recipe29.toml and 10 more$"):
        read_recipe(tmp_path / "zzz.toml")
    assert nearest("zzz", [f"recipe{number:02d}" for number in range(40)]).endswith("recipe29 and 10 more")


def error_line(action: Callable[[], object], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line in which a command ends."""

    def act(_: Schedule) -> None:
        action()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["command"])
        with pytest.raises(SystemExit) as ended:
            run_command(Schedule, act)
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    return line


def test_a_file_in_a_folders_place_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "runs"
    file.touch()
    line = error_line(lambda: file.mkdir(exist_ok=True), capsys)
    assert line == (
        f"error: {file}: File exists; it is a file where a folder is needed: move it elsewhere, or give "
        "another path"
    )
    below = file / "small" / "fold0"
    line = error_line(lambda: below.mkdir(parents=True), capsys)
    assert line.startswith(f"error: {below}: Not a directory; {file} is a file where a folder is needed: ")
    line = error_line(lambda: write_atomically(tmp_path, b""), capsys)
    assert line.startswith(f"error: {tmp_path}: Is a directory; a folder lies where a file is needed: ")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device; make room, and the same command goes on from here"),
        (errno.EROFS, "Read-only file system; it can only be read there: give a path on a disk that can be"),
        (
            errno.EACCES,
            r"Permission denied; {0} belongs to \w+ \(drwx.*\): let \w+ use it \(chmod, chown\), or",
        ),
    ],
)
def test_what_the_system_refuses_is_said_with_path_and_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, words: str
) -> None:
    path = tmp_path / "fold0" / "last.pt"

    def refuse() -> None:
        raise OSError(number, os.strerror(number), str(path))

    expected = rf"error: {path}: {words.format(tmp_path)}"
    assert re.match(expected, error_line(refuse, capsys))


def test_an_error_of_no_path_has_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    assert error_line(refuse, capsys).endswith(
        "No space left on device; make room, and the same command goes on from here"
    )

    def tell() -> None:
        raise OSError("a worker was killed")

    assert error_line(tell, capsys) == "error: a worker was killed"


def test_a_path_that_cannot_be_made_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    line = error_line(lambda: Path("/proc/runs/fold0").mkdir(parents=True), capsys)
    assert line.startswith("error: /proc/runs: No such file or directory; check the path")


def test_an_error_is_one_line_whatever_is_in_the_file(tmp_path: Path) -> None:
    path = toml(tmp_path, '"up\\nand\\u001b[2J" = 1')
    with pytest.raises(ValueError) as caught:
        read_toml(Recipe, path)
    assert "up\\nand\\x1b[2J" in complaint(caught.value)
    assert complaint(caught.value).isprintable()
    assert complaint(OSError(errno.ENOSPC, "No space left", f"{tmp_path}/a\nb")).isprintable()


def test_memory_that_runs_out_ends_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    class PanicError(BaseException):
        """As Rust's, of which safetensors is."""

    for error in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"),
        PanicError("PyObject pointer is null"),
    ):

        def refuse(error: BaseException = error) -> None:
            raise error

        line = error_line(refuse, capsys)
        assert (
            line.startswith("error: out of memory (") and "(ulimit -v), and the same command goes on" in line
        )


def test_what_stops_a_thread_is_a_note(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "runs/x/events")

    def work(_: Schedule) -> None:
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        print("done")

    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "argv", ["x"])
    run_command(Schedule, work)
    told = capsys.readouterr()
    assert told.out == "done\n"
    assert re.fullmatch(r"note: runs/x/events: No such file or directory; .*\n", told.err)


def test_a_mistake_of_the_program_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise KeyError("prior")

    with pytest.raises(KeyError):
        error_line(fail, capsys)


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
@pytest.mark.parametrize("reader", ["closed", "left"])
def test_a_command_goes_on_where_nobody_reads_what_it_prints(
    tmp_path: Path, stream: str, reader: str
) -> None:
    """Also a file that is opened does not get the number of a closed stream."""
    script = f"""
import os, sys
from dataclasses import dataclass
from pathlib import Path
from rich import print as rich_print
from faces.command import run_command

@dataclass(frozen=True)
class Nothing:
    "Nothing to set."

def act(_):
    with Path({str(tmp_path / "result")!r}).open("w") as file:
        for number in range(20_000):
            print(number, file=sys.{stream})
        rich_print("a table")
        os.write(2, b"of a library")
        file.write(str(file.fileno() > 2))

run_command(Nothing, act)
"""
    read, write = os.pipe()
    os.close(read)
    closed = 1 if stream == "stdout" else 2
    ended = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        cwd=Path(__file__).parents[2],
        preexec_fn=(lambda: os.close(closed)) if reader == "closed" else (lambda: os.dup2(write, closed)),
    )
    os.close(write)
    assert ended.returncode == 0
    assert (tmp_path / "result").read_text() == "True"


@pytest.mark.parametrize("moment", ["while options are read", "in the work"])
def test_an_interruption_ends_in_a_line_at_any_moment(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    if moment == "while options are read":
        monkeypatch.setattr("faces.command.tyro.cli", interrupted)
    monkeypatch.setattr(sys, "argv", ["x"])
    with pytest.raises(SystemExit, match="stopped; the same command goes on from here"):
        run_command(Schedule, interrupted)
