"""The three networks of MTCNN on batches of photos, and the pictures that they look at.

The cascade is that of Zhang, Zhang, Li and Qiao, "Joint face detection and alignment using multitask
cascaded convolutional networks" (2016). Weights and arithmetic are those of facenet-pytorch (Tim Esler, MIT
licence), whose package holds the weights; it is not imported, which would cost seconds in every process.
What differs is only the order of the work:

- Every picture, a level of the pyramid or a crop, is an exact area average: levels out of one summed-area
  table per photo, four reads a pixel however large the area; crops out of the photo itself, or, on a GPU, out
  of the tables too.
- Channels lie innermost, where torch's convolutions are fastest for so few of them, and PReLU and pooling are
  one compiled pass after each.
- A large level goes through the first network in stripes, crops go in chunks: memory is bounded and the
  working set stays near the processor.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, linear, max_pool2d, prelu

from preprocess.detect.mtcnn.areas import Areas, TableAreas
from preprocess.detect.mtcnn.kernels import rectify, rectify_and_pool

Floats32 = NDArray[np.float32]
Integers = NDArray[np.int64]
STRIPE_PIXELS = {"cpu": 80_000, "cuda": 2**23}
"""Pixels of a pyramid's level that go through the first network at once: on a CPU few enough to stay near the
processor, on a GPU so many that it seldom waits for the next."""
REFINER_SIDE, OUTPUT_SIDE = 24, 48
CHUNK = {
    "cpu": {REFINER_SIDE: 64, OUTPUT_SIDE: 16},
    "cuda": {REFINER_SIDE: 4096, OUTPUT_SIDE: 1024},
}
"""Crops of each side, in pixels, that go through a network at once."""
ROUND = {REFINER_SIDE: 8, OUTPUT_SIDE: 2}
"""Crops are filled up to multiples of these."""
PROPOSAL_SCORE = 0.6


def load_weights(name: str, device: str) -> dict[str, Tensor]:
    """facenet-pytorch's weights of `pnet`, `rnet` or `onet`, float32.

    Raises:
        ModuleNotFoundError: facenet-pytorch is not installed.
    """
    package = find_spec("facenet_pytorch")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("facenet_pytorch holds the detector's weights: pip install facenet-pytorch")
    file = Path(package.origin).parent / "data" / f"{name}.pt"
    weights: dict[str, Tensor] = torch.load(file, map_location=device, weights_only=True)
    return {key: weight.float().contiguous() for key, weight in weights.items()}


def _lined(weight: Tensor) -> Tensor:
    return weight.contiguous(memory_format=torch.channels_last)


def _first(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """A first convolution for pixels of 0 to 2 instead of about -1 to 1."""
    return _lined(weight), bias - weight.sum((1, 2, 3)) * (127.5 / 128)


def rectified(values: Tensor, slope: Tensor, pool: int = 0) -> Tensor:
    """PReLU, and where `pool` is not 0 the largest of every window, of every second pixel.

    Args:
        values: float32 [n, c, h, w], channels innermost; overwritten.
        slope: float32 [c].
        pool: 0, or side of the windows, 2 or 3; those that stand out are cut off at the edge.

    Returns:
        float32, channels innermost: of the same shape, or [n, c, ceil((h - pool) / 2) + 1,
        ceil((w - pool) / 2) + 1].
    """
    if values.is_cuda:
        return rectified_by_torch(values, slope, pool)
    lined = values.permute(0, 2, 3, 1).contiguous()
    if not pool:
        rectify(lined.numpy(), slope.numpy())
        return lined.permute(0, 3, 1, 2)
    height, width = ((side - pool + 1) // 2 + 1 for side in lined.shape[1:3])
    out = torch.empty(len(lined), height, width, len(slope))
    rectify_and_pool(lined.numpy(), slope.numpy(), pool, out.numpy())
    return out.permute(0, 3, 1, 2)


def rectified_by_torch(values: Tensor, slope: Tensor, pool: int) -> Tensor:
    """The same on any device; `values` stay as they are."""
    values = prelu(values, slope)
    return max_pool2d(values, pool, 2, ceil_mode=True) if pool else values


class Proposer:
    """The first network: where in a level of the pyramid a face of 12 x 12 pixels might be."""

    def __init__(self, device: str) -> None:
        w = load_weights("pnet", device)
        self._weight1, self._bias1 = _first(w["conv1.weight"], w["conv1.bias"])
        self._weight2, self._weight3 = _lined(w["conv2.weight"]), _lined(w["conv3.weight"])
        self._heads = torch.cat([w["conv4_1.weight"], w["conv4_2.weight"]]).flatten(1)
        self._head_bias = torch.cat([w["conv4_1.bias"], w["conv4_2.bias"]])
        self._contrast = self._heads[1] - self._heads[0]
        # The share of a score is checked exactly afterwards, so a little below the threshold does no harm.
        odds = np.log(PROPOSAL_SCORE / (1 - PROPOSAL_SCORE)) - 0.001
        self._least = float(odds - (self._head_bias[1] - self._head_bias[0]))
        self._rest = w

    def __call__(self, level: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The likely places.

        Args:
            level: float32 [n, 3, height, width], at least 12 x 12.

        Returns:
            Places int64 [k, 3] picture, row, column, of every second pixel of the level; scores float32 [k];
            corrections float32 [k, 4] in sides of the face.
        """
        w = self._rest
        values = rectified(conv2d(level, self._weight1, self._bias1), w["prelu1.weight"], 2)
        values = rectified(conv2d(values, self._weight2, w["conv2.bias"]), w["prelu2.weight"])
        values = rectified(conv2d(values, self._weight3, w["conv3.bias"]), w["prelu3.weight"])
        _, depth, height, width = values.shape
        flat = values.permute(0, 2, 3, 1).reshape(-1, depth)
        index = (torch.mv(flat, self._contrast) > self._least).nonzero()[:, 0]
        heads = linear(flat.index_select(0, index), self._heads, self._head_bias)
        scores = heads[:, :2].softmax(1)[:, 1]
        passed = scores >= PROPOSAL_SCORE
        index, scores, corrections = index[passed], scores[passed], heads[passed, 2:]
        places = torch.stack([index // (height * width), index // width % height, index % width], 1)
        return places, scores, corrections


class Refiner:
    """The second or third network: is there a face in a crop, and where exactly.

    Args:
        name: `rnet` or `onet`.
        device: `cpu` or `cuda`.
    """

    def __init__(self, name: str, device: str) -> None:
        w = load_weights(name, device)
        self._device = device
        self.side, pools = (REFINER_SIDE, (3, 3, 0)) if name == "rnet" else (OUTPUT_SIDE, (3, 3, 2, 0))
        self._convolutions = [
            (_lined(w[f"conv{i}.weight"]), w[f"conv{i}.bias"], w[f"prelu{i}.weight"], size)
            for i, size in enumerate(pools, 1)
        ]
        self._convolutions[0] = (*_first(w["conv1.weight"], w["conv1.bias"]), *self._convolutions[0][2:])
        layer = len(pools) + 1
        dense = w[f"dense{layer}.weight"]
        # facenet-pytorch flattens as width, height, channel; here channels lie innermost.
        dense = dense.view(len(dense), 3, 3, -1).transpose(1, 2).reshape(dense.shape)
        self._dense = (dense, w[f"dense{layer}.bias"], w[f"prelu{layer}.weight"])
        heads = [
            key[: -len(".weight")] for key in w if key.startswith(f"dense{layer + 1}_") and "weight" in key
        ]
        self._heads = torch.cat([w[f"{key}.weight"] for key in sorted(heads)])
        self._head_bias = torch.cat([w[f"{key}.bias"] for key in sorted(heads)])

    def __call__(self, areas: Areas | TableAreas, photo: Integers, corners: Integers) -> Floats32:
        """The network's outputs for some parts of photos.

        Args:
            areas: the photos.
            photo: [n], which photo.
            corners: [n, 4] left, top, right, bottom in whole pixels within the photo, not empty.

        Returns:
            [n, 5], of `onet` [n, 15]: score; corrections of left, top, right, bottom in sides of the part;
            of `onet` also the five landmarks' x and then their y, 0 to 1 within the part.
        """
        # A convolution costs milliseconds more at every number of crops that it sees first.
        count = -(-len(photo) // ROUND[self.side]) * ROUND[self.side]
        padded = np.minimum(np.arange(count), len(photo) - 1)
        size = CHUNK[self._device][self.side]
        chunks = [
            self._outputs(areas.crops(photo[part], corners[part], self.side))
            for part in (padded[at : at + size] for at in range(0, count, size))
        ]
        outputs = torch.cat(chunks)[: len(photo)] if chunks else torch.empty(0, len(self._heads) - 1)
        return np.asarray(outputs.cpu().numpy(), np.float32)

    def _outputs(self, values: Tensor) -> Tensor:
        for weight, bias, slope, size in self._convolutions:
            values = rectified(conv2d(values, weight, bias), slope, size)
        weight, bias, slope = self._dense
        values = prelu(linear(values.permute(0, 2, 3, 1).flatten(1), weight, bias), slope)
        heads = linear(values, self._heads, self._head_bias)
        return torch.cat([heads[:, :2].softmax(1)[:, 1:], heads[:, 2:]], 1)


def propose(level: Tensor, network: Proposer) -> tuple[Integers, Floats32, Floats32]:
    """The likely places in one level of the pyramid of every photo, in order of photo, row and column.

    Args:
        level: float32 [photos, 3, height, width].
        network: the first network.

    Returns:
        Places, scores and corrections as `Proposer` gives them.
    """
    photos, _, height, width = level.shape
    found = []
    for first, last, row, end in _stripes(photos, height, width, STRIPE_PIXELS[level.device.type]):
        places, scores, corrections = network(level[first:last, :, 2 * row : min(2 * end + 10, height)])
        places += torch.tensor([first, row, 0], device=places.device)
        found.append((places, scores, corrections))
    places, scores, corrections = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
    return places.numpy(), scores.numpy(), corrections.numpy()


def _stripes(photos: int, height: int, width: int, pixels: int) -> Iterator[tuple[int, int, int, int]]:
    """First and past-last photo and row of the first network's answer, some `pixels` of a level at a time."""
    rows = (height - 1) // 2 - 4
    together = max(1, pixels // (height * width))
    high = max(16, pixels // width // 2)
    for first in range(0, photos, together):
        for row in range(0, rows, high):
            yield first, min(first + together, photos), row, min(row + high, rows)
