"""A process that has imported the program, and forks a process of its own for each command.

`python -m tests.faults.zygote` reads jobs from stdin, JSON tables (`job.Job`), and answers on stdout:
`{"id": 0, "pid": 1234}` when a job began and `{"id": 0, "status": 2}` when it ended, with the exit code or
minus the signal. A child has streams, a folder, limits and signals of its own, and ends as `python -m` does:
threads are waited for, exit handlers run and streams are flushed. Only the memory is left to the kernel, as
libraries that were loaded before the fork take theirs down badly.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import resource
import runpy
import selectors
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.zygote.job import MIB
from tests.faults.zygote.pictures import tell_pictures

PACKAGES = ("faces", "preprocess", "pipeline", "train", "infer")
LATER = "infer.export"
"""Room whose modules are left to the commands that need them: onnxruntime begins a thread when imported, and
only a process of one thread can fork."""
OTHERS = ("pyarrow.parquet", "pandas", "scipy.stats", "matplotlib.figure", "matplotlib.backends.backend_agg")


def load_program() -> None:
    """Import every module of the program, but those that act when they are imported."""
    for package in PACKAGES:
        folder = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(folder, f"{package}."):
            # A module that is just being edited is found out by the command that needs it.
            if not module.name.endswith("__main__") and not module.name.startswith(LATER):
                with contextlib.suppress(Exception):
                    importlib.import_module(module.name)
    for name in OTHERS:
        importlib.import_module(name)


def serve() -> tuple[int, dict[str, Any]]:
    """Fork a child for each job; returns in the children alone, with their job."""
    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin.fileno(), selectors.EVENT_READ)
    handles: dict[int, tuple[int, int]] = {}
    text = b""
    number = 0
    while True:
        for key, _ in waiting.select():
            if key.fd in handles:
                waiting.unregister(key.fd)
                job, child = handles.pop(key.fd)
                os.close(key.fd)
                _answer({"id": job, "status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])})
                continue
            new = os.read(key.fd, MIB)
            if not new:
                os._exit(0)
            *lines, text = (text + new).split(b"\n")
            for line in lines:
                child = os.fork()
                if not child:
                    for handle in handles:
                        os.close(handle)
                    waiting.close()
                    return number, json.loads(line)
                handle = os.pidfd_open(child)
                handles[handle] = number, child
                waiting.register(handle, selectors.EVENT_READ)
                _answer({"id": number, "pid": child})
                number += 1


def _answer(table: dict[str, int]) -> None:
    os.write(1, json.dumps(table).encode() + b"\n")


def run(job: dict[str, Any]) -> int:
    """Run a job as this process; its exit code."""
    try:
        _become(job)
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        print(ending.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def end(code: int) -> None:
    """End this process as an interpreter does."""
    # These two are what the interpreter calls itself; there is no public name for them.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            code = 120
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _become(job: dict[str, Any]) -> None:
    os.setsid()
    os.chdir(job["folder"])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _connect(job)
    os.environ.update(job["environment"])
    if not job["drawn"]:
        tell_pictures()
    if job["clock"]:
        _turn_clock(job["clock"])
    for name, limit in job["limits"].items():
        used = _address_space() if name == "AS" else 0
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit + used, limit + used))
    target = job["target"]
    sys.argv = [target, *job["arguments"]]
    if target.endswith(".py"):
        sys.path[0] = str(Path(target).parent)
        runpy.run_path(target, run_name="__main__")
        return
    sys.modules.pop(target, None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*found in sys.modules.*", RuntimeWarning)
        runpy.run_module(target, run_name="__main__", alter_sys=True)


def _connect(job: dict[str, Any]) -> None:
    """Give the process streams of its own, as a shell does."""
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    for handle, name in ((1, "stdout"), (2, "stderr")):
        if job[name] == "closed":
            os.close(handle)
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)
            continue
        if job[name] == "broken":
            reader, writer = os.pipe()
            os.close(reader)
        else:
            writer = os.open(job[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(writer, handle)
        os.close(writer)


def _turn_clock(seconds: float) -> None:
    import time

    sound, sound_ns = time.time, time.time_ns
    time.time = lambda: sound() + seconds
    time.time_ns = lambda: sound_ns() + int(seconds * 1e9)


def _address_space() -> int:
    pages = Path("/proc/self/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()


def threads() -> Iterator[str]:
    """Names of the threads of this process."""
    for task in Path("/proc/self/task").iterdir():
        yield (task / "comm").read_text().strip()


def main() -> None:
    """Load, tell so, and serve until stdin ends."""
    load_program()
    gc.collect()
    gc.freeze()
    _answer({"threads": len([*threads()])})
    _, job = serve()
    end(run(job))


if __name__ == "__main__":
    main()
