"""Whole graphs on stored crops that are guarded: every path from what a cache holds to a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from pipeline.augment import POLICIES
from pipeline.draws import draw
from pipeline.engine import Engine
from pipeline.graph import Graph
from tests.helpers.graphs import cutouts, encoded, graph_of, photos
from tests.memory.guarded import PLACES, guarded

KINDS: list[tuple[Any, int]] = [("jpeg", 3), ("png", 3), ("png", 4), ("raw", 3), ("raw", 4)]
"""Codec and channels of every sort of cache."""


def stored(codec: str, channels: int) -> list[np.ndarray]:
    images = (photos() if channels == 3 else cutouts())[:3]
    return images if codec == "raw" else [encoded(image, codec.upper()) for image in images]


def check() -> None:
    for codec, channels in KINDS:
        crops = stored(codec, channels)
        for policy in ("none", "light", "strong"):
            graph = graph_of(POLICIES[policy], 96, codec=codec, channels=channels)
            values = graph.parameters(draw(graph.policy, len(crops), epoch=0, seed=0)).values()
            engine = Engine(graph, batch_size=len(crops), threads=1)
            plain, *beside = engine.run(
                iter(
                    [[given, *values] for given in (crops, *([guarded(c, p) for c in crops] for p in PLACES))]
                )
            )
            for found in beside:
                assert torch.equal(found, plain), (codec, channels, policy)
            check_other_sizes(graph, crops, [*values])


def check_other_sizes(graph: Graph, crops: list[np.ndarray], values: list[np.ndarray]) -> None:
    """Sound crops of another size are refused, and nothing beyond them is read meanwhile."""
    if graph.codec == "raw":  # the index itself says their size
        return
    for height, width in ((8, 8), (128, 512), (300, 300), (256, 128)):
        small = np.full((height, width, graph.channels), 128, np.uint8)
        for place in PLACES:
            given = [guarded(encoded(small, graph.codec.upper()), place), *crops[1:]]
            wanted = f"is {height} x {width} x {graph.channels} where"
            try:
                [*Engine(graph, batch_size=len(crops), threads=1).run(iter([[given, *values]]))]
            except RuntimeError as error:
                assert wanted in str(error) or "slice" in str(error).lower(), error
            else:
                raise AssertionError(f"a crop of {height} x {width} was taken")
