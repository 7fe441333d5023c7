"""Pictures to test reading and preprocessing with."""

import io
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.data import astronaut


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth colour picture whose corners differ."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 2, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def group() -> np.ndarray:
    """A photo 300 pixels high and 640 wide, with three faces: a large one in the middle, a smaller one right
    of it, and less than half a one at the left edge, whose box is centred outside."""
    photo = np.full((300, 640, 3), 120, np.uint8)
    head = astronaut()[:256, 110:330]
    for scale, left in ((1.0, 200), (0.6, 45), (0.7, 450)):
        pasted = np.asarray(Image.fromarray(head).resize((int(220 * scale), int(256 * scale))))
        photo[20 : 20 + len(pasted), left : left + pasted.shape[1]] = pasted
    return photo[:, 100:]


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()
