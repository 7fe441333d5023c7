"""Photos as contest teams read them: the face is searched in `__getitem__`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from facenet_pytorch import MTCNN
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import v2

MARGIN: Final = 0.25
"""Added around a face, in longest sides of its box."""


class FacePhotos(Dataset[tuple[Tensor, int]]):
    """Photos, in which a face is searched whenever one is asked for.

    Args:
        paths: of the photos.
        transform: from the crop to a float32 tensor [3, S, S].
        spent: shared sum of the CPU seconds of all searches.
    """

    def __init__(self, paths: Sequence[str], transform: Callable[[Any], Tensor], spent: Any) -> None:
        self.paths, self.transform, self.spent = paths, transform, spent
        self.mtcnn = MTCNN()  # its defaults: the largest face, of 20 pixels or more

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[Tensor, int]:
        """One transformed face and its place."""
        image = Image.open(self.paths[place]).convert("RGB")
        start = time.process_time()
        try:
            boxes, _ = self.mtcnn.detect(image)
        except (RuntimeError, IndexError):  # a candidate that lies outside of the photo
            boxes = None
        with self.spent.get_lock():
            self.spent.value += time.process_time() - start
        return self.transform(cut_face(image, None if boxes is None else boxes[0])), place


def cut_face(image: Image.Image, box: Sequence[float] | None) -> Image.Image:
    """A square around a face; the middle of the photo where none was found.

    Args:
        image: the photo.
        box: left, top, right, bottom in pixels.
    """
    if box is None:
        cropped: Image.Image = v2.CenterCrop(min(image.size))(image)
        return cropped
    left, top, right, bottom = map(float, box)
    x, y, half = (left + right) / 2, (top + bottom) / 2, max(right - left, bottom - top) * (0.5 + MARGIN)
    return image.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
