"""Compiled loops read and write nothing beside their arrays, whatever shapes they are given."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BOUNDED = [
    "tests/pipeline/test_shrink.py",
    "tests/pipeline/test_resample.py",
    "tests/pipeline/test_damage.py",
]
"""Tests of the loops by DALI, to be run once more with numba's bounds checking."""
PROBE = """
import numpy as np, numba
beyond = numba.njit(lambda values, place: values[place])
try:
    beyond(np.zeros(3), 3)
except IndexError:
    print("checked")
"""


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    given = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=ROOT, env=given
    )


@pytest.mark.slow
def test_nothing_beside_the_arrays_is_touched() -> None:
    """A read or a write beyond ends that process by SIGSEGV, as its controls do."""
    done = python("-m", "tests.memory")
    assert (done.returncode, done.stdout) == (0, "nothing else was touched\n"), done.stderr[-3000:]


@pytest.mark.slow
def test_nothing_is_out_of_bounds_where_numba_checks_them(tmp_path: Path) -> None:
    checked = {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    assert python("-c", PROBE, **checked).stdout == "checked\n"
    done = python("-m", "tests.memory", **checked)
    assert (done.returncode, done.stdout) == (0, "nothing else was touched\n"), done.stderr[-3000:]
    # A callback cannot raise: numba writes on stderr what it would have raised.
    assert "IndexError" not in done.stderr
    tests = python("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *BOUNDED, **checked)
    assert tests.returncode == 0, tests.stdout[-3000:]
    assert "IndexError" not in tests.stdout + tests.stderr
