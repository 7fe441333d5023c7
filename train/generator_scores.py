"""How near generated crops are to people held out, whether they are copies, and whether labels are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor, nn

from faces.labels import FloatArray, IntArray, compose, split_classes
from train.checkpoint import RunCard, load_best
from train.codings import codings_of
from train.model import Normalisation, build_model, normalisation
from train.recipe import Recipe

COPY_PERCENTILE = 5.0
"""A sample nearer to a training crop than this percentile of the held-out crops are counts as a copy."""


@dataclass(frozen=True, kw_only=True)
class Eye:
    """A trained network that crops are compared, or judged, with."""

    network: nn.Module
    """In evaluation mode."""
    image_size: int
    """Side of its input, pixels."""
    scaling: Normalisation

    @torch.inference_mode()
    def see(self, images: Tensor) -> Tensor:
        """float [n, 3, S, S] in -1 to 1 -> the network's input: resized, shifted and scaled."""
        side = (self.image_size, self.image_size)
        resized = F.interpolate(images, side, mode="bilinear", align_corners=False, antialias=True)
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (self.scaling.mean, self.scaling.std))
        scaled: Tensor = ((resized + 1) / 2 - mean) / std
        return scaled.contiguous(memory_format=torch.channels_last)


def backbone_eye(backbone: str, weights: Path, image_size: int) -> Eye:
    """A timm backbone with weights of a file, giving features."""
    network = build_model(Recipe(backbone=backbone, weights=str(weights), image_size=image_size)).eval()
    return Eye(network=network.backbone, image_size=image_size, scaling=normalisation(network))


def judge_eyes(path: Path) -> tuple[Eye, Eye, RunCard]:
    """A run's network as a judge of classes and as a giver of features, and its card."""
    network, card = load_best(path)
    shared = {"image_size": card.recipe.image_size, "scaling": card.normalisation}
    return Eye(network=network, **shared), Eye(network=network.backbone, **shared), card  # type: ignore[arg-type]


def features_of(eye: Eye, batches: Iterator[Tensor]) -> FloatArray:
    """float32 [n, features] of all images."""
    with torch.inference_mode():
        return torch.cat([eye.network(eye.see(images)) for images in batches]).numpy()


def judged_classes(eye: Eye, recipe: Recipe, batches: Iterator[Tensor]) -> IntArray:
    """[n] 18-class codes that a judge gives.

    Raises:
        ValueError: its heads do not say the 18 classes.
    """
    codings, answers = codings_of(recipe), []
    with torch.inference_mode():
        for images in batches:
            outputs = eye.network(eye.see(images))
            heads = {task: coding.probabilities(outputs[task]).numpy() for task, coding in codings.items()}
            answers.append(compose(heads).argmax(1))
    return np.concatenate(answers)


def kernel_distance(
    a: FloatArray, b: FloatArray, *, seed: int, subsets: int = 100, size: int = 100
) -> tuple[float, float]:
    """KID: the unbiased estimate of the squared maximum mean discrepancy with the kernel (x.y / d + 1)^3.

    Binkowski et al., Demystifying MMD GANs, 2018. Unlike the Frechet distance its expectation does not depend
    on how many images there are; around 0, also below, where both sets come from one distribution.

    Args:
        a: [n, d] features of one set.
        b: [m, d] of the other.
        seed: of the random subsets.
        subsets: over which is averaged.
        size: images of each set in a subset; all of the smaller set where that has fewer.

    Returns:
        Mean and standard deviation over the subsets.
    """
    rng = np.random.default_rng(seed)
    size = min(size, len(a), len(b))
    values = []
    for _ in range(subsets):
        x = a[rng.choice(len(a), size, replace=False)].astype(np.float64)
        y = b[rng.choice(len(b), size, replace=False)].astype(np.float64)
        within = sum(_kernel(s, s).sum() - np.trace(_kernel(s, s)) for s in (x, y)) / (size * (size - 1))
        values.append(within - 2 * _kernel(x, y).mean())
    return float(np.mean(values)), float(np.std(values))


def _kernel(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def frechet_distance(a: FloatArray, b: FloatArray) -> float:
    """Squared 2-Wasserstein distance of the Gaussians fitted to two sets of features.

    |mean a - mean b|^2 + tr(A + B - 2 (A B)^(1/2)) with covariances A and B (Heusel et al., GANs Trained by a
    Two Time-Scale Update Rule, 2017). It is too great by an amount that falls with the number of images, so
    only distances of equally many images compare.

    Args:
        a: [n, d] features of one set, n >= 2.
        b: [m, d] of the other, m >= 2.
    """
    x, y = (s.astype(np.float64) for s in (a, b))
    shift = x.mean(0) - y.mean(0)
    x, y = ((s - s.mean(0)) / np.sqrt(len(s) - 1) for s in (x, y))
    # The eigenvalues of A B = x'x y'y are the squared singular values of x y'.
    crossed = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(shift @ shift + (x**2).sum() + (y**2).sum() - 2 * crossed)


@dataclass(frozen=True, kw_only=True)
class Nearness:
    """How near some crops are to the training crops."""

    place: IntArray
    """[n] which training crop is nearest."""
    distance: NDArray[np.float64]
    """[n] 1 - cosine of the features' angle to it, 0 to 2."""


def nearest(features: FloatArray, training: FloatArray) -> Nearness:
    """The training crop nearest to each of some crops, by features [n, d] and [m, d]."""
    distances = cdist(features, training, "cosine")
    place = distances.argmin(1)
    return Nearness(place=place, distance=distances[np.arange(len(place)), place])


def copied(samples: Nearness, held_out: Nearness) -> NDArray[np.bool_]:
    """[n] whether a sample is nearer to a training crop than `COPY_PERCENTILE` percent of held-out crops are.

    Samples that are as new as held-out people are counted as often as the percentile says.
    """
    return np.asarray(samples.distance < np.percentile(held_out.distance, COPY_PERCENTILE))


def recognition(asked: IntArray, judged: IntArray) -> dict[str, float]:
    """Shares of crops whose mask, gender, age band and class are recognised, and of those asked old."""
    truth, guess = split_classes(asked), split_classes(judged)
    shares = {name: float((truth[name] == guess[name]).mean()) for name in truth}
    old = truth["age"] == 2
    shares["class"] = float((asked == judged).mean())
    shares[">=60 recognised"] = float((guess["age"][old] == 2).mean()) if old.any() else float("nan")
    return shares


def rivals(training: Tensor, *, seed: int) -> dict[str, Tensor]:
    """What samples must beat, made from training crops float [n, 3, S, S]: noise of their mean and deviation
    in each colour, and the crops blurred to an eighth of their size."""
    mean, deviation = training.mean((0, 2, 3), keepdim=True), training.std((0, 2, 3), keepdim=True)
    random = torch.Generator().manual_seed(seed)
    side = training.shape[-1]
    small = F.interpolate(training, (side // 8, side // 8), mode="area")
    blurred = F.interpolate(small, (side, side), mode="bilinear", align_corners=False)
    noise = torch.randn(training.shape, generator=random) * deviation + mean
    return {"noise": noise.clamp(-1, 1), "blurred": blurred}
