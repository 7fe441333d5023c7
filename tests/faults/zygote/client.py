"""Commands as processes: begun by a zygote, waited for, killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.zygote.job import Job

ROOT = Path(__file__).parents[3]
HUNG = 1000
"""Exit code, in these pages, of a process that did not end in time and was killed."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COLUMNS": "160",
    "PYTHONPATH": str(ROOT),
    # No thread of its own, or nothing could be forked.
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


@dataclass(frozen=True)
class Ended:
    """What a process left."""

    code: int
    """Exit code; minus the signal that ended it; `HUNG`."""
    stdout: str = ""
    stderr: str = ""


@dataclass
class Running:
    """A process that was begun."""

    job: Job
    began: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    pid: int = 0
    status: int = 0

    def kill(self, number: int, *, group: bool = False) -> None:
        """Send a signal to it, or to it and all that it began."""
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.pid, number)

    def wait(self, seconds: float) -> Ended:
        """Until it ends; one that does not in time is killed."""
        late = not self.ended.wait(seconds)
        if late:
            self.kill(signal.SIGKILL, group=True)
            self.ended.wait()
        texts = [_text(Path(path)) for path in (self.job.stdout, self.job.stderr)]
        return Ended(HUNG if late else self.status, *texts)


class Zygote:
    """A process that begins others, each of which has the program loaded already."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT},
            cwd=ROOT,
            start_new_session=True,
        )
        self._begun: list[Running] = []
        self._lock = threading.Lock()
        assert self._process.stdout is not None
        self.threads: int = json.loads(self._process.stdout.readline() or "{}").get("threads", 0)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found: dict[str, Any] = json.loads(line)
            running = self._begun[found["id"]]
            if "pid" in found:
                running.pid = found["pid"]
                running.began.set()
            else:
                running.status = found["status"]
                running.ended.set()

    def start(self, job: Job) -> Running:
        """Begin a process and return once it is there."""
        running = Running(job)
        assert self._process.stdin is not None
        with self._lock:
            self._begun.append(running)
            self._process.stdin.write(job.line().encode() + b"\n")
            self._process.stdin.flush()
        if not running.began.wait(120):
            raise RuntimeError("the zygote is gone")
        return running

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""
