"""The table of the steps, the most telling first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_SECONDS: Final = 720
"""Of all steps together."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step."""

    name: str
    """On the command line, in the table and of its log."""
    function: str
    """As module:name; takes a `Place` and gives a `Finding`."""
    seconds: int
    """It may take."""
    about: str
    """What it tries, in a few words."""
    cpu: bool = True
    """Whether it can be run on a CPU, too."""


_PIXELS, _EXHAUSTED, _PROGRAMS = (f"doctor.gpu_check.{name}" for name in ("pixels", "exhausted", "programs"))
STEPS: Final = (
    Step(
        name="machine",
        function="doctor.gpu_check.machine:machine",
        seconds=25,
        about="card, driver and versions",
    ),
    Step(
        name="graphs",
        function=f"{_PIXELS}:graphs",
        seconds=45,
        about="raw, JPEG, PNG crops through the graph, plain and augmented",
    ),
    Step(
        name="parity",
        function=f"{_PIXELS}:parity",
        seconds=55,
        about="pixels of every policy and augmentation beside the CPU's",
    ),
    Step(
        name="places",
        function=f"{_PIXELS}:places",
        seconds=25,
        about="pixels of a JPEG at other places of other batches",
    ),
    Step(
        name="decoders",
        function="doctor.gpu_check.decoders:decoders",
        seconds=20,
        about="the GPU's two JPEG decoders: pixels by place, and speed",
        cpu=False,
    ),
    Step(
        name="draw",
        function=f"{_PROGRAMS}:draw",
        seconds=55,
        about="people to train on, for the steps below",
    ),
    Step(
        name="resume",
        function="doctor.gpu_check.resume:resume",
        seconds=90,
        about="a fold in fp16, killed and resumed",
    ),
    Step(
        name="memory",
        function=f"{_EXHAUSTED}:step",
        seconds=40,
        about="a batch beyond the memory; the batch said to fit does",
        cpu=False,
    ),
    Step(
        name="auto",
        function=f"{_EXHAUSTED}:auto",
        seconds=40,
        about="precision auto where only half precision fits",
        cpu=False,
    ),
    Step(
        name="loader",
        function=f"{_EXHAUSTED}:loader",
        seconds=40,
        about="no memory left for DALI, then enough",
        cpu=False,
    ),
    Step(
        name="detect",
        function=f"{_PROGRAMS}:detect",
        seconds=90,
        about="stage 1 on 512 photos: CPU, GPU with 1, 4, 16 feeders",
    ),
    Step(
        name="bench-train",
        function=f"{_PROGRAMS}:bench_train",
        seconds=40,
        about="whether training waits for its loader",
    ),
    Step(
        name="bench",
        function=f"{_PROGRAMS}:bench_loaders",
        seconds=60,
        about="the loader on both devices beside torchvision's",
    ),
    Step(
        name="tests",
        function=f"{_PROGRAMS}:tests",
        seconds=95,
        about="every test that needs a GPU (pytest -m gpu)",
        cpu=False,
    ),
)
