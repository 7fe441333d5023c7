"""Small pictures that stand in the page itself."""

from __future__ import annotations

import base64
import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def thumbnail(pixels: NDArray[np.uint8], side: int, quality: int = 78) -> str:
    """A picture as a data: URI of a WebP.

    Args:
        pixels: RGB uint8 [height, width, 3].
        side: the longer side in pixels, to which it is reduced; a smaller picture stays as it is.
        quality: of the WebP, 0 to 100.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=2)  # 4, the default, takes twice as long for 3 % less
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def small_jpeg(pixels: NDArray[np.uint8], side: int, quality: int = 75) -> str:
    """A square picture as the base64 of a JPEG: for pages of thousands, in a tenth of the time of `thumbnail`
    and at nearly twice its bytes.

    Args:
        pixels: RGB uint8 [size, size, 3].
        side: in pixels, to which it is reduced; a smaller picture stays as it is.
        quality: of the JPEG, 0 to 100.
    """
    side = min(side, len(pixels))
    small = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return base64.b64encode(data.tobytes()).decode()
