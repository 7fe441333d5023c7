"""Caches that others read, a codec each."""

import pytest

from faces.cache.reader import Cache
from tests.faces.cache.written import write

SETTINGS: dict[str, dict[str, str]] = {
    "jpeg": {"codec": "jpeg"},
    "png": {"codec": "png"},
    "raw": {"codec": "raw"},
    "png of cut-out people": {"codec": "png", "background": "alpha"},
    "raw of cut-out people": {"codec": "raw", "background": "alpha"},
}


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cache]:
    """By codec. No age is known of the first shard: a reader that guesses types by what comes first, errs."""
    folder = tmp_path_factory.mktemp("interop")
    return {name: write(folder / name, ageless={0}, **settings) for name, settings in SETTINGS.items()}


@pytest.fixture(params=SETTINGS)
def cache(caches: dict[str, Cache], request: pytest.FixtureRequest) -> Cache:
    return caches[request.param]
