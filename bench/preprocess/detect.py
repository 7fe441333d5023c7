"""The detectors alone: CPU time on one thread, and whether the boxes are facenet-pytorch's."""

from __future__ import annotations

import multiprocessing
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faces.terminal.progress import track
from preprocess.detect.mtcnn.cascade import Cascade
from preprocess.detect.yunet import YuNet
from preprocess.sources.photo import Pixels

RIVAL, OURS = "facenet-pytorch", "ours"
BATCH = 16
MIN_FACES = (20, 60)
"""facenet-pytorch's default, and the portrait preset."""
ROUND = 32
"""Photos a round: enough to fill batches, few enough that the detectors take turns every few seconds."""


@dataclass(frozen=True)
class Agreement:
    """How the boxes of one smallest face compare with facenet-pytorch's."""

    min_face: int
    photos: int
    faces: int
    other_counts: int
    """Photos in which the two found different numbers of faces."""
    overlaps: tuple[float, float]
    """Mean and least intersection over union, over all faces of the other photos."""
    landmarks: float
    """Largest distance of two landmarks, in pixels."""


def time_detectors(photos: Sequence[Pixels], yunet: Path | None, repetitions: int) -> dict[str, list[float]]:
    """CPU milliseconds a photo of each detector on one thread, in turns.

    Each has a process of its own, or they would push each other's convolution plans out of memory.

    Args:
        photos: of one size.
        yunet: its model file, if there is one.
        repetitions: counted rounds, after one to warm up.
    """
    context = multiprocessing.get_context("spawn")
    names = [f"{who}, min_face {m}" for who in (RIVAL, OURS) for m in MIN_FACES] + (
        ["YuNet"] if yunet else []
    )
    lines = {name: context.Pipe() for name in names}
    processes = [
        context.Process(target=_serve, args=(name, photos[:ROUND], yunet, lines[name][1]), daemon=True)
        for name in names
    ]
    for process in processes:
        process.start()
    times: dict[str, list[float]] = defaultdict(list)
    for number in track(range(repetitions + 1), "detectors", "rounds"):
        for name, (line, _) in lines.items():
            line.send(True)
            spent = line.recv()
            if number:
                times[name].append(spent / len(photos[:ROUND]) * 1e3)
    for process in processes:
        process.terminate()
    return times


def _serve(name: str, photos: Sequence[Pixels], yunet: Path | None, line: Any) -> None:
    """Detect once for each message on the line, and answer with the CPU seconds."""
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    detect = _detector(name, yunet)
    while True:
        line.recv()
        start = time.process_time()
        detect(photos)
        line.send(time.process_time() - start)


def _detector(name: str, yunet: Path | None) -> Callable[[Sequence[Pixels]], Any]:
    who, _, least = name.partition(", min_face ")
    if who == RIVAL:
        mtcnn = make_facenet(int(least))
        return lambda photos: [mtcnn.detect(photo, landmarks=True) for photo in photos]
    if who == OURS:
        cascade = Cascade()
        return lambda photos: [
            cascade(photos[at : at + BATCH], min_face=int(least)) for at in range(0, len(photos), BATCH)
        ]
    assert yunet is not None
    net = YuNet(yunet)
    return lambda photos: [net(photo, every=True) for photo in photos]


def make_facenet(min_face: int) -> Any:
    """facenet-pytorch's detector on the CPU, which finds every face of a photo."""
    from facenet_pytorch import MTCNN

    return MTCNN(min_face_size=min_face, keep_all=True)


def compare_boxes(photos: Sequence[Pixels], min_face: int) -> Agreement:
    """Compare all faces of each photo with those of `facenet_pytorch.MTCNN.detect`, one photo at a time.

    Args:
        photos: of any sizes.
        min_face: smallest face searched for, in pixels.
    """
    mtcnn, cascade = make_facenet(min_face), Cascade()
    overlaps: list[float] = []
    distances = [0.0]
    others = 0
    for photo in track(photos, f"boxes, min_face {min_face}", "photos"):
        [found] = cascade([photo], min_face=min_face)
        try:
            boxes, _, points = mtcnn.detect(photo, landmarks=True)
        except (RuntimeError, IndexError):
            continue  # it raises where a candidate lies outside of the photo
        if len(found.boxes) != (0 if boxes is None else len(boxes)):
            others += 1
            continue
        for box, landmarks in zip(found.boxes, found.landmarks, strict=True):
            shared = [overlap(box, other) for other in boxes]
            best = int(np.argmax(shared))
            overlaps.append(shared[best])
            distances.append(float(np.abs(points[best] - landmarks).max()))
    mean, least = (float(np.mean(overlaps)), min(overlaps)) if overlaps else (1.0, 1.0)
    return Agreement(min_face, len(photos), len(overlaps), others, (mean, least), max(distances))


def overlap(a: Any, b: Any) -> float:
    """Intersection over union of two boxes, xyxy."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    shared = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))
