"""The process of one look: `python -m doctor.serve MODULE:FUNCTION FD`, whose arguments come over a pipe."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection


def serve(function: str, line: Connection) -> None:
    """Call the function and send what it finds, or its error as one line; the trace is printed."""
    module, _, name = function.partition(":")
    try:
        line.send(getattr(import_module(module), name)(**line.recv()))
    except Exception as error:
        traceback.print_exc()
        told = next(iter(str(error).splitlines()), "")[:300]
        line.send(told if isinstance(error, ValueError) else f"{type(error).__name__}: {told}")


if __name__ == "__main__":
    serve(sys.argv[1], Connection(int(sys.argv[2])))
