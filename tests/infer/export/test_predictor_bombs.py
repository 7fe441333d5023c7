"""The predictor refuses at once, by name, what would take hours or all memory to read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infer.export.predict import BadPhoto, read_photo
from tests.preprocess.sources import test_bombs as bombs

ROOT = Path(__file__).parents[3]


def test_small_files_that_cost_hours_are_refused(tmp_path: Path) -> None:
    texts = bombs.png(40, 40, bombs.part(b"zTXt", b"a\0\0" + bombs.BOMB) * 101)
    for number, data in enumerate((bombs.scans(), texts)):
        (tmp_path / f"{number}.jpg").write_bytes(data)
        with pytest.raises(BadPhoto, match="too many parts"):
            read_photo(tmp_path / f"{number}.jpg")
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(4 * 2**30)
    with pytest.raises(BadPhoto, match="too large: 4294967296 bytes"):
        read_photo(tmp_path / "a.jpg")


HEADERS = """
import sys
from pathlib import Path
from infer.export.predict import BadPhoto, read_photo
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(path.stem, read_photo(path).shape)
    except BadPhoto as bad:
        print(path.stem, str(bad).partition(":")[0])
"""


def test_sizes_are_judged_by_the_header(tmp_path: Path) -> None:
    """In a process of its own, as OpenCV's limit is one of the process."""
    headers = {
        "a": bombs.jpeg_of(65_500, 65_500),
        "b": bombs.png(20_000, 20_000),
        "c": bombs.encoded("JPEG"),
        "d": bombs.png(1, 2**31 - 1),
    }
    for name, data in headers.items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", HEADERS, tmp_path],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=True,
    )  # fmt: skip
    unread = "d damaged, or of a kind of PNG that OpenCV does not read"
    assert done.stdout.splitlines() == ["a too large", "b too large", "c (40, 40, 3)", unread]
