"""Doing again what failed on the way, as often as the budget says, with longer and longer pauses."""

from __future__ import annotations

import errno
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Final, TypeVar

from faces.remote.address import Address, RemoteError

T = TypeVar("T")
BUDGET_VARIABLE: Final = "FACEFOLD_RETRIES"
_BUDGET: Final = 20
"""Repeats of one file, some eight minutes in all; a store that is restarted is back by then."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0
"""Seconds."""
_TOLD_FROM = 3
"""The repeat from which on one waits so long that it is told why."""
_HERE: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
"""Errors of this machine's disk, not of the way."""


class WrongBytes(OSError):
    """What arrived is not what was sent."""


def budget() -> int:
    """How often one file is tried again.

    Raises:
        RemoteError: the variable holds no such number.
    """
    text = os.environ.get(BUDGET_VARIABLE, str(_BUDGET))
    if not text.isascii() or not text.isdigit():
        raise RemoteError(f"{BUDGET_VARIABLE}={text}: must be a whole number, 0 or more; {_BUDGET} is usual")
    return int(text)


def persistently(address: Address, action: Callable[[], T]) -> T:
    """Do something at an address, again and again where it fails on the way.

    Each pause is drawn from half to the whole of 0.2 s, 0.4 s, 0.8 s, ..., at most 30 s, so that many
    processes do not come back at the same moment.

    Raises:
        RemoteError: nothing is there, one may not, or it failed once more than the budget says.
        OSError: this machine's disk is full, or cannot be written.
        ImportError, TypeError: mistakes, which no repeat mends.
    """
    most = budget()
    for repeat in range(most + 1):
        try:
            return action()
        except (ImportError, TypeError, RemoteError, MemoryError):
            raise
        except FileNotFoundError as error:
            raise RemoteError(f"{address}: nothing is there ({_words(error)}); check the address") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EINVAL:
                raise RemoteError(f"{address}: no such address ({_words(error)}); correct it") from error
            if isinstance(error, OSError) and error.errno in _HERE:
                raise
            if (refused := _refusal(error)) is not None:
                raise RemoteError(
                    f"{address}: no right to this ({refused}); give the rights or other credentials by the "
                    "variables of that store, which docs/remote.md names"
                ) from error
            if repeat == most:
                raise RemoteError(
                    f"{address}: {_words(error)}, at the last of {most + 1} attempts "
                    f"({BUDGET_VARIABLE}={most}); the same command goes on from here once the store answers"
                ) from error
            if repeat >= _TOLD_FROM:
                print(f"note: {address}: {_words(error)}; repeat {repeat + 1} of {most}", file=sys.stderr)
            pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**repeat)
            time.sleep(pause * random.uniform(0.5, 1))
    raise AssertionError


def _refusal(error: Exception) -> str | None:
    """Of an error that says that one may not: what it says; None of others."""
    if isinstance(error, PermissionError) or "Credentials" in type(error).__name__:
        return _words(error)
    # Kept by s3fs of what botocore was told.
    status = getattr(error, "response", {})
    code = status.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(status, dict) else None
    return _words(error) if code in (401, 403) else None


def _words(error: Exception) -> str:
    """The first line of an error, or of what it wraps."""
    return next(iter(str(error).strip().splitlines()), "")[:200] or type(error).__name__
