"""litdata: its own chunks, its StreamingDataLoader, torchvision's transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import litdata
import numpy as np

from bench.loaders.rivals.torchvision_pil import count_images, open_jpeg, torchvision_transforms
from bench.loaders.task import Epoch, Task
from faces.cache.reader import Cache
from pipeline.augment import policy_named


def read_crop(place: tuple[str, int]) -> dict[str, bytes]:
    """One sample to write; of the module, since litdata writes nothing from a function inside another."""
    folder, row = place
    (data,) = Cache.open(Path(folder)).encoded(np.array([row]))
    return {"image": data.tobytes()}


class Crops(litdata.StreamingDataset):  # type: ignore[misc]
    """Transformed crops."""

    transforms: Any

    def __getitem__(self, index: Any) -> Any:
        """One crop, float32 [3, H, W]."""
        return self.transforms(open_jpeg(super().__getitem__(index)["image"]))


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    chunks = task.folder / "chunks"
    if not (chunks / "index.json").is_file():
        places = [(str(task.jpeg), row) for row in range(task.images)]
        litdata.optimize(read_crop, places, str(chunks), chunk_bytes="4MB", num_workers=1)
    dataset = Crops(str(chunks), shuffle=True, drop_last=True)
    dataset.transforms = torchvision_transforms(policy_named(task.policy), task.image_size)
    loader = litdata.StreamingDataLoader(
        dataset,
        batch_size=task.batch_size,
        num_workers=task.workers,
        drop_last=True,
        persistent_workers=True,
    )
    return lambda: count_images(loader)
