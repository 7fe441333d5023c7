"""What must not depend on the device, on the place in a batch, or on when a batch is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from nvidia.dali import fn, pipeline_def, types

from pipeline.augment import POLICIES
from pipeline.augmentations.colour import jitter_matrices
from pipeline.definition import Draws
from pipeline.draws import draw
from pipeline.engine import PREFETCH, Engine
from pipeline.graph import Graph
from pipeline.resampling import inside_share, resized
from tests.helpers.graphs import (
    COUNT,
    SOURCE,
    by_cpus_operators,
    by_gpus_operators,
    encoded,
    graph_of,
    photos,
    tensors,
)

UNITS = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
"""With these the output is grey levels over 255."""
CYCLES = 50_000_000
"""Turns of a GPU's clock, tens of milliseconds."""


def by_a_gpu(graph: Graph, images: list[np.ndarray], draws: Draws) -> np.ndarray:
    """What the graph makes on a GPU."""
    return tensors(dataclasses.replace(graph, device="gpu"), images, draws).cpu().numpy()


GPUS = [
    pytest.param(by_gpus_operators, id="its operators"),
    pytest.param(by_a_gpu, id="a GPU", marks=pytest.mark.gpu),
]
"""DALI's operators for the GPU, run on the CPU and on a GPU."""
DEVICES = ["cpu", pytest.param("gpu", marks=pytest.mark.gpu)]


def test_the_share_inside_is_that_of_the_triangle() -> None:
    # From 4 to 2 the weights are (1, 3, 3, 1) / 8, the first or last of them outside.
    np.testing.assert_allclose(inside_share(4, 2, 0, 2), 7 / 8)
    # From 2 to 3 the first pixel stands at 1/3: 1/6 of its weight belongs to a pixel at -1/2.
    np.testing.assert_allclose(inside_share(2, 3, 0, 3), [5 / 6, 1, 5 / 6])
    np.testing.assert_allclose(inside_share(256, 100, 10, 80), 1)


@pytest.mark.parametrize(("image_size", "centre"), [(96, 1.0), (97, 0.7), (224, 1.0), (288, 1.0)])
@pytest.mark.parametrize("by", GPUS)
def test_the_gpus_resize_is_the_cpus_up_to_the_border(by: Any, image_size: int, centre: float) -> None:
    graph = graph_of(POLICIES["none"], image_size, centre=centre, **UNITS)
    draws = draw(graph.policy, COUNT, epoch=0, seed=0)
    difference = 255 * np.abs(by(graph, photos(), draws) - by_cpus_operators(graph, photos(), draws))
    # They add in another order, so that a sum near a half may be rounded otherwise.
    assert difference.max() < 1.01 and (difference > 0.5).mean() < 0.01


@pytest.mark.parametrize("by", GPUS)
def test_colour_makes_no_more_of_it_than_its_matrix(by: Any) -> None:
    graph = graph_of(POLICIES["team_a"], 96, **UNITS)
    draws = draw(graph.policy, COUNT, epoch=1, seed=3)
    difference = 255 * np.abs(by(graph, photos(), draws) - by_cpus_operators(graph, photos(), draws))
    most = np.abs(jitter_matrices(draws)[:, :, :3]).sum(2).max()
    assert difference.max() < 1.01 * most and (difference > 0.5).mean() < 0.02


def test_the_middle_cut_by_arguments_is_that_cut_by_inputs() -> None:
    images = photos()
    graph = graph_of(POLICIES["none"], 224, centre=0.875)

    @pipeline_def(batch_size=COUNT, num_threads=1, device_id=None)
    def make() -> Any:
        pixels = fn.external_source(lambda: images, dtype=types.UINT8, ndim=3, layout="HWC")
        return resized(pixels, graph, SOURCE, 224), fn.slice(pixels, [16, 16], [224, 224], axis_names="HW")

    by_arguments, by_inputs = (np.asarray(output.as_array()) for output in make().run())
    np.testing.assert_array_equal(by_arguments, by_inputs)
    np.testing.assert_array_equal(by_arguments, np.stack(images)[:, 16:240, 16:240])


