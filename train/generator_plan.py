"""A fold's generator: what it is, whom it learns from, where it is kept, and its random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from faces.cache import Cache
from faces.labels import IntArray
from pipeline.loader import Loader
from train.generator import Generator
from train.generator_design import GeneratorDesign

WEIGHTS: Final = "generator.safetensors"
STEP_STREAM: Final = 0
"""`GeneratorPlan.random`'s stream of training steps."""
SAMPLE_STREAM: Final = 1
"""And of samples."""


@dataclass(frozen=True, kw_only=True)
class GeneratorPlan:
    """A generator, whom it learns from, and where it is kept."""

    design: GeneratorDesign
    cache: Cache
    rows: IntArray
    """Training rows of the fold, labelled with all three factors."""
    division: dict[str, Any]
    """fold, folds, fold_seed and scheme, as recorded."""
    folder: Path

    @property
    def seed(self) -> int:
        """Of all that is random in this fold."""
        key = [self.design.seed, int(self.division["fold"])]
        return int(np.random.SeedSequence(key).generate_state(1)[0])

    def random(self, stream: int, number: int) -> torch.Generator:
        """Random numbers that are a pure function of seed, fold, and what they are for."""
        key = np.random.SeedSequence([self.seed, stream, number]).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(key >> 1))


def noise(plan: GeneratorPlan, numbers: range) -> Tensor:
    """float32 [n, 3, S, S] standard normal; each sample's is its own, whatever others are drawn with it."""
    shape = (3, plan.design.image_size, plan.design.image_size)
    return torch.stack([torch.randn(shape, generator=plan.random(SAMPLE_STREAM, k)) for k in numbers])


def crops_of(cache: Cache, rows: IntArray, image_size: int) -> Iterator[Tensor]:
    """Batches float [b, 3, S, S] in -1 to 1 of crops, in the order of the rows, at the generator's size."""
    loader = Loader(cache, rows, batch_size=64, image_size=image_size, mean=(0.5,) * 3, std=(0.5,) * 3)
    return (images for images, _ in loader.epoch(0))


def load_generator(plan: GeneratorPlan) -> Generator:
    """The trained generator in evaluation mode."""
    generator = Generator(plan.design)
    generator.load_state_dict(load_file(plan.folder / WEIGHTS))
    return generator.to(memory_format=torch.channels_last).eval()
