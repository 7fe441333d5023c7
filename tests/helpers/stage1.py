"""Runs of stage 1 on photos that need no detector."""

import subprocess
import sys
from pathlib import Path

from preprocess.look.data_card import DATA_CARD
from preprocess.settings import PreprocessSettings
from tests.helpers.pictures import picture, save


def small_photos(data: Path, count: int) -> Path:
    """Photos too small for a face, so that a run needs no detector."""
    for number in range(count):
        save(data / f"{number:03d}.png", picture(19 - number % 3, 18, seed=number))
    return data


def small(data: Path, cache: Path, **settings: object) -> PreprocessSettings:
    plain = {"data": data, "cache": cache, "size": 16, "workers": 1, "max_lost": 1}
    return PreprocessSettings(**{**plain, **settings})  # type: ignore[arg-type]


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder; the data card of a cache is called after it, which is left out."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    if DATA_CARD in files:
        named = (f'pretty_name: "{folder.name}"', f"# Data card: {folder.name}")
        for line in map(str.encode, named):
            files[DATA_CARD] = files[DATA_CARD].replace(line, b"")
    return files


def program(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "preprocess", *map(str, arguments)]


def run_program(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(program(*arguments), capture_output=True, text=True, check=False)
