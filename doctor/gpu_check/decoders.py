"""The GPU's two decoders of JPEGs: what a batch that both share would change, in pixels and in speed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from nvidia.dali import fn, pipeline_def, types

from doctor.crops import Crop, draw_crops, encoded
from doctor.finding import Finding
from doctor.gpu_check.place import Place

CROPS: Final = 256
SHARED: Final = 0.65
"""DALI's own share of a batch for the decoder in hardware, of cards that have one; the graph sets 0."""
_BATCHES: Final = 20


def decoders(place: Place) -> Finding:
    """Pixels and speed of both shares; what is found decides nothing by itself."""
    jpegs = [encoded(crop, "JPEG") for crop in draw_crops(CROPS)]
    told = []
    for share in (0.0, SHARED):
        first, seconds = decoded(jpegs, share)
        turned, _ = decoded(jpegs[::-1], share)
        differ = sum(not np.array_equal(a, b) for a, b in zip(first, turned[::-1], strict=True))
        rate = CROPS * _BATCHES / seconds
        told.append(f"share {share}: {differ} of {CROPS} crops change with their place, {rate:,.0f} crops/s")
        print(told[-1], flush=True)
    return Finding(words="; ".join(told))


def decoded(jpegs: Sequence[Crop], share: float) -> tuple[NDArray[np.uint8], float]:
    """Pixels of one batch, uint8 [n, SIZE, SIZE, 3], and the seconds of `_BATCHES` more.

    Args:
        jpegs: files.
        share: of each batch that a decoder in hardware gets, where there is one.
    """

    @pipeline_def(batch_size=len(jpegs), num_threads=4, device_id=torch.cuda.current_device())  # type: ignore[untyped-decorator]
    def make() -> Any:
        files = fn.external_source(lambda: [*jpegs], batch=True, dtype=types.UINT8)
        return fn.decoders.image(files, device="mixed", jpeg_fancy_upsampling=True, hw_decoder_load=share)

    pipeline = make()
    (images,) = pipeline.run()
    pixels = images.as_cpu().as_array()  # all are of one size
    begun = time.perf_counter()
    for _ in range(_BATCHES):
        pipeline.run()
    torch.cuda.synchronize()
    return pixels, time.perf_counter() - begun
