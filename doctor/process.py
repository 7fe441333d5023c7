"""A function in a process of its own, with a time limit: what a driver's fault ends is that process alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from doctor.finding import Finding

ROOT = Path(__file__).parents[1]
_LAST_WAIT = 5.0
"""Seconds that a killed process gets to go; one that hangs in a driver may never."""


def look(function: str, arguments: Mapping[str, Any], *, seconds: float, log: Path, cure: str) -> Finding:
    """Call a function that gives a `Finding` in another process.

    Args:
        function: as module:name.
        arguments: by name; they can be pickled.
        seconds: after which it is ended, with all that it started.
        log: gets what it prints.
        cure: for what it cannot say itself: no answer in time, a crash, an error.
    """
    line, theirs = Pipe()
    command = [sys.executable, "-m", "doctor.serve", function, str(theirs.fileno())]
    search = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with log.open("wb") as noise, line:
        with theirs:
            process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": search, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=noise,
                stderr=noise,
                start_new_session=True,
            )
        try:
            answer = _answer(line, arguments, seconds)
        finally:
            _end(process)
    if isinstance(answer, Finding):
        return answer
    if isinstance(answer, str):
        return Finding(words=answer, cure=cure)
    return Finding(words=_how_it_ended(process, seconds, log), cure=cure)


def _answer(line: Connection, arguments: Mapping[str, Any], seconds: float) -> object:
    """What the process sends; None where nothing comes."""
    with suppress(EOFError, OSError):
        line.send(dict(arguments))
        if line.poll(seconds):
            return line.recv()
    return None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that closed its line or has answered; end one that still works."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # what it started, too
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LAST_WAIT)


def _how_it_ended(process: subprocess.Popen[bytes], seconds: float, log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    last = f" ({lines[-1].strip()[:160]})" if lines else ""
    code = process.returncode
    if code is None or code == -signal.SIGKILL:
        return f"no answer in {seconds:.0f} s{last}"
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return f"its process {how}{last}"
