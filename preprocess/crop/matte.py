"""Separates a person from the background, by one of rembg's models.

Evidence on whether this helps age and gender is mixed, and u2netp, the smallest model, costs about half a
second of CPU a crop: it is off by default.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces.cache.description import file_sha256
from preprocess.settings import MattingModel
from preprocess.sources.photo import Pixels

RELEASE = "https://github.com/danielgatis/rembg/releases/tag/v0.0.0"
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


@dataclass(frozen=True)
class Model:
    """What to know of a model before it is chosen."""

    megabytes: float
    """Size of the weights' file."""
    licence: str
    """Licence of the weights, as stated by their source in 2026."""
    note: str


MODELS: dict[MattingModel, Model] = {
    "u2netp": Model(4.6, "Apache-2.0", "U-2-Net, small; the cheapest"),
    "u2net": Model(176, "Apache-2.0", "U-2-Net, any object; trained on DUTS, as u2netp"),
    "u2net_human_seg": Model(176, "Apache-2.0", "U-2-Net trained for people"),
    "silueta": Model(44, "none stated", "U-2-Net made smaller by one of its users; u2net's is Apache-2.0"),
    "isnet-general-use": Model(
        179,
        "none stated",
        "IS-Net, fine edges, at 1024 x 1024 (the others: 320 x 320); code Apache-2.0, the training photos "
        "DIS5K non-commercial",
    ),
}
"""U-2-Net's author states that models follow the repository's licence and that those of the training
photos are not theirs to give."""


def models_help() -> str:
    """The models for people to choose from, a line each: name, size, licence, note."""
    return "\n".join(
        f"{name:17} {model.megabytes:5g} MB  licence {model.licence}: {model.note}"
        for name, model in MODELS.items()
    )


def find_weights(model: MattingModel) -> Path:
    """The weights' file, where rembg will look for it too, in the same order.

    Raises:
        ValueError: it is in none of those places. rembg would try to download it in every worker.
    """
    name = f"{model}.onnx"
    home, data = os.environ.get("U2NET_HOME"), os.environ.get("XDG_DATA_HOME")
    new = home or os.environ.get("REMBG_HOME") or (f"{data}/rembg" if data else "~/.rembg")
    old = home or f"{data or '~'}/.u2net"
    places = [Path(new) / "models" / model / name, Path(old) / name]
    for place in (place.expanduser() for place in places):
        if place.is_file():
            return place
    raise ValueError(
        f"matting_model={model}: no {name}; download it from {RELEASE} to {places[-1]}"
        f"{'' if home else ' (or set U2NET_HOME to its folder)'}, and see that its licence suits you "
        f"(stated: {MODELS[model].licence})"
    )


def weights_sha256(model: MattingModel) -> str:
    """Hex sha256 of the model's weights.

    Raises:
        ValueError: the file is missing.
    """
    return file_sha256(find_weights(model))


def gpu_offered() -> bool:
    """Whether this onnxruntime is one that can use a GPU; that of the lock is for CPUs."""
    import onnxruntime

    return CUDA in onnxruntime.get_available_providers()


class Matting:
    """One matting model in memory, on one thread of the CPU or on a GPU.

    Args:
        model: rembg's name.
        device: `auto` takes a GPU that onnxruntime can use, and else the CPU. Masks of the two differ by
            rounding.

    Raises:
        ValueError: the weights are missing or no ONNX model, or `cuda` where onnxruntime cannot use a GPU.
    """

    def __init__(self, model: MattingModel, device: Literal["auto", "cpu", "cuda"]) -> None:
        self._weights, self._model = find_weights(model), model
        # rembg compiles its numba functions when first imported, up to a minute and a half.
        import rembg

        self._remove: Any = rembg.remove
        offered = gpu_offered()
        if device == "cuda" and not offered:
            raise ValueError(
                "device=cuda: the onnxruntime that is installed removes backgrounds on the CPU only; use "
                "--device auto, which may search faces on the GPU all the same, or put onnxruntime-gpu in "
                "its place"
            )
        wanted = [CUDA, CPU] if offered and device != "cpu" else [CPU]
        self._session = self._load(wanted)
        # Where CUDA's libraries are missing, onnxruntime takes the CPU without an error.
        self.provider: str = self._session.inner_session.get_providers()[0]
        """onnxruntime's name of what it runs on."""
        if device == "cuda" and self.provider != CUDA:
            raise ValueError(
                f"device=cuda: onnxruntime fell back to {self.provider} for matting; install the CUDA and "
                "cuDNN libraries that this onnxruntime-gpu was built for, or use --device cpu or auto"
            )

    def _load(self, providers: list[str]) -> Any:
        import onnxruntime
        import rembg

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a fallback, which is checked above
                return rembg.new_session(self._model, sess_opts=options, providers=providers)
        except Exception as error:  # onnxruntime's own errors share no narrower class
            raise ValueError(f"{self._weights}: not usable as rembg's {self._model}: {error}") from error

    def __call__(self, pixels: Pixels) -> NDArray[np.uint8]:
        """How much of each pixel is the person: uint8 [height, width], 0 background to 255 person.

        The model's answer is stretched to that range, so that something is found in every picture but
        one for which it is the same everywhere: that gives 0 everywhere.
        """
        with np.errstate(invalid="ignore"):  # rembg divides 0 by 0 where the mask is constant
            mask = self._remove(Image.fromarray(pixels), session=self._session, only_mask=True)
        return np.array(mask.convert("L"))