def in_batches(graph: Graph, crops: list[np.ndarray], size: int) -> torch.Tensor:
    """The graph's images of crops that come in batches of this size."""
    engine = Engine(graph, batch_size=size, threads=2)
    batches = [[crops[at : at + size]] for at in range(0, len(crops), size)]
    return torch.cat(list(engine.run(iter(batches))))


@pytest.mark.parametrize("codec", ["jpeg", "png", "raw"])
@pytest.mark.parametrize("device", DEVICES)
def test_a_crop_has_the_same_pixels_at_every_place_of_every_batch(device: str, codec: str) -> None:
    graph = graph_of(POLICIES["none"], 192, codec=codec, device=device)
    crops = [photo if codec == "raw" else encoded(photo, codec.upper()) for photo in photos()]
    copies = 8
    once = in_batches(graph, crops, 1)
    assert all(not torch.equal(once[0], other) for other in once[1:])
    for size in (5, COUNT, COUNT * copies):
        assert torch.equal(in_batches(graph, crops * copies, size), once.repeat(copies, 1, 1, 1))
    assert torch.equal(
        in_batches(graph, crops[::-1] * copies, COUNT * copies).flip(0), once.repeat(copies, 1, 1, 1)
    )


class Told:
    """A pipeline that notes for whose stream its outputs are asked."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline, self.streams = pipeline, []

    def share_outputs(self, cuda_stream: object = None) -> Any:
        self.streams.append(cuda_stream)
        return self.pipeline.share_outputs()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipeline, name)


@pytest.mark.parametrize("layout", ["nchw", "channels_last"])
@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_outputs_are_asked_for_torchs_current_stream(
    monkeypatch: pytest.MonkeyPatch, device: str, layout: str
) -> None:
    streams = [SimpleNamespace(device=torch.device("cpu"), cuda_stream=turn) for turn in range(3)]
    left = iter(streams)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: next(left))
    graph = graph_of(POLICIES["none"], 64, layout=layout)
    batches = [[photos()[i : i + 2]] for i in (0, 2, 4)]
    expected = list(Engine(graph, batch_size=2, threads=1).run(iter(batches)))
    engine = Engine(graph, batch_size=2, threads=1)
    told = Told(engine._build())  # of the CPU, whichever device the engine is then told of
    monkeypatch.setattr(engine, "_build", lambda: told)
    engine.graphs = (dataclasses.replace(graph, device=device),)
    found = list(engine.run(iter(batches)))
    assert told.streams == (streams if device == "gpu" else [None] * 3)
    assert all(map(torch.equal, found, expected)) and len(found) == 3


@pytest.mark.gpu
def test_batches_are_whole_though_torch_reads_them_late() -> None:
    """Each is let go of while its copy still waits in the queue of a stream that is not the default one."""
    graph, count = graph_of(POLICIES["none"], 224, device="gpu"), 4 * PREFETCH
    engine = Engine(graph, batch_size=3, threads=2)

    def batches() -> Iterator[list[Any]]:
        for i in range(count):  # new arrays, whose memory others may take once nobody holds them
            yield [[photo.copy() for photo in photos()[i % 3 : i % 3 + 3]]]

    expected = [images.cpu() for images in engine.run(batches())]
    found = []
    with torch.cuda.stream(torch.cuda.Stream()):
        late = engine.run(batches())
        for _ in range(count):
            torch.cuda._sleep(CYCLES)
            found.append(next(late).clone())
        torch.cuda.synchronize()
    assert all(torch.equal(images.cpu(), before) for images, before in zip(found, expected, strict=True))


@pytest.mark.gpu
def test_the_host_gets_a_batch_before_the_gpu_does() -> None:
    graph = graph_of(POLICIES["none"], 224, device="gpu")
    batches = Engine(graph, batch_size=COUNT, threads=2).run(iter([[photos()]] * (2 + PREFETCH)))
    next(batches)
    torch.cuda.synchronize()
    torch.cuda._sleep(20 * CYCLES)
    slept = torch.cuda.Event()
    slept.record()
    images = next(batches)
    assert not slept.query(), "the host waited for the queue in front of the batch"
    assert torch.isfinite(images).all() and slept.query()
