"""Every rival that can be measured, and the goals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bench.measure import Row
from faces.cache.schema import Codec

HAND_WRITTEN: Final = ("OpenCV DataLoader raw", "OpenCV SPDL raw")
"""Those whose batches are the receiver's to keep, as ours are."""
PEERS_FILE: Final = "peers.txt"


@dataclass(frozen=True, kw_only=True)
class RivalLoader:
    """A loader that can be measured, ours among them."""

    name: str
    """Name in the report."""
    module: str
    """Module in `bench.loaders.rivals`."""
    codec: Codec = "jpeg"
    """How the crops arrive."""
    share: float = 1.0
    """Part of the crops that makes up its epoch; less for slow ones, so that every round lasts 1 to 3 s."""
    packages: tuple[str, ...] = ()
    """What it needs of peers.txt; if any, it runs in .venv-peers."""
    gpu: bool = False
    """Whether it needs a GPU."""


RIVALS: Final = (
    RivalLoader(name="torchvision", module="torchvision_pil", share=1 / 8),
    RivalLoader(
        name="albumentations",
        module="albumentations_jpeg",
        share=1 / 4,
        packages=("albumentations", "simplejpeg"),
    ),
    RivalLoader(name="webdataset", module="webdataset_tar", share=1 / 8, packages=("webdataset",)),
    RivalLoader(name="litdata", module="litdata_chunks", share=1 / 8, packages=("litdata",)),
    RivalLoader(
        name="mosaicml-streaming", module="mosaicml_mds", share=1 / 8, packages=("mosaicml-streaming",)
    ),
    RivalLoader(name="DALI usual chain", module="dali_chain", share=1 / 8),
    RivalLoader(name="FFCV raw", module="ffcv_raw", codec="raw", share=1 / 2, packages=("ffcv",)),
    RivalLoader(name="OpenCV DataLoader jpeg", module="opencv", share=1 / 2),
    RivalLoader(name="OpenCV DataLoader raw", module="opencv", codec="raw"),
    RivalLoader(name="OpenCV SPDL jpeg", module="spdl_threads", packages=("spdl-core",)),
    RivalLoader(name="OpenCV SPDL raw", module="spdl_threads", codec="raw", packages=("spdl-core",)),
    RivalLoader(
        name="OpenCV SPDL raw, memory reused", module="spdl_reused", codec="raw", packages=("spdl-core",)
    ),
    RivalLoader(name="ours jpeg", module="ours"),
    RivalLoader(name="ours raw", module="ours", codec="raw"),
    RivalLoader(name="ours jpeg, decoded whole", module="ours_whole"),
    RivalLoader(name="ours jpeg, GPU", module="ours_gpu", gpu=True),
    RivalLoader(name="ours raw, GPU", module="ours_gpu", codec="raw", gpu=True),
    RivalLoader(name="synthetic", module="synthetic"),
    RivalLoader(name="one JPEG decode", module="decode", packages=("simplejpeg",)),
)
ON_GPU: Final = tuple(rival.name for rival in RIVALS if rival.gpu)
QUICK: Final = ("torchvision", "ours jpeg", "ours raw", *ON_GPU, "synthetic")
BASE: Final = "torchvision"
CEILINGS: Final = ("synthetic", "one JPEG decode")
"""Rows that load nothing, or do not do all of the work."""
ON_CPU: Final = tuple(rival.name for rival in RIVALS if rival.name not in (*ON_GPU, *CEILINGS))


@dataclass(frozen=True, kw_only=True)
class Goal:
    """How much better one row must be than others."""

    ours: str
    """Name of the row that must be better."""
    theirs: tuple[str, ...]
    """Names of the rows it is compared with; the best of those measured counts."""
    least: float
    """The goal is reached where the ratio is at least this."""
    policy: str = "strong"
    """The augmentation with which both are measured."""
    by: Literal["images_per_s", "cpu_us"] = "images_per_s"
    """Ratio of speeds, ours over theirs, or of CPU times, theirs over ours."""
    times: float = 1.0
    """Their CPU time counts so many times."""

    def __str__(self) -> str:
        """In words."""
        than = "the fastest on the CPU" if self.theirs == ON_CPU else " or ".join(self.theirs)
        if self.by == "cpu_us":
            often = f"{self.times:g} of " if self.times != 1 else ""
            return (
                f"{self.policy}: CPU time of {often}{than} over that of {self.ours}, at least {self.least:g}"
            )
        return f"{self.policy}: {self.ours} at least {self.least:g} times {than}"

    def ratio(self, rows: Mapping[str, Row]) -> float | None:
        """What was reached; None where a row is missing.

        Args:
            rows: by name, of this goal's policy.
        """
        found = [rows[name] for name in self.theirs if name in rows]
        if self.ours not in rows or not found:
            return None
        ours = rows[self.ours]
        if self.by == "cpu_us":
            return self.times * min(row.cpu_us for row in found) / ours.cpu_us
        return ours.images_per_s / max(row.images_per_s for row in found)


GOALS: Final = (
    Goal(ours="ours jpeg", theirs=("torchvision",), least=6),
    Goal(ours="ours jpeg", theirs=("albumentations",), least=2.5),
    Goal(ours="ours jpeg", theirs=("OpenCV SPDL jpeg",), least=1.2),
    Goal(ours="ours raw", theirs=("torchvision",), least=9),
    Goal(ours="ours raw", theirs=("albumentations",), least=4),
    Goal(ours="ours raw", theirs=HAND_WRITTEN, least=1.6),
    Goal(ours="ours raw", theirs=("FFCV raw",), least=4),
    Goal(ours="ours raw", theirs=("FFCV raw",), least=1.1, policy="light", by="cpu_us"),
    Goal(ours="ours raw", theirs=("one JPEG decode",), least=1, by="cpu_us", times=2),
    Goal(ours="ours jpeg, GPU", theirs=ON_CPU, least=3),
)
