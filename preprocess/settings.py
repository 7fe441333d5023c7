"""The settings of stage 1."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from faces.cache.description import file_sha256
from faces.cache.schema import Codec

RULES_VERSION = 2
"""Raised when a change of this program alters crops, so that a cache is never half old and half new."""
DETECTION_RULES = 1
"""Raised when a change of this program alters which face is found where, so that none is taken over."""
Step = Literal["mtcnn", "again", "yunet", "turned"]
Faces = Literal["best", "all", "as_is"]
Border = Literal["repeat", "reflect", "blur"]
Background = Literal["keep", "white", "grey", "mean", "blur", "alpha"]
Engine = Literal["processes", "ray"]
FINISH = "finish"
"""In place of a share: only the step that makes a cache of what all shares have made."""
MattingModel = Literal["u2netp", "u2net", "u2net_human_seg", "silueta", "isnet-general-use"]
"""Those of rembg's models that run on this machine and need no more than a photo. Its default, bria-rmbg, is
left out: its weights are for non-commercial use only."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What the columns of a table of photos are called; a column that is not there is a label not known.
    Columns of labels other than the built-in ones are named in the label file."""

    path: str = "path"
    """File of the photo, relative to the table's folder; without it the only column called file, image or the
    like."""
    person: str = "person"
    """Whose photo it is; without it every photo counts as a person of its own."""
    mask: str = "mask"
    """How the mask is worn."""
    gender: str = "gender"
    """male or female."""
    age: str = "age"
    """Years, or a range of years such as 30-39."""
    split: str = "split"
    """The part of the data that the photo belongs to: train, val, test, or fold0, fold1, ..."""


@dataclass(frozen=True, kw_only=True)
class PreprocessSettings:
    """Detects the face in every photo of a folder and writes a cache of square face crops.

    Photos come from `train` or `eval` in the contest's layout, a CSV or Parquet table, a folder for each
    class, a published set of photos as it was unpacked, or any folder of photos. A stopped run goes on where
    it stopped when the same command is given again; faces that another cache beside this one holds already
    are not searched again.

    Example: make preprocess DATA=path/to/photos CACHE=caches/mine
    """

    data: Path
    """Folder of photos (contest layout, folder for each class, published set, or any), or a table (.csv,
    .tsv, .txt or .parquet)."""
    cache: Path
    """Folder to write, outside of `data`; made if need be."""
    labels: Path | None = None
    """TOML file that says what the photos are labelled with; labels.toml beside the photos is taken when this
    is not given, and mask, gender and age where there is none."""
    columns: Columns = field(default_factory=Columns)
    """Names of the columns, where `data` is a table."""
    corrections: Path | None = None
    """CSV of known wrong labels (path or person, column, value, why); corrections.csv beside the photos is
    taken when this is not given."""
    faces: Faces = "best"
    """What is cropped of a photo: best, the one face that it is about, the largest, most central and most
    certain one; all, every face, each a crop of its own (groups, streets; with --min-face 20): a photo's
    labels are those of its best face, the others have none; as_is, the largest square in the middle, without
    a search, for photos that are face crops already."""
    steps: tuple[Step, ...] = ("mtcnn", "again", "yunet", "turned")
    """How a face is searched, one step after the other until one finds it: mtcnn; again, the same at other
    scales, mirrored and with stretched contrast; yunet, where its model is given; turned, where none found
    one, or where the face found looks more like a face when it is turned: the photo lying on either side and
    on its head. What no step finds is cropped at the centre."""
    min_face: int = 60
    """Smallest face that the first step searches for, in pixels of the photo as it is searched (see
    detect-size): 60 for portraits, 20 for facenet-pytorch's own default at several times the cost."""
    detect_size: int = 640
    """Longest side, in pixels, of the copy of a photo in which the face is searched; smaller photos are
    searched as they are."""
    yunet: Path | None = None
    """OpenCV's model file face_detection_yunet_2023mar.onnx (MIT, 230 kB), for the step of that name."""
    batch: int = 0
    """Most photos of one size that are searched together; boxes depend on it by float rounding at most. 0 for
    16 on a CPU and 128 on a GPU, where photos that do not fit into its memory are searched in halves."""
    size: int = 256
    """Side of a crop, in pixels."""
    margin: float = 0.25
    """Added on every side of the face box, in sides of the box. The box runs from the forehead to the chin;
    hair, beard and the edges of a mask, which show age, gender and wear, lie up to a quarter outside it."""
    clamp: bool = True
    """Shift a crop that reaches beyond the photo into it, and shrink one that is larger than the photo, so
    that every pixel is one of the photo; without it, and in aligned crops, see border."""
    align: bool = False
    """Turn, shift and scale the face so that eyes, nose and mouth come to lie at the same places."""
    border: Border = "blur"
    """What a crop shows beyond the photo's edge: its border pixels fading into a blur, repeated, or its
    mirror image."""
    sharpen: float = 0.0
    """Strength of an unsharp mask on the crop, 0 (none) to 5."""
    background: Background = "keep"
    """What is behind the person: kept as it is, painted over by means of a matting model (white, grey, the
    background's mean colour, or blurred), or cut out (alpha), for training to paste another."""
    matting_model: MattingModel = "u2netp"
    """rembg's name of the matting model; its weights must lie in $U2NET_HOME."""
    matte_on: Literal["crop", "photo"] = "crop"
    """Whether the matting model sees the crop or the whole photo."""
    codec: Codec = "jpeg"
    """How crops are stored: raw takes about ten times the bytes of jpeg and loads faster; png keeps every
    pixel in about a third of raw. Cut-out crops (background alpha) need png or raw."""
    quality: int = 95
    """JPEG quality, 1 to 100; other codecs do not use it."""
    max_megapixels: int = 89
    """Larger photos are rejected before they are decoded."""
    max_lost: float = 0.05
    """Share of photos that may be rejected; a run that loses more stops, and goes on after the cure."""
    shard_size: int = 512
    """Most photos in one shard; photos are spread evenly over as few shards as that allows."""
    seed: int = 0
    """Seed of the order in which photos are spread over the shards."""
    workers: int = 0
    """Processes that work in parallel; 0 for as many as there are cores, one thread each, or with a GPU for
    two, which share the cores to read photos and cut crops and each keep some of its memory."""
    shard: str = ""
    """Only a share of the work, for arrays of jobs on one shared folder: 3/16 makes every 16th shard from
    the third on (counted from 0/16 to 15/16) and ends; the share that finds all shards there finishes the
    cache, as does `finish`. All give the same settings."""
    engine: Engine = "processes"
    """Which machines work: processes, those of this one; ray, a Ray cluster (make setup EXTRAS=ray), on which
    photos and cache lie in folders of the same name. The bytes of the cache are the same."""
    ray_address: str = ""
    """Cluster that engine=ray uses: auto for the one this machine belongs to, or host:port; by default Ray is
    started for this run, on this machine."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where faces are searched and backgrounds removed. auto searches where a measurement of some seconds on
    these photos says that it is faster (on the CPU without a GPU, or for fewer than 1,000 photos), and a
    cache that goes on keeps to that. Backgrounds are removed on the CPU, since the locked onnxruntime knows
    no GPU; where onnxruntime-gpu is installed in its place, on the GPU, and cuda demands that."""

    def __post_init__(self) -> None:
        limits = {
            "size": (16, 2048),
            "margin": (0, 2),
            "sharpen": (0, 5),
            "quality": (1, 100),
            "min_face": (12, 1000),
            "detect_size": (64, 10_000),
            "batch": (0, 1024),
            "max_megapixels": (1, 1000),
            "max_lost": (0, 1),
            "shard_size": (1, 100_000),
            "seed": (0, 2**63 - 1),
            "workers": (0, 1024),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}={value}: must be from {low} to {high}")
        if self.shard not in ("", FINISH):
            share_of(self.shard, ())
        if self.shard and self.engine == "ray":
            raise ValueError(f"shard={self.shard}: engine=ray deals out the shards itself; leave one out")
        if self.ray_address and self.engine != "ray":
            raise ValueError(f"ray_address={self.ray_address}: needs --engine ray")
        if self.cache.resolve().is_relative_to(self.data.resolve()):
            raise ValueError(
                f"cache={self.cache} lies inside data={self.data}, where its pictures would be taken for "
                "photos; choose another --cache"
            )
        if self.faces == "as_is" and self.align:
            raise ValueError(
                "align: faces=as_is searches no face that could be aligned; leave one of them out"
            )
        if len({*self.steps}) != len(self.steps):
            raise ValueError(f"steps={' '.join(self.steps)}: a step is named twice")
        if self.background == "alpha" and self.codec == "jpeg":
            raise ValueError("background=alpha: a JPEG cannot be transparent; use --codec png or raw")
        if self.yunet and not self.yunet.is_file():
            raise ValueError(
                f"yunet={self.yunet}: no such file; it is OpenCV's face_detection_yunet_2023mar.onnx"
            )

    def face_settings(self) -> dict[str, Any]:
        """Settings that decide which face is found where; faces found under equal ones need no new search.

        Those of faces=all hold one entry more, so that what they found serves faces=best too.
        """
        if self.faces == "as_is":
            return {"faces": self.faces}
        decisive: dict[str, Any] = {
            "detection_rules": DETECTION_RULES,
            "steps": [step for step in self.steps if step != "yunet" or self.yunet],
            "min_face": self.min_face,
            "detect_size": self.detect_size,
        }
        if self.faces == "all":
            decisive["every_face"] = True
        if self.yunet and "yunet" in self.steps:
            decisive["yunet_sha256"] = file_sha256(self.yunet)
        return decisive

    def crop_settings(self, matting_sha256: str = "") -> dict[str, Any]:
        """Settings that decide a crop's bytes: recorded in the cache, equal in every run that continues it.

        Args:
            matting_sha256: hash of the matting model's weights, where a background is removed.
        """
        names = ["size", "margin", "clamp", "align", "border", "sharpen", "codec", "background"]
        names += ["max_megapixels", "shard_size", "seed"]
        if self.codec == "jpeg":
            names.append("quality")
        decisive = (
            {"rules": RULES_VERSION} | self.face_settings() | {name: getattr(self, name) for name in names}
        )
        if self.background != "keep":
            decisive["matting_model"] = self.matting_model
            decisive["matting_sha256"] = matting_sha256
            decisive["matte_on"] = self.matte_on
        return decisive


def share_of(share: str, shards: Iterable[int]) -> list[int]:
    """Which of these shards a share makes: those whose number leaves its own when divided by the number of
    shares. So no share has two more than another, and each knows its own without asking how many there are.

    Args:
        share: such as 3/16.
        shards: numbers.

    Raises:
        ValueError: it is no share.
    """
    told = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", share)
    number, count = (int(told[1]), int(told[2])) if told else (0, 0)
    if number >= count:
        last = f"; the shares of {count} are 0/{count} to {count - 1}/{count}" if count else ""
        raise ValueError(f"shard={share}: must be like 3/16, or {FINISH}{last}")
    return [shard for shard in shards if shard % count == number]
