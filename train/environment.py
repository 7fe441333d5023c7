"""What a run was made with: versions, commit, machine and command line, so that it can be made again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch.backends import cudnn

from faces.cores import usable_cores
from faces.files import write_atomically
from train.engine.gpu import installed_gpus

_PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "nvidia-dali-cuda130",
    "numpy",
    "numba",
    "scipy",
    "scikit-learn",
    "pandas",
    "pyarrow",
    "pillow",
    "opencv-python-headless",
    "lightning-fabric",
    "safetensors",
    "tensorboard",
    "wandb",
    "mlflow-skinny",
)
_CODE = Path(__file__).resolve()


def describe_environment() -> dict[str, Any]:
    """What this process runs on, ready for JSON.

    The machine's name is left out: a run is handed to others, and its name has no part in its results.

    Returns:
        `started` (UTC, ISO 8601), `command` (the arguments of the process), `versions` by package (those
        installed), `git` (`commit`, and `dirty` where any file differs from it or is not in it and not
        ignored; None where this code lies in no repository), `os`, `processor` (model), `cores` (that this
        process may use), `memory_gib`, `gpus` of the machine (`name` and `memory_gib` of each), `cuda` and
        `cudnn` (those torch was built for, None without).
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [*sys.orig_argv],
        "versions": {"python": platform.python_version(), **_versions()},
        "git": git_state(_CODE),
        "os": platform.platform(),
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": _gib(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "gpus": _gpus(),
        "cuda": torch.version.cuda,
        "cudnn": cudnn.version(),  # type: ignore[no-untyped-call]
    }


def write_environment(folder: Path) -> None:
    """Add `describe_environment` to a run's environment.json, a list with one entry for each life of the run.

    Entries that are there stay as they are; the newest comes last.

    Raises:
        ValueError: environment.json is there and does not hold such a list.
    """
    path = folder / "environment.json"
    lives = _read_lives(path) if path.is_file() else []
    life = describe_environment()
    write_atomically(
        path, (json.dumps([*lives, {**life, "sha256": _digest(life)}], indent=1) + "\n").encode()
    )


def last_life(folder: Path) -> dict[str, Any]:
    """The newest entry of a run's environment.json.

    Raises:
        ValueError: there is none, or it is not as it was written. Those of earlier releases say no sha256.
    """
    path = folder / "environment.json"
    try:
        life = dict(json.loads(path.read_text(encoding="utf-8"))[-1])
        if life.pop("sha256", None) in (None, _digest(life)) and {"versions", "git", "gpus"} <= {*life}:
            return life
        what = "its content does not fit the sha256 in it"
    except OSError as error:
        what = error.strerror or str(error)
    except (ValueError, LookupError, TypeError, RecursionError):
        what = "not readable"
    raise ValueError(
        f"{path}: {what}; what the run was made with is not told, train it anew where it has to be"
    )


def _digest(life: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(life, sort_keys=True).encode()).hexdigest()


def _read_lives(path: Path) -> list[dict[str, Any]]:
    try:
        lives = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not readable as JSON ({error}); move it away and train on") from error
    if not isinstance(lives, list):
        raise ValueError(f"{path}: holds no list of a run's lives; move it away and train on")
    return lives


@cache
def _versions() -> Mapping[str, str]:
    installed = {}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _git(folder: Path, *arguments: str) -> str:
    # Without optional locks, a look at the tree never stands in the way of another git command.
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, encoding="utf-8", check=True, env=quiet
    )
    return done.stdout.strip()


def git_state(code: Path) -> dict[str, Any] | None:
    """Commit of the repository that holds a file, None where there is none.

    A package installed inside somebody else's repository is not part of it, so the package must be tracked.
    """
    folder = code.parent
    try:
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        return {
            "commit": _git(folder, "rev-parse", "HEAD"),
            "dirty": bool(_git(folder, "status", "--porcelain")),
        }
    except (OSError, subprocess.CalledProcessError):
        return None


def _processor() -> str:
    """The processor's model as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _gpus() -> list[dict[str, Any]]:
    return [{"name": gpu.name, "memory_gib": _gib(gpu.memory)} for gpu in installed_gpus()]


def _gib(size: int) -> float:
    return round(size / 2**30, 1)
