"""`python -m bench.loaders.install`: the rivals' libraries, each if it can be, into .venv-peers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.loaders.process import FAILED, FOLDER, PYTHON, ROOT
from bench.loaders.table import PEERS_FILE
from faces.command import run_command

OPENCV: Final = ("opencv-python", "opencv-contrib-python", "opencv-python-headless")
"""Different names of the module cv2, which is there."""
DEBIAN: Final = {"libopencv-dev": "opencv4", "libturbojpeg0-dev": "libturbojpeg"}
"""What FFCV is built with, and the name by which pkg-config knows it."""


@dataclass(frozen=True, kw_only=True)
class InstallSettings:
    """Install the libraries that the loader is measured beside into an environment of their own, .venv-peers;
    those that cannot be are named, and the others are measured without them.

    Example: make bench-peers, which does this first
    """


def name_of(requirement: str) -> str:
    """Name of the package that a requirement stands for, as package indexes spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>!~\[; ]", requirement)[0]).lower()


def requirements_in(path: Path) -> list[str]:
    """The lines that are no comments."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def kept_packages(requirements: Sequence[str]) -> set[str]:
    """Packages that the rivals share with .venv, and that none may bring along in another version."""
    here = {name_of(str(found.metadata["Name"])) for found in distributions()} | {*OPENCV}
    return here - {name_of(requirement) for requirement in requirements}


def missing_debian_packages() -> list[str]:
    """What must be installed first for FFCV; this program never calls apt."""
    missing = [tool for tool in ("g++", "pkg-config") if not shutil.which(tool)]
    for package, module in DEBIAN.items():
        query = ["pkg-config", "--exists", module]
        if "pkg-config" in missing or subprocess.run(query).returncode:
            missing.append(package)
    return missing


def make_environment() -> None:
    """An empty environment that sees every package of the one that runs this."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(FOLDER)], check=True)
    paths = subprocess.run(
        [PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    (Path(paths.stdout.strip()) / "shared.pth").write_text(
        sysconfig.get_path("purelib") + "\n", encoding="utf-8"
    )


def install(requirements: Sequence[str]) -> dict[str, str]:
    """Install one after the other; the last line of the error of each that failed, by package."""
    failed = {}
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as kept:
        kept.write("\n".join(sorted(kept_packages(requirements))) + "\n")
        kept.flush()
        uv = str(Path(sys.executable).with_name("uv"))
        command = [uv, "pip", "install", "--python", str(PYTHON), "--excludes", kept.name]
        for requirement in requirements:
            with console.status(f"installing {requirement}"):
                done = subprocess.run([*command, requirement], capture_output=True, encoding="utf-8")
            if done.returncode:
                failed[name_of(requirement)] = _reason(name_of(requirement), done.stderr)
                console.print(f"{requirement} could not be installed: {failed[name_of(requirement)]}")
    return failed


def _reason(package: str, stderr: str) -> str:
    missing = missing_debian_packages() if package == "ffcv" else []
    if missing:
        return f"first `apt-get install {' '.join(missing)}`"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def install_peers(settings: InstallSettings) -> None:
    """Make the environment, and keep what could not be installed into it."""
    make_environment()
    FAILED.write_text(
        json.dumps(install(requirements_in(ROOT / PEERS_FILE)), indent=1) + "\n", encoding="utf-8"
    )


def main() -> None:
    """The command line."""
    run_command(InstallSettings, install_peers)


if __name__ == "__main__":
    main()
