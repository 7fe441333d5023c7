"""The part of a generator that needs no training: the velocity if crops were normally distributed.

A small network spends most of a short training on what linear algebra says at once: where a face lies, where
a mask is worn, how colours vary together. Here crops are taken for normal about a mean of their labels (in
the manner of Tipping and Bishop, Probabilistic Principal Component Analysis, 1999), for which the velocity of
rectified flow is known in closed form; the network learns only what is left.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from sklearn.decomposition import PCA
from torch import Tensor, nn

from faces.labels import AGE_BANDS, GENDERS, MASKS

FACTOR_SIZES = (len(MASKS), len(GENDERS), len(AGE_BANDS))

_LEAST = 1e-5
"""Least variance, of levels from 0 to 255 about a quarter of a rounding."""
_CHUNK = 256


def condition(classes: Tensor) -> Tensor:
    """18-class codes as what a generator is told: int64 [n] -> int64 [n, 3] of mask, gender and age band.

    Codes count from 1, since 0 stands for a gender or age not told: class 10 -> 2, 2, 2.
    """
    return torch.stack([classes // 6, classes // 3 % 2, classes % 3], 1) + 1


def untold(told: Tensor) -> Tensor:
    """The same without gender and age band; the mask is always told."""
    return told * torch.tensor([1, 0, 0])


class LinearFlow(nn.Module):
    """The velocity of crops that are normally distributed for each wear of the mask; nothing here is trained.

    A crop is `middle` plus an effect of each label told plus a deviation. Along the rows of `basis` that has
    the variances `levels`; what is left has the variances `spectrum` in the discrete cosine transform over
    colour, height and width, so that it is as smooth as photos are.

    Args:
        image_size: side S of the crops, pixels.
        components: directions whose variance is known, k.
    """

    middle: Tensor
    """float [3 S S], the mean crop."""
    effects: Tensor
    """float [8, 3 S S] added for each value of mask, gender and age band; their mean over the crops is 0."""
    basis: Tensor
    """float [3, k, 3 S S], of each mask; rows orthonormal, or 0 where there were too few crops."""
    levels: Tensor
    """float [3, k] variances."""
    spectrum: Tensor
    """float [3, 3, S, S] variances."""

    def __init__(self, image_size: int, components: int) -> None:
        super().__init__()
        width, kinds = 3 * image_size**2, len(MASKS)
        self.register_buffer("middle", torch.zeros(width))
        self.register_buffer("effects", torch.zeros(sum(FACTOR_SIZES), width))
        self.register_buffer("basis", torch.zeros(kinds, components, width))
        self.register_buffer("levels", torch.ones(kinds, components))
        self.register_buffer("spectrum", torch.ones(kinds, 3, image_size, image_size))
        self.colour_cosines, self.cosines = _cosines(3), _cosines(image_size)

    def fit(self, crops: Tensor, classes: Tensor, *, seed: int) -> None:
        """Take means and variances from training crops and their mirror images.

        Args:
            crops: float [n, 3, S, S] in -1 to 1, n >= 2.
            classes: int64 [n], 18-class codes.
            seed: of the randomised decomposition.
        """
        told = condition(classes).repeat(2, 1)
        codes = self._codes(told).numpy()
        pixels = torch.cat([crops, crops.flip(3)]).flatten(1).numpy()
        shares, middle = codes.mean(0), pixels.mean(0)
        effects = np.linalg.lstsq(codes - shares, pixels - middle, rcond=1e-4)[0]
        # Not told is to mean the average person, so the effects are counted from there.
        owner = np.repeat(np.arange(len(FACTOR_SIZES)), FACTOR_SIZES)
        for factor in range(len(FACTOR_SIZES)):
            own = owner == factor
            effects[own] -= shares[own] @ effects[own]
        self.middle.copy_(torch.from_numpy(middle))
        self.effects.copy_(torch.from_numpy(effects))
        rest = pixels - middle - codes @ effects
        for kind in range(len(self.basis)):
            own = told[:, 0].numpy() == kind + 1
            self._fit_kind(kind, rest[own] if own.sum() > 2 else rest, seed)

    def _fit_kind(self, kind: int, rest: NDArray[np.float32], seed: int) -> None:
        count = min(self.levels.shape[1], len(rest) - 1)
        analysis = PCA(count, svd_solver="randomized", random_state=seed).fit(rest)
        basis = torch.from_numpy(analysis.components_)
        self.basis[kind, :count] = basis
        self.levels[kind].fill_(_LEAST)
        self.levels[kind, :count] = torch.from_numpy(analysis.explained_variance_).clamp(min=_LEAST)
        total = torch.zeros_like(self.spectrum[0])
        for part in torch.split(torch.from_numpy(rest), _CHUNK):
            left = part - part @ basis.T @ basis
            total += self._transform(left.reshape(-1, *total.shape)).square().sum(0)
        # The directions of `basis` lack in what is left.
        share = 1 - count / rest.shape[1]
        self.spectrum[kind] = (total / (len(rest) * share)).clamp(min=_LEAST)

    def _transform(self, images: Tensor) -> Tensor:
        """float [n, 3, S, S] -> their discrete cosine transform, orthonormal."""
        mixed = torch.einsum("dc,nchw->ndhw", self.colour_cosines, images)
        return self.cosines @ mixed @ self.cosines.T

    def _back(self, waves: Tensor) -> Tensor:
        mixed = self.cosines.T @ waves @ self.cosines
        return torch.einsum("dc,ndhw->nchw", self.colour_cosines, mixed)

    def _codes(self, told: Tensor) -> Tensor:
        """int64 [n, 3] -> float [n, 8]: a one for each label told."""
        parts = [nn.functional.one_hot(told[:, k], size + 1)[:, 1:] for k, size in enumerate(FACTOR_SIZES)]
        return torch.cat(parts, 1).float()

    def forward(self, images: Tensor, time: Tensor, told: Tensor) -> tuple[Tensor, Tensor]:
        """Expected velocity and expected crop, given points of the lines from noise to crops.

        With mean m and variance L along a direction, x_t - t m has the variance t^2 L + (1 - t)^2, and given
        it the velocity is m + (t L - (1 - t)) / (t^2 L + (1 - t)^2) (x_t - t m).

        Args:
            images: float [n, 3, S, S].
            time: float [n] in 0 to 1.
            told: int64 [n, 3] as `condition` or `untold` give them.

        Returns:
            Two float [n, 3, S, S].
        """
        mean = self.middle + self._codes(told) @ self.effects
        rest = images.flatten(1) - time[:, None] * mean
        velocity = mean.clone()
        for kind in range(len(self.basis)):
            own = torch.nonzero(told[:, 0] == kind + 1)[:, 0]
            if len(own):
                velocity[own] += self._respond(rest[own], time[own], kind)
        # x_t = (1 - t) z + t x and v = x - z, so x = x_t + (1 - t) v.
        crop = images.flatten(1) + (1 - time)[:, None] * velocity
        return velocity.reshape(images.shape), crop.reshape(images.shape)

    def _respond(self, rest: Tensor, time: Tensor, kind: int) -> Tensor:
        """Expected velocity less the mean, float [n, 3 S S], of what the points are beside it."""
        along = rest @ self.basis[kind].T
        left = (rest - along @ self.basis[kind]).reshape(-1, *self.spectrum.shape[1:])
        waves = self._transform(left) * _gain(self.spectrum[kind], time.view(-1, 1, 1, 1))
        known: Tensor = (along * _gain(self.levels[kind], time[:, None])) @ self.basis[kind]
        return known + self._back(waves).flatten(1)


def _gain(variance: Tensor, t: Tensor) -> Tensor:
    return (t * variance - (1 - t)) / (t**2 * variance + (1 - t) ** 2)


def _cosines(size: int) -> Tensor:
    """float [size, size]: the orthonormal discrete cosine transform, a wave a row."""
    return torch.from_numpy(dct(np.eye(size), norm="ortho", axis=0)).float()
