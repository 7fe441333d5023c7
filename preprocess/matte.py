"""Paints over the background of a crop, by a person mask of one of rembg's models.

Evidence on whether this helps age and gender is mixed, and u2netp, the smallest model, costs about half a
second of CPU a crop: it is off unless asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from faces.cache import file_sha256
from preprocess.photo import Pixels

Background = Literal["keep", "white", "grey"]
MattingModel = Literal["u2netp", "u2net", "u2net_human_seg", "silueta", "isnet-general-use"]
"""Those of rembg's models that run on this machine and need no more than a photo."""
COLOURS = {"white": 255, "grey": 128}
RELEASE = "https://github.com/danielgatis/rembg/releases/tag/v0.0.0"


def find_weights(model: MattingModel) -> Path:
    """The weights' file, where rembg will look for it too, in the same order.

    Raises:
        ValueError: it is in none of those places. rembg would try to download it in every worker.
    """
    name = f"{model}.onnx"
    home = os.environ.get("U2NET_HOME")
    if home:
        places = [Path(home) / "models" / model / name, Path(home) / name]
    else:
        places = [Path.home() / ".rembg" / "models" / model / name, Path.home() / ".u2net" / name]
    for place in places:
        if place.is_file():
            return place
    raise ValueError(
        f"matting_model={model}: no {name}; download it from {RELEASE} to {places[-1]}"
        f"{'' if home else ' (or set U2NET_HOME to its folder)'}, and see that its licence suits you"
    )


def weights_sha256(model: MattingModel) -> str:
    """Hex sha256 of the model's weights.

    Raises:
        ValueError: the file is missing.
    """
    return file_sha256(find_weights(model))


class Matting:
    """One matting model in memory, on one thread of the CPU.

    Args:
        model: rembg's name.
        background: `white` or `grey`.

    Raises:
        ValueError: the weights are missing, or are no ONNX model.
    """

    def __init__(self, model: MattingModel, background: Background) -> None:
        weights = find_weights(model)
        # rembg compiles its numba functions when first imported, up to a minute.
        import onnxruntime
        import rembg

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            session = rembg.new_session(model, sess_opts=options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no narrower class
            raise ValueError(f"{weights}: not usable as rembg's {model}: {error}") from error
        self._session: Any = session
        self._remove: Any = rembg.remove
        self._colour = COLOURS[background]

    def __call__(self, crop: Pixels) -> Pixels:
        """The crop [size, size, 3] with its background painted over.

        A crop in which the model finds nobody is returned as it is: an empty picture would teach nothing.
        """
        with np.errstate(invalid="ignore"):  # rembg divides 0 by 0 where the mask is constant
            mask = self._remove(Image.fromarray(crop), session=self._session, only_mask=True)
        alpha = np.asarray(mask.convert("L"), np.uint16)[..., None]
        if not alpha.any():
            return crop
        blend = (crop * alpha + self._colour * (255 - alpha) + 127) // 255
        return blend.astype(np.uint8)
