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
    flat_rows: int = 100_000_000
    """Rows of the order that is computed from its places."""
    grown: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    """Rows of the caches whose growth is measured, ascending multiples of the first."""
    grown_shards: int = 10
    """Shards of the first of these."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "grown" and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        first = self.grown[0] if self.grown else 0
        rising = list(self.grown) == sorted({*self.grown})
        if len(self.grown) < 2 or not rising or first < 1 or any(rows % first for rows in self.grown):
            raise ValueError(
                f"grown={list(self.grown)}: give two or more numbers of rows, rising, all multiples of the "
                "first, such as 10000 100000"
            )
        least = min(self.few, self.many, self.shards * self.shard_rows, first)
        if self.batch_size > least:
            raise ValueError(
                f"batch_size={self.batch_size}: the smallest cache has {least} rows; choose at most that"
            )
