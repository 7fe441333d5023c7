"""A stage of its own for each test, and stores that lie in memory."""

from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pytest

from faces.cache.reader import Cache
from faces.remote.stage import FOLDER_VARIABLE


@pytest.fixture(autouse=True)
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "stage"))
    monkeypatch.setattr("faces.remote.retries._FIRST_PAUSE", 1e-4)
    return tmp_path / "stage"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()


@pytest.fixture
def stored(memory: fsspec.AbstractFileSystem) -> Callable[[Cache, str], str]:
    """Copy a cache to a folder in memory; its address."""

    def store(cache: Cache, name: str) -> str:
        for path in sorted(cache.folder.rglob("*")):
            if path.is_file():
                memory.pipe_file(f"/{name}/{path.relative_to(cache.folder)}", path.read_bytes())
        return f"memory://{name}"

    return store
