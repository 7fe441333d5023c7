"""Caches that many tests share, each written once a session, and what all tests run under."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from matplotlib.figure import Figure

from faces.cache.reader import Cache
from tests.helpers.coloured import write_coloured
from tests.helpers.runs.undrawn import undrawn

# A first call may import for seconds, and the machine may be busy: no test asserts how long anything takes.
# Every run draws other examples: 40 of a property in each find in three runs what 100 find in one.
settings.register_profile("any duration", deadline=None, max_examples=40)
settings.load_profile("any duration")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU that torch can use")


LONGEST = (
    "pipeline/test_parity.py",
    "infer/export/test_predictor.py",
    "train/engine/test_resume.py",
    "preprocess/look/test_look_page.py",
    "train/sweep/test_sweep.py",
    "train/test_train.py",
    "infer/test_infer.py",
    "infer/test_infer_own_labels.py",
    "infer/predict/test_out_of_fold.py",
    "train/test_damage_notes.py",
    "train/engine/test_step.py",
    "test_makefile.py",
    "train/results/test_trackers.py",
)
"""Files of a quarter of a minute and more: at the end one of them would keep one worker alone."""


def pytest_configure(config: pytest.Config) -> None:
    """The order is that of `pytest_collection_modifyitems`; by itself xdist takes files of few tests last."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    places = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    """Sums depend on the number of threads of torch, which benchmarks set: no test passes it on."""
    threads = torch.get_num_threads()
    yield
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope="session")
def _pictures_as_they_are_placed() -> Iterator[None]:
    """Finding room for every label takes most of a picture's time; no test looks at where they then are."""
    save = Figure.savefig

    def unarranged(figure: Figure, *arguments: Any, **options: Any) -> None:
        figure.set_layout_engine("none")
        save(figure, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", unarranged)
        yield


@pytest.fixture
def no_pictures() -> Iterator[None]:
    """The test's own runs are `undrawn`; those of fixtures of a larger scope are not."""
    with undrawn():
        yield


@pytest.fixture(scope="session")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """24 people, 72 labelled photos."""
    return write_coloured(tmp_path_factory.mktemp("caches") / "coloured", people=24)


@pytest.fixture(scope="session")
def unseen(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """4 people, 12 photos without labels, one of them a fallback crop, and 2 rejected photos."""
    return write_coloured(tmp_path_factory.mktemp("caches") / "unseen", people=4, labelled=False, rejects=2)


@pytest.fixture
def make_cache(tmp_path: Path) -> Callable[..., Cache]:
    """Write another coloured cache: keyword arguments of `write_coloured`."""

    def make(name: str = "cache", **options: object) -> Cache:
        return write_coloured(tmp_path / name, **options)  # type: ignore[arg-type]

    return make
