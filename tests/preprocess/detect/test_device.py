"""Where faces are searched: what is measured, what is kept of it, and how many processes that takes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from skimage.data import astronaut

from preprocess.detect import device
from preprocess.detect.device import Costs, choose_device, measure
from preprocess.engines.start import SEARCHED_ON, _crew
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from tests.helpers.pictures import picture, save
from tests.helpers.stage1 import content, small, small_photos

SLOW, FAST = Costs(read=0.01, cpu=0.03, gpu=0.02), Costs(read=0.01, cpu=0.03, gpu=0.001)


def plain(**settings: object) -> PreprocessSettings:
    return PreprocessSettings(data=Path("data"), cache=Path("cache"), **settings)  # type: ignore[arg-type]


def many() -> list[Path]:
    return [Path(f"{number}.jpg") for number in range(device.FEWEST)]


class Here:
    """Processes that are this one."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, work: Any, *arguments: object) -> "Here":
        self.done = work(*arguments)
        return self

    def result(self) -> object:
        return self.done


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets what a measurement says, or raises, where there seems to be a driver."""
    monkeypatch.setattr(device, "has_driver", lambda: True)
    monkeypatch.setattr(device, "ProcessPoolExecutor", Here)

    def say(costs: Costs | Exception) -> None:
        def measure(*_: object) -> Costs:
            if isinstance(costs, Exception):
                raise costs
            return costs

        monkeypatch.setattr(device, "measure", measure)

    return say


def test_speeds_in_numbers() -> None:
    assert SLOW.speeds(4) == pytest.approx({"cpu": 100, "cuda": 50})
    assert FAST.speeds(4) == pytest.approx({"cpu": 100, "cuda": 400}), "four cores read no more"
    assert FAST.speeds(64) == pytest.approx({"cpu": 1600, "cuda": 1000})


@pytest.mark.parametrize(
    ("costs", "cores", "chosen"), [(FAST, 4, "cuda"), (SLOW, 4, "cpu"), (FAST, 64, "cpu")]
)
def test_the_faster_device_is_taken_and_kept(
    measured: Any, tmp_path: Path, costs: Costs, cores: int, chosen: str
) -> None:
    kept, notes = tmp_path / "kept", []
    measured(costs)
    assert choose_device(plain(), many(), cores, kept, notes.append) == chosen
    assert len(notes) == 1 and {"cpu": "on the CPU", "cuda": "on the GPU"}[chosen] in notes[0]
    measured(AssertionError("measured again"))
    assert choose_device(plain(), many(), cores, kept, notes.append) == chosen
    assert len(notes) == 1


def test_a_gpu_that_fails_leaves_the_cpu_and_says_why(measured: Any, tmp_path: Path) -> None:
    notes: list[str] = []
    measured(RuntimeError("CUDA error: no kernel image\nfor this card"))
    assert choose_device(plain(), many(), 4, tmp_path / "kept", notes.append) == "cpu"
    assert notes == [
        "faces are searched on the CPU, since the GPU could not be tried: CUDA error: no kernel image"
    ]


@pytest.mark.parametrize(
    ("settings", "photos", "chosen"),
    [
        ({"device": "cuda"}, 1, "cuda"),
        ({"device": "cpu"}, device.FEWEST, "cpu"),
        ({}, device.FEWEST - 1, "cpu"),
        ({"faces": "as_is"}, device.FEWEST, "cpu"),
        ({"steps": ("yunet",), "device": "cuda"}, device.FEWEST, "cpu"),
    ],
)
def test_nothing_is_measured_where_it_is_said_or_of_no_use(
    measured: Any, tmp_path: Path, settings: dict[str, Any], photos: int, chosen: str
) -> None:
    measured(AssertionError("measured"))
    assert choose_device(plain(**settings), many()[:photos], 4, tmp_path / "kept", print) == chosen
    assert not (tmp_path / "kept").exists()


@pytest.mark.skipif(device.has_driver(), reason="there is a driver")
def test_without_a_driver_nothing_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "ProcessPoolExecutor", lambda *_: pytest.fail("measured"))
    assert choose_device(plain(), many(), 4, tmp_path / "kept", print) == "cpu"


def test_a_measurement_reads_and_searches_what_can_be_read(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{n}.png", photo) for n, photo in enumerate((astronaut(), picture(90, 120)))]
    (tmp_path / "no.png").write_bytes(b"no photo")
    costs = measure(plain(min_face=200, steps=("mtcnn",)), [tmp_path / "no.png", *paths], "cpu")
    assert min(costs.read, costs.cpu, costs.gpu) > 0
    with pytest.raises(ValueError, match=r"no\.png and others cannot be read"):
        measure(plain(), [tmp_path / "no.png"], "cpu")


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_driver_without_a_gpu_leaves_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In the process of its own that a measurement has."""
    monkeypatch.setattr(device, "has_driver", lambda: True)
    monkeypatch.setattr(device, "FEWEST", 1)
    photo, notes = save(tmp_path / "a.png", astronaut()), []
    assert choose_device(plain(), [photo], 2, tmp_path / "kept", notes.append) == "cpu"
    assert "could not be tried: device=cuda: torch sees no GPU" in notes[0]


@pytest.mark.gpu
def test_a_gpu_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(device, "FEWEST", 1)
    photo, notes = save(tmp_path / "a.png", astronaut()), []
    chosen = choose_device(plain(), [photo] * 256, 1, tmp_path / "kept", notes.append)
    assert "could not be tried" not in notes[0]
    assert (tmp_path / "kept").read_text() == chosen


def test_what_was_measured_is_no_part_of_the_cache(
    measured: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = small_photos(tmp_path / "data", 3)
    preprocess(small(data, tmp_path / "plain"))
    monkeypatch.setattr(device, "FEWEST", 1)
    measured(SLOW)
    preprocess(small(data, tmp_path / "measured"))
    assert (tmp_path / SEARCHED_ON).name not in content(tmp_path / "measured")
    assert content(tmp_path / "measured") == content(tmp_path / "plain")


@pytest.mark.parametrize(
    ("where", "workers", "cores", "shards", "crew"),
    [
        ("cpu", 0, 16, 40, (16, 1)),
        ("cpu", 0, 16, 3, (3, 1)),
        ("cpu", 5, 16, 40, (5, 1)),
        ("cuda", 0, 16, 40, (2, 8)),
        ("cuda", 0, 16, 1, (1, 16)),
        ("cuda", 0, 1, 40, (1, 1)),
        ("cuda", 4, 16, 40, (4, 4)),
        ("cuda", 16, 2, 40, (16, 1)),
    ],
)
def test_few_processes_have_a_gpu_and_share_the_cores(
    where: Any, workers: int, cores: int, shards: int, crew: tuple[int, int]
) -> None:
    assert _crew(plain(workers=workers), where, cores, shards) == crew


@pytest.mark.parametrize(("wanted", "crew"), [("auto", (2, 8)), ("cpu", (16, 1))])
def test_few_processes_have_backgrounds_removed_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch, wanted: Any, crew: tuple[int, int]
) -> None:
    monkeypatch.setattr("preprocess.engines.start.gpu_offered", lambda: True)
    monkeypatch.setattr("preprocess.engines.start.has_driver", lambda: True)
    assert _crew(plain(background="white", device=wanted), "cpu", 16, 40) == crew
