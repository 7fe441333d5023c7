"""What the service counts of itself, for Prometheus; nothing of what photos show."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)
CROPS = (1, 2, 4, 8, 16, 32)


class Metrics:
    """Counters of one service.

    Attributes:
        requests: by path and status code.
        photos: by status: detected, fallback or refused.
        seconds: from a request's beginning to its answer.
        batches: crops that went through the networks together.
        waiting: photos on their way.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self.requests = Counter("facefold_requests", "Requests", ("path", "code"), registry=self._registry)
        self.photos = Counter("facefold_photos", "Photos by status", ("status",), registry=self._registry)
        self.seconds = Histogram(
            "facefold_request_seconds",
            "Seconds of a request to /predict",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.batches = Histogram(
            "facefold_batch_crops", "Crops shown together", buckets=CROPS, registry=self._registry
        )
        self.waiting = Gauge("facefold_waiting_photos", "Photos on their way", registry=self._registry)

    def text(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self._registry)
