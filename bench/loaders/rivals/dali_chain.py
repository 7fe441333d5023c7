"""DALI as its examples use it: its webdataset reader and one operator for each augmentation."""

from __future__ import annotations

from nvidia.dali import Pipeline, fn, types
from nvidia.dali.plugin.base_iterator import LastBatchPolicy
from nvidia.dali.plugin.pytorch import DALIGenericIterator

from bench.loaders.rivals.torchvision_pil import count_images
from bench.loaders.task import MEAN, STD, Epoch, Task
from pipeline.augment import Policy, policy_named


def _around(middle: float, strength: float) -> object:
    return fn.random.uniform(range=[middle - strength, middle + strength])


def _augment(images: object, policy: Policy, side: int) -> object:
    images = fn.random_resized_crop(
        images,
        size=[side, side],
        random_area=list(policy.crop_area),
        random_aspect_ratio=list(policy.crop_aspect),
        antialias=False,
    )
    images = fn.rotate(images, angle=_around(0, policy.rotation), keep_size=True, fill_value=0)
    if policy.changes_colour:
        images = fn.color_twist(
            images,
            brightness=_around(1, policy.brightness),
            contrast=_around(1, policy.contrast),
            saturation=_around(1, policy.saturation),
            hue=_around(0, policy.hue),
        )
    if policy.erase:
        low, high = (area**0.5 for area in policy.erase_area)
        some = fn.cast(fn.random.coin_flip(probability=policy.erase), dtype=types.FLOAT)
        images = fn.erase(
            images,
            anchor=fn.random.uniform(range=[0, 1 - high], shape=[2]),
            shape=fn.random.uniform(range=[low, high], shape=[2]) * some,
            normalized=True,
            axis_names="HW",
            fill_value=[255 * level for level in MEAN],
        )
    return fn.crop_mirror_normalize(
        images,
        mirror=fn.random.coin_flip(probability=policy.flip),
        mean=[255 * level for level in MEAN],
        std=[255 * level for level in STD],
    )


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    shards = sorted((task.jpeg / "shards").glob("*.tar"))
    pipeline = Pipeline(batch_size=task.batch_size, num_threads=task.workers, device_id=None, seed=0)
    with pipeline:
        files = fn.readers.webdataset(
            paths=[str(path) for path in shards],
            index_paths=[str(path.with_suffix(".idx")) for path in shards],
            ext=["jpg"],
            random_shuffle=True,
            initial_fill=256,
            name="reader",
        )
        images = fn.decoders.image(files, device="cpu")
        pipeline.set_outputs(_augment(images, policy_named(task.policy), task.image_size))
    batches = DALIGenericIterator(
        [pipeline], ["image"], reader_name="reader", auto_reset=True, last_batch_policy=LastBatchPolicy.DROP
    )
    return lambda: count_images(batch["image"] for (batch,) in batches)
