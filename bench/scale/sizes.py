"""How much `bench.scale` measures."""

from __future__ import annotations

from dataclasses import asdict, dataclass

CROP = 32
"""Side of the crops that are made, pixels."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured."""

    few: int = 1_000
    """Rows of the small cache."""
    many: int = 200_000
    """Rows of the large cache."""
    shards: int = 1_000
    """Shards of the cache of many; its rival has the same rows in one."""
    shard_rows: int = 20
    """Rows in each of these shards."""
    batch_size: int = 64
    """Images a batch."""
    image_size: int = 32
    """Side of the images made, pixels."""
    batches: int = 100
    """Taken from each cache while its memory is watched."""
    repetitions: int = 3
    """Processes that measure each memory and each start-up; medians are reported."""
    order_rows: int = 10_000_000
    """Rows of the orders whose bytes are counted."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        least = min(self.few, self.many, self.shards * self.shard_rows)
        if self.batch_size > least:
            raise ValueError(
                f"batch_size={self.batch_size}: the smallest cache has {least} rows; choose at most that"
            )
