"""Progress without a terminal: plain lines at fixed times, and nothing of a bar."""

import io
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from faces.terminal.output import escaped_output, print_whole
from faces.terminal.progress import photo_progress, step_progress, track

ROOT = Path(__file__).parents[2]


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Job:
    """Progress whose console is a file, under a clock of its own."""

    def __init__(self, *fields: str, terminal: bool = False) -> None:
        self.clock, self.file = Clock(), io.StringIO()
        self.console = Console(file=self.file, force_terminal=terminal, width=60, get_time=self.clock)
        self.progress = photo_progress(*fields, console=self.console)

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, and the progress look at the clock."""
        self.clock.now += seconds
        self.progress.refresh()

    @property
    def lines(self) -> list[str]:
        """What was printed so far."""
        return self.file.getvalue().splitlines()


def test_a_line_every_half_minute_and_one_at_the_end() -> None:
    job = Job()
    with job.progress as progress:
        bar = progress.add_task("faces", total=20_000)
        job.pass_seconds(29.9)
        assert job.lines == []
        progress.advance(bar, 6_000)
        job.pass_seconds(0.1)
        assert job.lines == ["faces: 6,000 of 20,000 photos, 200 photos/s, 0:01:10 left"]
        job.pass_seconds(29)
        assert len(job.lines) == 1
        progress.advance(bar, 9_000)
        job.pass_seconds(1)
        assert job.lines[1:] == ["faces: 15,000 of 20,000 photos, 250 photos/s, 0:00:20 left"]
        job.clock.now += 20
        progress.advance(bar, 5_000)
    assert job.lines[2:] == ["faces: 20,000 of 20,000 photos, 250 photos/s, 0:01:20 in all"]


def test_a_job_shorter_than_the_first_line_prints_nothing() -> None:
    job = Job()
    with job.progress as progress:
        bar = progress.add_task("faces", total=7)
        progress.advance(bar, 7)
        job.pass_seconds(29)
    assert job.file.getvalue() == ""


def test_a_job_that_is_stopped_ends_with_how_far_it_came() -> None:
    job = Job()
    with pytest.raises(KeyboardInterrupt), job.progress as progress:
        bar = progress.add_task("faces", total=100)
        job.pass_seconds(30)
        progress.advance(bar, 60)
        job.pass_seconds(10)
        raise KeyboardInterrupt
    assert job.lines == ["faces: 0 of 100 photos", "faces: 60 of 100 photos, 1.5 photos/s, 0:00:27 left"]


def test_what_was_done_before_is_no_part_of_the_rate() -> None:
    job = Job()
    with job.progress as progress:
        bar = progress.add_task("faces", total=1_000, completed=400)
        progress.advance(bar, 300)
        job.pass_seconds(30)
        assert job.lines[-1] == "faces: 700 of 1,000 photos, 10 photos/s, 0:00:30 left"
        progress.reset(bar, description="fold 1", total=2_000, completed=1_400)
        progress.advance(bar, 300)
        job.pass_seconds(30)
        assert job.lines[-1] == "fold 1: 1,700 of 2,000 photos, 10 photos/s, 0:00:30 left"


def test_a_finished_job_has_one_last_line_while_the_next_goes_on() -> None:
    job = Job()
    with job.progress as progress:
        first = progress.add_task("first", total=60)
        progress.advance(first, 30)
        job.pass_seconds(30)
        progress.advance(first, 30)
        progress.add_task("second", total=5)
        job.pass_seconds(30)
        job.pass_seconds(30)
    names = [line.partition(":")[0] for line in job.lines]
    assert names == ["first", "first", "second", "second", "second"]


def test_lines_show_the_named_values_and_an_unknown_total() -> None:
    job = Job("loss", "score")
    with job.progress as progress:
        bar = progress.add_task("[x] fold 0", total=None, loss="", score="")
        progress.update(bar, advance=600, loss="loss 0.412")
        job.pass_seconds(30)
        progress.update(bar, visible=False)
    assert job.lines == ["[x] fold 0: 600 photos, 20 photos/s, loss 0.412"]


def test_a_log_gets_neither_carriage_returns_nor_control_codes() -> None:
    job = Job()
    with job.progress as progress:
        progress.advance(progress.add_task("a long name " * 10, total=2), 1)
        job.pass_seconds(30)
    assert not re.search(r"[\r\x1b]", job.file.getvalue())
    assert len(job.lines) == 2


def test_a_terminal_gets_its_bar_and_no_lines() -> None:
    job = Job(terminal=True)
    with job.progress as progress:
        bar = progress.add_task("faces", total=20)
        progress.advance(bar, 20)
        job.pass_seconds(60)
    assert "\x1b" in job.file.getvalue() and "20/20" in job.file.getvalue()
    assert " of 20 photos" not in job.file.getvalue()


def test_the_same_holds_for_what_is_no_photo() -> None:
    job = Job()
    for run in track([1, 2, 3], "reading", "runs", console=job.console):
        job.clock.now += 20 * run
    assert job.lines == [
        "reading: 2 of 3 runs, 0.033 runs/s, 0:00:30 left",
        "reading: 3 of 3 runs, 0.025 runs/s, 0:02:00 in all",
    ]
    with step_progress("turns", console=job.console) as progress:
        progress.advance(progress.add_task("step", total=3), 3)
    assert len(job.lines) == 2


@pytest.mark.parametrize("room", ["faces", "preprocess", "pipeline", "train", "infer", "bench"])
def test_no_command_draws_bars_of_its_own(room: str) -> None:
    bare = [path for path in (ROOT / room).rglob("*.py") if "rich.progress" in path.read_text()]
    assert bare == ([ROOT / "faces/terminal/progress.py"] if room == "faces" else [])


HOSTILE = "a\x1b[2J\x1b]0;t\x07 b\x9b1m \x7f \u202egpj.exe \udcff \x08\r"
SHOWN = r"a\x1b[2J\x1b]0;t\x07 b\x9b1m \x7f \u202egpj.exe \udcff \x08\r"


def test_no_name_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with escaped_output():
        print(HOSTILE)
        print(HOSTILE, file=sys.stderr)
        Console(width=200).print(HOSTILE, markup=False)
        table = Table("name")
        table.add_row(HOSTILE)
        print_whole(table, Console(width=20))
        print("사진 ✓\u3000one\ttwo\nthree")
    print("as\x1bbefore")
    out, err = capsys.readouterr()
    assert err == f"{SHOWN}\n"
    assert out.count(SHOWN) == 3
    assert out.endswith("사진 ✓\u3000one\ttwo\nthree\nas\x1bbefore\n")


def test_a_bar_may_still_be_drawn_and_what_is_printed_beside_it_steers_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a terminal, rich's own marks pass."""
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    with escaped_output():
        console = Console(force_terminal=True, width=100)
        with photo_progress(console=console) as progress:
            progress.add_task(f"faces \x9b{HOSTILE}", total=2)
            print("\x9b2J beside")
    drawn = screen.getvalue()
    assert "\x1b[" in drawn and "\\x1b[2J" in drawn and r"\x9b2J beside" in drawn
    assert not {"\x9b", "\x07", "\u202e", "\udcff"} & {*drawn}
    assert "\x1b[2J" not in drawn and sys.stdout is screen
