"""Pixels of the graph on each device: decoded rightly, the same wherever a crop stands, alike on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from doctor.crops import SIZE, Crop, draw_crops, encoded
from doctor.finding import Finding
from pipeline.augment import POLICIES, Policy
from pipeline.definition import Device
from pipeline.draws import draw
from pipeline.engine import Engine
from pipeline.graph import Graph

COUNT: Final = 8
"""Crops of a batch."""
MOST_DECODED: Final = 1.0
"""Grey levels by which decoders may differ on average."""
MOST_APART: Final = 1.0
"""Grey levels by which the devices may differ on average, as in the tests of the graph."""
BATCH: Final = 48
"""Crops of the batch in which places are exchanged: enough that a decoder in hardware gets a share of it."""


def graph_of(policy: Policy, device: Device, *, size: int = SIZE, **changed: Any) -> Graph:
    """The graph from drawn crops to images of `size`, whose levels of 0 to 255 become -1 to 1."""
    settings: dict[str, Any] = {"codec": "jpeg", "source_size": SIZE, "device": device}
    half = (0.5, 0.5, 0.5)
    return Graph(policy=policy, image_size=size, mean=half, std=half, **(settings | changed))


def levels(graph: Graph, crops: Sequence[Crop]) -> NDArray[np.float64]:
    """What the graph makes of one batch of crops as they are stored: grey levels [n, 3, size, size]."""
    parameters = graph.parameters(draw(graph.policy, len(crops), epoch=1, seed=3))
    engine = Engine(graph, batch_size=len(crops), threads=1)
    (images,) = engine.run(iter([[list(crops), *parameters.values()]]))
    return (images.double().cpu().numpy() + 1) * 127.5


def decode(device: Device) -> Finding:
    """One crop, decoded by DALI on this device, beside what Pillow makes of it."""
    jpeg = encoded(draw_crops(1)[0], "JPEG")
    expected = np.asarray(Image.open(BytesIO(jpeg.tobytes())), np.float64).transpose(2, 0, 1)
    apart = np.abs(levels(graph_of(POLICIES["none"], device), [jpeg])[0] - expected)
    words = f"of a JPEG: {apart.mean():.2f} grey levels from Pillow's on average, {apart.max():.0f} at most"
    if apart.mean() > MOST_DECODED:
        return Finding(words=words, cure=f"train on the other device, and report this: {_versions()}")
    return Finding(words=words)


def place(device: Device) -> Finding:
    """The same crop at other places of batches of other sizes."""
    apart = place_matters(device)
    if not apart:
        return Finding(words="a JPEG has the same pixels at any place of any batch")
    words = f"pixels of a JPEG depend on its place or batch: {', '.join(apart)}"
    return Finding(words=words, cure=f"report this; until then use raw crops (--codec raw): {_versions()}")


def place_matters(device: Device) -> list[str]:
    """Where the same crops did not have the same pixels."""
    graph = graph_of(POLICIES["none"], device)
    jpegs = [encoded(crop, "JPEG") for crop in draw_crops(BATCH)]
    first = levels(graph, jpegs)
    others = {
        "in the opposite order": levels(graph, jpegs[::-1])[::-1],
        "in batches of 7": np.concatenate([levels(graph, jpegs[at : at + 7]) for at in range(0, 14, 7)]),
        "alone": np.concatenate([levels(graph, jpegs[at : at + 1]) for at in range(2)]),
    }
    return [how for how, found in others.items() if not np.array_equal(found, first[: len(found)])]


def parity() -> Finding:
    """CPU and GPU: one batch by each named policy."""
    jpegs = [encoded(crop, "JPEG") for crop in draw_crops(COUNT)]
    apart = {
        name: difference(policy, jpegs, {"size": 224, "centre": 0.8}) for name, policy in POLICIES.items()
    }
    wrong = [name for name, (mean, _) in apart.items() if mean > MOST_APART]
    words = f"{len(apart)} policies, {told(apart)}"
    if wrong:
        return Finding(words=f"{words}; too much: {', '.join(wrong)}", cure=f"report this: {_versions()}")
    return Finding(words=words)


def difference(
    policy: Policy,
    crops: Sequence[Crop],
    settings: Mapping[str, Any],
    devices: Sequence[Device] = ("cpu", "gpu"),
) -> tuple[float, float]:
    """Mean and largest difference, in grey levels, of two devices' images of the same crops and draws."""
    first, second = (levels(graph_of(policy, device, **settings), crops) for device in devices)
    apart = np.abs(first - second)
    return float(apart.mean()), float(apart.max())


def told(apart: Mapping[str, tuple[float, float]]) -> str:
    """The largest differences in words."""
    mean = max(apart, key=lambda name: apart[name][0])
    most = max(apart, key=lambda name: apart[name][1])
    return (
        f"at most {apart[mean][0]:.2f} grey levels from the CPU's on average ({mean}), "
        f"{apart[most][1]:.0f} in one pixel ({most})"
    )


def _versions() -> str:
    from nvidia.dali import __version__

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"DALI {__version__}, torch {torch.__version__}, {card}"
