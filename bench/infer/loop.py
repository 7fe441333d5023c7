"""The batch-1 loop that contest teams wrote, with which prediction is compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import transforms

from bench.infer.setting import Job, Turn
from train.engine.checkpoint import load_best

_LOOP_SHARE = 8
"""The loop predicts one photo of so many: it is slow, and as slow with a few."""


def one_by_one(job: Job, *, detector: bool) -> Turn:
    """The loop that contest teams wrote: fold after fold, photo after photo, the photo and its mirror image.

    PIL opens the file, torchvision resizes and normalises, the network gets a batch of one in float32, its
    probabilities are brought back, and the mean over all is taken at the end.

    Args:
        job: what is predicted.
        detector: whether the files are the photos, in which facenet-pytorch first finds the face, as in the
            teams' `Dataset.__getitem__`; else they are crops.
    """
    loaded = [load_best(path) for path in job.runs]
    networks = [network.to(job.device) for network, _ in loaded]
    card = loaded[0][1]
    prepare = transforms.Compose(
        [
            transforms.Resize((card.recipe.image_size, card.recipe.image_size)),
            transforms.ToTensor(),
            transforms.Normalize(card.normalisation.mean, card.normalisation.std),
        ]
    )
    crop = _face_of(job.device) if detector else lambda image: image
    paths = sorted((job.photos if detector else job.files).iterdir())
    paths = paths[: max(1, len(paths) // _LOOP_SHARE)]

    @torch.no_grad()
    def turn() -> int:
        answers: list[list[Any]] = []
        for network in networks:
            for path in paths:
                image = prepare(crop(Image.open(path).convert("RGB")))[None].to(job.device)
                outputs = [network(image), network(image.flip(3))]
                answers += [[head.softmax(1).cpu().numpy() for head in heads.values()] for heads in outputs]
        for heads in zip(*answers, strict=True):
            np.mean(heads, axis=0)
        return len(paths)

    return turn


def _face_of(device: str) -> Callable[[Image.Image], Image.Image]:
    """The first box of facenet-pytorch's detector with its defaults; the whole photo where there is none."""
    from facenet_pytorch import MTCNN

    mtcnn = MTCNN(keep_all=True, device=device)

    def crop(image: Image.Image) -> Image.Image:
        boxes, _ = mtcnn.detect(image)
        return image if boxes is None else image.crop(tuple(boxes[0].tolist()))

    return crop
