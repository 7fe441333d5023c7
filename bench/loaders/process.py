"""A rival in a process of its own, which runs an epoch for each message over a pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from multiprocessing import Pipe
from pathlib import Path

from bench.loaders.task import Task
from bench.measure import Round

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-peers"
"""Environment of the rivals that need packages of their own."""
PYTHON = FOLDER / "bin" / "python"
FAILED = FOLDER / "failed.json"
"""What could not be installed there: the last line of the error by package."""
PATIENCE = 300.0
"""Seconds that a rival may take to start, or for one epoch: FFCV compiles for up to a minute in its first."""


class RivalProcess:
    """One rival. It starts at once; `ready` waits for it.

    Args:
        python: the interpreter that has the rival's library.
        module: of `bench.loaders.rivals`.
        task: its work.
        packages: those whose versions `ready` returns.
    """

    def __init__(self, python: Path, module: str, task: Task, packages: Sequence[str]) -> None:
        self.problem = ""
        """Why it takes part no longer; empty while it does."""
        self._noise = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  (closed by `stop`)
        self._line, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [python, "-m", "bench.loaders.serve", module, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=self._noise,
                stderr=self._noise,
                start_new_session=True,
            )
        self._line.send((task, tuple(packages)))

    def ready(self) -> dict[str, str]:
        """Wait until the rival is built; versions of its packages, none if it has a `problem`."""
        answer = self._answer()
        if isinstance(answer, str):
            self.problem = answer
        return answer if isinstance(answer, dict) else {}

    def run(self) -> Round | None:
        """Run one epoch; None once there is a `problem`."""
        if self.problem:
            return None
        try:
            self._line.send(True)
        except OSError as error:
            self.problem = str(error)
            return None
        answer = self._answer()
        return answer if isinstance(answer, Round) else None

    def stop(self) -> None:
        """End the process, by force if it does not go."""
        self._line.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # its workers too
            self._process.wait()
        self._noise.close()

    def _answer(self) -> object:
        try:
            if self._line.poll(PATIENCE):
                return self._line.recv()
            self.problem = f"no answer in {PATIENCE:.0f} s"
        except (EOFError, OSError):
            self.problem = self._last_words() or "its process ended"
        return None

    def _last_words(self) -> str:
        self._noise.seek(0)
        lines = [line for line in self._noise.read().splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""
