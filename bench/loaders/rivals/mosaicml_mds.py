"""mosaicml-streaming: its own MDS shards on the local disk, torchvision's transforms, a DataLoader."""

from __future__ import annotations

from typing import Any

import numpy as np
import streaming
from torch.utils.data import DataLoader

from bench.loaders.rivals.torchvision_pil import count_images, open_jpeg, torchvision_transforms
from bench.loaders.task import Epoch, Task
from faces.cache.reader import Cache
from pipeline.augment import policy_named


class Crops(streaming.StreamingDataset):  # type: ignore[misc]
    """Transformed crops."""

    transforms: Any

    def __getitem__(self, at: Any) -> Any:
        """One crop, float32 [3, H, W]."""
        return self.transforms(open_jpeg(super().__getitem__(at)["image"]))


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    shards = task.folder / "mds"
    if not shards.is_dir():
        with streaming.MDSWriter(out=str(shards), columns={"image": "bytes"}) as writer:
            for data in Cache.open(task.jpeg).encoded(np.arange(task.images)):
                writer.write({"image": data.tobytes()})
    streaming.base.util.clean_stale_shared_memory()
    dataset = Crops(local=str(shards), shuffle=True, batch_size=task.batch_size)
    dataset.transforms = torchvision_transforms(policy_named(task.policy), task.image_size)
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_size=task.batch_size,
        num_workers=task.workers,
        drop_last=True,
        persistent_workers=True,
    )
    return lambda: count_images(loader)
