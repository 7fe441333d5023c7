"""Memory of a step kept for the next one."""

from __future__ import annotations

import ctypes

_TRIM, _MAPPED = -1, -3
"""glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD (malloc.h)."""
_ALL = 2**31 - 1


_OWN = {_TRIM: 64 << 20, _MAPPED: 32 << 20}
"""What glibc's own thresholds rise to in a process of large blocks."""


def keep_memory(kept: bool = True) -> bool:
    """Keep what is freed in this process, up to its greatest use, until it ends; whether that can be had.

    glibc gives blocks above 32 MiB back to the kernel at once, as the feature maps of early layers are, and
    the kernel clears every page of the next: a fifth of a step of light networks on a CPU.

    Args:
        kept: if not, memory goes back as it does by glibc's own thresholds, that kept so far at once.
    """
    try:
        library = ctypes.CDLL(None)
        mallopt, trim = library.mallopt, library.malloc_trim
    except (AttributeError, OSError):  # another C library
        return False
    done = all(mallopt(name, _ALL if kept else own) for name, own in _OWN.items())
    if not kept:
        trim(0)
    return done
