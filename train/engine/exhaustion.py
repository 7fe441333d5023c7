"""Work that may exhaust memory, and leaves nothing of itself behind where it does."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch
from nvidia.dali.backend import ReleaseUnusedMemory  # type: ignore[attr-defined]

from faces.failures import exhaustion_in_words, lacks_memory

T = TypeVar("T")


class Exhausted(MemoryError):
    """Memory did not suffice; what had filled it is let go of."""


def let_go(work: Callable[[], T]) -> T:
    """What `work` returns.

    Raises:
        Exhausted: `work` ran out of memory. An error's trace holds on to every frame that it went through,
            and they to networks, moments and activations: here all of them are gone, and torch and DALI have
            given the GPU back what they keep of its memory for later.
    """
    try:
        return work()
    except Exception as error:  # torch and DALI raise RuntimeErrors, numpy MemoryErrors
        if not lacks_memory(error):
            raise
        reason = exhaustion_in_words(error)
    gc.collect()  # modules and what wraps them name each other
    torch.cuda.empty_cache()  # which does nothing where no GPU is used
    ReleaseUnusedMemory()
    raise Exhausted(reason)
