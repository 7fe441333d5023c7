"""Stage 1 as contest teams write it: facenet-pytorch, one photo at a time."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def crop_one_by_one(photos: Sequence[Path], folder: Path, size: int, device: str, out: Any) -> None:
    """Open, detect with the defaults, cut the first box, resize, save.

    Args:
        photos: files.
        folder: where crops go.
        size: side of a crop, in pixels.
        device: "cpu" or "cuda"; by itself facenet-pytorch stays on the CPU.
        out: queue of wall-clock and CPU seconds, put when the detector is loaded and after each photo.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch
    from facenet_pytorch import MTCNN

    torch.set_num_threads(1)
    mtcnn = MTCNN(keep_all=True, device=device)
    out.put((time.perf_counter(), time.process_time()))
    for number, path in enumerate(photos):
        image = Image.open(path).convert("RGB")
        boxes, _ = mtcnn.detect(image)
        if boxes is not None:
            image = image.crop(tuple(boxes[0].tolist()))
        image.resize((size, size)).save(folder / f"{os.getpid()}-{number}.jpg", quality=95)
        out.put((time.perf_counter(), time.process_time()))


def facenet_stage(
    photos: Sequence[Path], folder: Path, size: int, workers: int, device: str
) -> tuple[float, float]:
    """Crop photos by facenet-pytorch in some processes of one thread each, which share a device.

    Returns:
        Photos a second from the moment that all detectors are loaded, and CPU milliseconds a photo.
    """
    context = multiprocessing.get_context("spawn")
    queues = [context.SimpleQueue() for _ in range(workers)]
    shares = [photos[number::workers] for number in range(workers)]
    processes = [
        context.Process(target=crop_one_by_one, args=(share, folder, size, device, queue), daemon=True)
        for share, queue in zip(shares, queues, strict=True)
    ]
    for process in processes:
        process.start()
    times = [
        [queue.get() for _ in range(len(share) + 1)] for share, queue in zip(shares, queues, strict=True)
    ]
    for process in processes:
        process.join()
    start = max(own[0][0] for own in times)
    ends = [wall for own in times for wall, _ in own[1:] if wall > start]
    cpu = sum(own[-1][1] - own[0][1] for own in times)
    return len(ends) / (max(ends) - start), cpu / len(photos) * 1e3
