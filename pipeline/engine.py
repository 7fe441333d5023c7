"""Running a graph: batches of inputs in, tensors out, DALI's threads working ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from nvidia.dali import Pipeline, fn, pipeline_def, types

from pipeline.draws import draw
from pipeline.graph import Graph

PREFETCH = 2
"""Batches that DALI works on ahead of the one handed out."""

DALI_TYPES = {"float32": types.FLOAT, "int32": types.INT32}

Inputs = list[Any]
"""One batch: the images (a list of uint8 arrays), then the arrays of `Graph.parameters` in their order."""


class _Feed:
    """The callable that gives DALI its next batch. Keeps those in flight: DALI reads their own memory.

    A batch that is handed out is in flight no more, even where a GPU still computes it: a copy to a GPU has
    read ordinary memory before CUDA's call returns.
    """

    def __init__(self) -> None:
        self._batches: Iterator[Inputs] = iter(())
        self._in_flight: deque[Inputs] = deque(maxlen=PREFETCH + 2)

    def start(self, batches: Iterator[Inputs]) -> None:
        self._batches = batches

    def __call__(self) -> Inputs:
        batch = next(self._batches)  # its StopIteration is how DALI learns that a run has ended
        self._in_flight.append(batch)
        return batch


def define(graph: Graph, source: Callable[[], Inputs], others: Sequence[Graph] = ()) -> Any:
    """Make the graph in the current DALI pipeline, fed by a callable.

    Args:
        graph: the graph to make.
        source: called once a batch; what it returns must stay unchanged while DALI works on it.
        others: graphs of the same crops and parameters, which begin at the pixels that `graph` decodes.

    Returns:
        The node of the decoded crops' shapes, int64 [3] on the CPU, then those of the images of each graph.
    """
    example = graph.parameters(draw(graph.policy, 1, epoch=0, seed=0))
    raw = graph.codec == "raw"
    image, *nodes = fn.external_source(
        source,
        num_outputs=1 + len(example),
        batch=True,
        # A copy of raw crops costs more than the colour pass: its memory is allocated anew for every batch.
        no_copy=True,
        dtype=[types.UINT8] + [DALI_TYPES[values.dtype.name] for values in example.values()],
        ndim=[3 if raw else 1] + [values.ndim - 1 for values in example.values()],
        layout=["HWC" if raw else ""] + [""] * len(example),
    )
    # Not zip: DALI's rewriting for conditionals does not know its `strict`.
    parameters = {name: nodes[i] for i, name in enumerate(example)}
    pixels = graph.decode(image)
    shapes, first = pixels.shape(), graph.finish(pixels, parameters)
    return (shapes, first, *[other.finish(pixels, parameters) for other in others])


def other_sizes(shapes: NDArray[np.int64], graph: Graph) -> dict[int, str]:
    """Which decoded crops are not of the size that the graph was made for, in words, by their place.

    Everything after decoding is told that size beforehand, so their images would show something else.

    Args:
        shapes: [b, 3] height, width, channels.
        graph: that takes the crops.
    """
    wanted = (graph.source_size, graph.source_size, graph.channels)
    return {
        int(place): f"is {_sides(shapes[place])} where the cache's crops are {_sides(wanted)}"
        for place in np.flatnonzero((shapes != wanted).any(1))
    }


def _sides(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


class Superseded(RuntimeError):
    """A run that was ended by the start of another of the same engine."""


class Engine:
    """One DALI pipeline, built at first use and used for run after run.

    Args:
        graph: the graph whose images it computes.
        batch_size: images in the largest batch.
        threads: CPU threads of DALI.
        others: further graphs, computed of the same decoded crops, see `run_all`.
    """

    def __init__(self, graph: Graph, *, batch_size: int, threads: int, others: Sequence[Graph] = ()) -> None:
        self.graphs, self.batch_size, self.threads = (graph, *others), batch_size, threads
        self._feed = _Feed()
        self._pipeline: Pipeline | None = None
        self._running: object = None

    def run(self, batches: Iterator[Inputs]) -> Iterator[torch.Tensor]:
        """Compute batches in order: the first tensor of each of `run_all`."""
        for images, *_ in self.run_all(batches):
            yield images

    def run_all(self, batches: Iterator[Inputs]) -> Iterator[list[torch.Tensor]]:
        """Compute batches in order. May be left before its end; starting another run ends this one.

        Yields:
            A tensor for the graph, then one for each of `others`: its `dtype` [b, 3, image_size, image_size],
            contiguous in its `layout`. Each has its memory for itself: nothing writes to it later. On a GPU
            it is ready in the order of torch's current stream; the host does not wait for it.

        Raises:
            RuntimeError: DALI failed on this batch or one of the next `PREFETCH` + 1, or a crop of this batch
                has another size than the graph was made for.
            Superseded: another run was started.
        """
        pipeline = self._idle_pipeline()
        token = self._running = object()
        self._feed.start(batches)
        try:
            pipeline.schedule_run()
            while not pipeline.empty():
                stream = torch.cuda.current_stream() if self.graphs[0].device == "gpu" else None
                shapes, *outputs = pipeline.share_outputs(cuda_stream=stream)
                if wrong := other_sizes(shapes.as_array(), self.graphs[0]):
                    raise RuntimeError(f"a crop {next(iter(wrong.values()))}")
                pairs = zip(self.graphs, outputs, strict=True)
                images = [_tensor(out.as_tensor(), graph, stream) for graph, out in pairs]
                pipeline.release_outputs()
                pipeline.schedule_run()
                yield images
                if token is not self._running:
                    raise Superseded("another epoch of this loader was started; one can run at a time")
        except RuntimeError:
            if token is self._running:
                self._pipeline = None  # DALI cannot go on after an error
            raise

    def _idle_pipeline(self) -> Pipeline:
        """The pipeline with nothing in flight."""
        self._feed.start(iter(()))
        if self._pipeline is not None:
            try:
                _drain(self._pipeline)
            except RuntimeError:  # of a batch that nobody waits for any more
                self._pipeline = None
        if self._pipeline is None:
            self._pipeline = self._build()
        return self._pipeline

    def _build(self) -> Pipeline:
        graph, *others = self.graphs

        # Conditionals rewrite the functions that make the graph, so only graphs that need them enable them.
        @pipeline_def(  # type: ignore[untyped-decorator]
            batch_size=self.batch_size,
            num_threads=self.threads,
            device_id=torch.cuda.current_device() if graph.device == "gpu" else None,
            prefetch_queue_depth=PREFETCH,
            enable_conditionals=graph.conditional,
        )
        def make() -> Any:
            return define(graph, self._feed, others)

        pipeline: Pipeline = make()
        pipeline.build()
        return pipeline


def decoded_shapes(graph: Graph, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.int64]:
    """What the graph's decoder alone makes of some crops: [n, 3] height, width, channels.

    Raises:
        RuntimeError: one of them does not decode.
    """

    @pipeline_def(  # type: ignore[untyped-decorator]
        batch_size=len(crops),
        num_threads=1,
        device_id=torch.cuda.current_device() if graph.device == "gpu" else None,
    )
    def make() -> Any:
        return graph.decode(fn.external_source(lambda: [*crops], batch=True, dtype=types.UINT8)).shape()

    (shapes,) = make().run()
    return np.array(shapes.as_array())


def _tensor(output: Any, graph: Graph, stream: torch.cuda.Stream | None) -> torch.Tensor:
    """A graph's output: on the CPU not copied, on a GPU copied in the order of the stream that takes it."""
    # The dynamic executor never uses an output's memory again while someone holds it.
    images = _copied(output, stream) if stream else torch.utils.dlpack.from_dlpack(output)
    return images.permute(0, 3, 1, 2) if graph.layout == "channels_last" else images


def _copied(output: Any, stream: torch.cuda.Stream) -> torch.Tensor:
    """A copy of DALI's tensor in torch's memory.

    Whoever lets go of DALI's memory gives it back at once, though kernels that read it may still wait in
    torch's queue. Of its own memory torch knows the order of use.
    """
    from nvidia.dali.plugin.pytorch.torch_utils import feed_ndarray, to_torch_type

    images = torch.empty(output.shape(), dtype=to_torch_type[output.dtype], device=stream.device)
    feed_ndarray(output, images, cuda_stream=stream)
    return images


def _drain(pipeline: Pipeline) -> None:
    """Take what is in flight, of a pipeline whose source has ended: only then does DALI forget a run."""
    pipeline.schedule_run()
    while not pipeline.empty():
        pipeline.share_outputs()
        pipeline.release_outputs()
    pipeline.reset()
