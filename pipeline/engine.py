"""Running a graph: batches of inputs in, tensors out, DALI's threads working ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from nvidia.dali import Pipeline, fn, types

from pipeline.augment import draw
from pipeline.graph import Graph

PREFETCH = 2
"""Batches that DALI works on ahead of the one handed out."""

Inputs = list[Any]
"""One batch: the images (a list of uint8 arrays), then the arrays of `Graph.parameters` in their order."""


class _Feed:
    """What DALI asks for its next batch. Keeps those in flight, whose memory DALI reads without copying."""

    def __init__(self) -> None:
        self._batches: Iterator[Inputs] = iter(())
        self._in_flight: deque[Inputs] = deque(maxlen=PREFETCH + 2)

    def start(self, batches: Iterator[Inputs]) -> None:
        self._batches = batches

    def __call__(self) -> Inputs:
        batch = next(self._batches)  # its StopIteration is how DALI learns that a run has ended
        self._in_flight.append(batch)
        return batch


def define(graph: Graph, source: Callable[[], Inputs]) -> Any:
    """Make the graph in the current DALI pipeline, fed by a callable.

    Args:
        graph: what to make.
        source: called once a batch; what it returns must stay unchanged while DALI works on it.

    Returns:
        The node of the images.
    """
    example = graph.parameters(draw(graph.policy, 1, epoch=0, seed=0))
    raw = graph.codec == "raw"
    image, *nodes = fn.external_source(
        source,
        num_outputs=1 + len(example),
        batch=True,
        # A copy of raw crops costs more than the colour pass: its memory is allocated anew for every batch.
        no_copy=True,
        dtype=[types.UINT8] + [types.FLOAT] * len(example),
        ndim=[3 if raw else 1] + [values.ndim - 1 for values in example.values()],
        layout=["HWC" if raw else ""] + [""] * len(example),
    )
    return graph.define(image, dict(zip(example, nodes, strict=True)))


class Engine:
    """One DALI pipeline, built at first use and used for run after run.

    Args:
        graph: what it computes.
        batch_size: images in the largest batch.
        threads: CPU threads of DALI.
    """

    def __init__(self, graph: Graph, *, batch_size: int, threads: int) -> None:
        self.graph, self.batch_size, self.threads = graph, batch_size, threads
        self._feed = _Feed()
        self._pipeline: Pipeline | None = None
        self._running: object = None

    def run(self, batches: Iterator[Inputs]) -> Iterator[torch.Tensor]:
        """Compute batches in order. May be left before its end; starting another run ends this one.

        Yields:
            float32 [b, 3, image_size, image_size], contiguous. The tensor has its memory for itself: nothing
            writes to it later.

        Raises:
            RuntimeError: DALI failed on this batch or one of the next `PREFETCH`, or another run was started.
        """
        pipeline = self._idle_pipeline()
        token = self._running = object()
        self._feed.start(batches)
        try:
            pipeline.schedule_run()
            while not pipeline.empty():
                # The dynamic executor never uses an output's memory again while someone holds it.
                images = torch.utils.dlpack.from_dlpack(pipeline.share_outputs()[0].as_tensor())
                pipeline.release_outputs()
                pipeline.schedule_run()
                yield images
                if token is not self._running:
                    raise RuntimeError("another epoch of this loader was started; one can run at a time")
        except RuntimeError:
            if token is self._running:
                self._pipeline = None  # DALI cannot go on after an error
            raise

    def _idle_pipeline(self) -> Pipeline:
        """The pipeline with nothing in flight."""
        if self._pipeline is None:
            self._pipeline = self._build()
            return self._pipeline
        # DALI forgets a run only once its source has ended and every scheduled batch has been taken.
        self._feed.start(iter(()))
        self._pipeline.schedule_run()
        while not self._pipeline.empty():
            self._pipeline.share_outputs()
            self._pipeline.release_outputs()
        self._pipeline.reset()
        return self._pipeline

    def _build(self) -> Pipeline:
        pipeline = Pipeline(
            batch_size=self.batch_size,
            num_threads=self.threads,
            device_id=torch.cuda.current_device() if self.graph.device == "gpu" else None,
            prefetch_queue_depth=PREFETCH,
        )
        with pipeline:
            pipeline.set_outputs(define(self.graph, self._feed))
        pipeline.build()
        return pipeline
