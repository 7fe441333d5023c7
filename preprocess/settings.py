"""The settings of stage 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faces.cache import Codec
from preprocess.matte import Background, MattingModel, weights_sha256

RULES_VERSION = 1
"""Raised when a change of this program alters crops, so that a cache is never half old and half new."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Detects the face in every photo of a folder and writes a cache of square face crops.

    The folder is `train` or `eval` in the contest's layout, or any folder of photos. A stopped run goes on
    where it stopped when the same command is given again.
    """

    data: Path
    """Folder of photos: with train.csv or info.csv beside `images`, or any folder with photos below it."""
    cache: Path
    """Folder to write, outside of `data`; made if need be."""
    size: int = 256
    """Side of a crop, in pixels."""
    margin: float = 0.25
    """Added on every side of the face box, in sides of the box. The box runs from the forehead to the chin;
    hair, beard and the edges of a mask, which tell age, gender and wear, lie up to a quarter outside it."""
    codec: Codec = "jpeg"
    """How crops are stored; raw takes about ten times the bytes and loads faster."""
    quality: int = 95
    """JPEG quality, 1 to 100; raw crops do not use it."""
    min_face: int = 40
    """Smallest face that is searched for, in pixels of the photo as it is searched (see detect-size)."""
    detect_size: int = 640
    """Longest side, in pixels, of the copy of a photo in which the face is searched; smaller photos are
    searched as they are."""
    batch: int = 16
    """Most photos of one size that are searched together; boxes depend on it by float rounding at most."""
    background: Background = "keep"
    """What is behind the person: kept as it is, or painted over by means of a matting model."""
    matting_model: MattingModel = "u2netp"
    """rembg's name of the matting model; its weights must lie in $U2NET_HOME."""
    shard_size: int = 512
    """Most photos in one shard; photos are spread evenly over as few shards as that allows."""
    seed: int = 0
    """Of the order in which photos are spread over the shards."""
    workers: int = 0
    """Processes that work in parallel, one thread each; 0 for as many as there are cores."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where faces are searched; auto takes a GPU where there is one."""

    def __post_init__(self) -> None:
        limits = {
            "size": (16, 2048),
            "margin": (0, 2),
            "quality": (1, 100),
            "min_face": (12, 1000),
            "detect_size": (64, 10_000),
            "batch": (1, 1024),
            "shard_size": (1, 100_000),
            "seed": (0, 2**63 - 1),
            "workers": (0, 1024),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}={value}: must be from {low} to {high}")
        if self.cache.resolve().is_relative_to(self.data.resolve()):
            raise ValueError(
                f"cache={self.cache} lies inside data={self.data}, where its pictures would be taken for "
                "photos; choose another --cache"
            )

    def of_the_bytes(self) -> dict[str, Any]:
        """What decides the bytes of a crop: recorded in the cache, and equal in every run that continues it.

        Raises:
            ValueError: the matting model's weights are missing.
        """
        names = ["size", "margin", "codec", "min_face", "detect_size", "background", "shard_size", "seed"]
        if self.codec == "jpeg":
            names.append("quality")
        decisive = {"rules": RULES_VERSION, "detector": "mtcnn"} | {
            name: getattr(self, name) for name in names
        }
        if self.background != "keep":
            decisive["matting_model"] = self.matting_model
            decisive["matting_sha256"] = weights_sha256(self.matting_model)
        return decisive
