"""A reader that does what no reader may."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

from tests.fuzz.limits import MORE_BYTES
from tests.fuzz.target import Case, Target, placed


def broken() -> Target:
    """Does what the file says."""

    def make(random: Random) -> Case:
        often = (b"return", b"refuse", b"no name", b"KeyError", b"memory")
        return Case("in/file.txt", b"die" if random.random() < 0.01 else random.choice(often))

    def read(case: Case, folder: Path) -> None:
        path = placed(case, folder)
        what = case.data
        if what == b"refuse":
            raise ValueError(f"{path}: as it says; write another")
        if b"no name" in what:
            raise ValueError("no good")
        if b"KeyError" in what:
            raise KeyError("good")
        if what == b"memory":
            bytes(4 * MORE_BYTES)
        if what == b"hang":
            time.sleep(60)
        if what == b"die":
            os.kill(os.getpid(), signal.SIGSEGV)

    return Target(make=make, read=read)
