"""Batches of logits and targets for the tests of losses."""

import numpy as np
import torch
from torch import Tensor

N, K = 12, 3
CLASSES = torch.arange(N) % K


def drawn(seed: int, n: int = N, k: int = K) -> tuple[Tensor, Tensor]:
    """Logits and soft labels in float64; about a third of the photos are not labelled."""
    random = np.random.default_rng(seed)
    weight = random.uniform(size=(n, 1)) * (random.uniform(size=(n, 1)) > 0.3)
    target = random.dirichlet(np.full(k, 0.5), n) * weight
    return torch.from_numpy(3 * random.normal(size=(n, k))), torch.from_numpy(target)


def logits(n: int = N) -> Tensor:
    """Float32 logits that want a gradient, always the same."""
    return torch.randn(n, K, generator=torch.Generator().manual_seed(0)).requires_grad_()


def hard(classes: Tensor, k: int = K) -> Tensor:
    """One-hot rows, zeros where the class is -1."""
    return (classes[:, None] == torch.arange(k)).float()


def gradient(value: Tensor, scores: Tensor) -> Tensor:
    """Of a scalar by the scores."""
    (found,) = torch.autograd.grad(value, scores)
    return found
