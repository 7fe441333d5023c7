"""What a generator of face crops is and how it is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GeneratorDesign:
    """Network and training of a generator."""

    image_size: int = 64
    """Side of the crops that it learns and makes, pixels: a multiple of 2 to the number of levels."""
    widths: tuple[int, ...] = (32, 64, 128)
    """Channels of the levels, from half of `image_size` down by halves; multiples of 8, the last of 32."""
    blocks: tuple[int, ...] = (1, 2, 2)
    """Residual blocks of each level, on the way down and again on the way up."""
    components: int = 160
    """Principal components of the crops of each mask, from which the network's start is computed."""
    embedding: int = 128
    """Numbers that tell time and labels to each block; a multiple of 4."""
    photos: int = 16_000
    """Training crops shown in all, one after the other; repeated ones count again."""
    batch_size: int = 32
    """Crops a step."""
    lr: float = 5e-3
    """Greatest learning rate of Muon: reached after a fiftieth of the steps, then falling evenly to 0."""
    average: float = 0.999
    """Decay a step of the exponential mean of the weights, which is what is kept; less in early steps."""
    label_dropout: float = 0.1
    """Share of crops shown without gender and age, which guidance needs; in [0, 1)."""
    seed: int = 0
    """Of weights, order, noise and samples."""

    def __post_init__(self) -> None:
        step = 2 ** len(self.widths)
        if self.image_size < 16 or self.image_size % step:
            raise ValueError(
                f"image_size={self.image_size}: with {len(self.widths)} levels it must be a multiple of "
                f"{step}, 16 or more"
            )
        if len(self.blocks) != len(self.widths) or min(self.blocks, default=0) < 1:
            raise ValueError(
                f"blocks={list(self.blocks)}: give 1 or more for each of {len(self.widths)} widths"
            )
        if any(width < 8 or width % 8 for width in self.widths) or self.widths[-1] % 32:
            raise ValueError(f"widths={list(self.widths)}: must be multiples of 8, and the last one of 32")
        if self.embedding < 4 or self.embedding % 4:
            raise ValueError(f"embedding={self.embedding}: must be a multiple of 4")
        if self.components < 1:
            raise ValueError(f"components={self.components}: must be 1 or more")
        if self.batch_size < 1 or self.photos < self.batch_size:
            raise ValueError(
                f"photos={self.photos}, batch_size={self.batch_size}: at least one batch must be shown"
            )
        if not self.lr > 0 or not 0 <= self.average < 1 or not 0 <= self.label_dropout < 1:
            raise ValueError(
                f"lr={self.lr}, average={self.average}, label_dropout={self.label_dropout}: lr must be above "
                "0, the others in [0, 1)"
            )

    @property
    def steps(self) -> int:
        """Optimiser steps of the training."""
        return self.photos // self.batch_size
