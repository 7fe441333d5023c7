"""Where libraries keep things for a user without a home, or with a code that cannot be written."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from faces import home

NAMES = ("HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "LOGNAME", "USER")
Settle = Callable[[], tuple[str, dict[str, str]]]


@pytest.fixture
def settle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settle:
    """Sets the places of this process, and gives what is said and those that were moved, below the temporary
    folder."""
    for name in NAMES[1:]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "somebody")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))

    def settled() -> tuple[str, dict[str, str]]:
        before = dict(os.environ)
        said = home.settle()
        moved = {name: os.environ[name] for name in NAMES if os.environ.get(name) != before.get(name)}
        for name, value in moved.items():
            monkeypatch.setenv(name, before.get(name, ""))  # puts it back afterwards
            monkeypatch.setenv(name, value)
        return said, {name: value.removeprefix(str(tmp_path / "tmp")) for name, value in moved.items()}

    return settled


def read_only(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Forbid to write there, for root, too."""
    real = os.access

    def access(path: Path, mode: int) -> bool:
        return real(path, mode) and not (mode & os.W_OK and Path(path) in folders)

    monkeypatch.setattr(os, "access", access)


def test_where_all_can_be_written_nothing_changes(settle: Settle, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    assert settle() == ("", {})
    assert not [*(tmp_path / "tmp").iterdir()]


def test_a_home_that_is_not_there_but_can_be_made_is_left_to_libraries(settle: Settle) -> None:
    assert settle() == ("", {})


@pytest.mark.parametrize("place", ["/proc/nowhere", "", "~", "/dev/null"])
def test_without_a_home_all_goes_to_a_folder_that_only_this_user_can_read(
    place: str, settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", place)
    read_only(monkeypatch, Path("/proc"), Path("/"))
    said, moved = settle()
    (kept,) = (tmp_path / "tmp").iterdir()
    assert moved == {"HOME": f"/{kept.name}"}
    assert "\n" not in said
    assert said.endswith(f"; what libraries compile or fetch is kept in {kept}")
    assert kept.stat().st_mode & 0o777 == 0o700
    assert settle() == ("", {}), "processes that this one begins find a home"


def test_a_home_that_can_only_be_read_stays_for_what_lies_in_it(
    settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "home" / ".cache"
    cache.mkdir(parents=True)
    read_only(monkeypatch, cache.parent, cache)
    said, moved = settle()
    assert [*moved] == ["MPLCONFIGDIR"], "numba keeps things beside the code"
    assert f"{cache.parent}: not to be written" in said
    read_only(monkeypatch, cache.parent, cache, Path(home.__file__).parents[1])
    assert [*settle()[1]] == ["NUMBA_CACHE_DIR"]


def test_a_folder_that_others_may_have_filled_is_not_used(
    settle: Settle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "tmp" / f"facefold-{os.getuid()}"
    taken.mkdir(mode=0o700)
    taken.chmod(0o777)
    monkeypatch.setenv("HOME", "~")
    said, moved = settle()
    assert moved["HOME"].startswith("/facefold-")
    assert moved["HOME"] != f"/{taken.name}"
    assert str(taken) + "/" not in said + "/"


@pytest.mark.slow
@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root can become another user"
)
def test_an_unknown_user_without_a_home_reads_a_command_to_its_end(tmp_path: Path) -> None:
    """Compiled loops are imported, too: numba finds a place."""
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.getuid() and Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)
    code = "import preprocess.detect.mtcnn.kernels; from train.recipe.catalogue import main; main()"
    kept = {name: value for name, value in os.environ.items() if name not in NAMES}
    done = subprocess.run(
        ["setpriv", "--reuid", "12345", "--clear-groups", sys.executable, "-c", code],
        cwd=Path(home.__file__).parents[1],
        env={**kept, "TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if "failed to execute" in done.stderr:
        pytest.skip("Python itself is for root alone here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"kept in {tmp_path}/facefold-12345") == 1
