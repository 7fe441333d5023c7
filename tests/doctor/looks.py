"""Looks that go wrong, for processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from doctor.finding import Finding


def well(words: str) -> Finding:
    return Finding(words=words)


def refuse() -> Finding:
    raise ValueError("the value is wrong")


def fail() -> Finding:
    return Finding(words=str(1 / 0))


def crash() -> Finding:
    print("the driver says something", flush=True)
    os.abort()


def leave() -> Finding:
    os._exit(3)


def hang(note: Path) -> Finding:
    """Never answers, nor does what it started."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note.write_text(str(child.pid))
    time.sleep(600)
    return Finding(words="")
