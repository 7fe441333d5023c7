"""What the rules of voting need of an array library: numpy votes, torch exports votes.

Beside these operations the rules use what both libraries spell alike: operators, comparisons, indices,
`reshape`, `sum` with `keepdims`, and `shape`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from faces import projection
from faces.labels import LabelSet

Array = TypeVar("Array", bound=Any)
"""numpy's `NDArray[Any]` or torch's `Tensor`."""


class Arrays(Protocol[Array]):
    """Operations on the arrays of one library."""

    def project(self, heads: Mapping[str, Array], space: str, labels: LabelSet) -> Array:
        """[n, classes of `space`] probabilities: `faces.projection.project`."""

    def stack(self, arrays: Sequence[Array]) -> Array:
        """Equal shapes along a new first axis."""

    def weighted_sum(self, weights: Sequence[float], arrays: Array) -> Array:
        """[m] weights times [m, n, k], summed over m: float64 [n, k]."""

    def times(self, values: Array, factors: Sequence[float]) -> Array:
        """[n, k] times [k]."""

    def log(self, values: Array, least: float) -> Array:
        """Natural logarithm, of `least` where a value is below it."""

    def softmax(self, logits: Array) -> Array:
        """[n, k] to probabilities over k."""

    def ranks(self, values: Array) -> Array:
        """[m, n, k] ranks among the n, of m and k each, from 1; equal ones share the mean of their ranks.

        Raises:
            ValueError: the library computes photo by photo and knows no others.
        """

    def row_max(self, values: Array) -> Array:
        """[n, k] to [n, 1]."""

    def first(self, mask: Array) -> Array:
        """int64 [n] column of the first True in each row of a mask [n, k]."""

    def where(self, mask: Array, one: Array | int, other: Array | int) -> Array:
        """`one` where the mask is True, else `other`."""

    def one_hot(self, codes: Array, count: int) -> Array:
        """[..., count] mask, True at each code."""


def arrays_of(array: Array) -> Arrays[Array]:
    """The operations of the library that an array is of."""
    found: Arrays[Any] = _NUMPY
    if not isinstance(array, np.ndarray):
        from infer.ensemble.tensors import Tensors  # torch takes seconds to import; numpy's votes do without

        found = Tensors()
    return found


class _NumpyArrays:
    def project(self, heads: Mapping[str, NDArray[Any]], space: str, labels: LabelSet) -> NDArray[Any]:
        return projection.project(heads, space, labels)

    def stack(self, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.stack(arrays)

    def weighted_sum(self, weights: Sequence[float], arrays: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.tensordot(np.asarray(weights, np.float64), arrays, 1))

    def times(self, values: NDArray[Any], factors: Sequence[float]) -> NDArray[Any]:
        return np.asarray(values * np.asarray(factors, np.float64))

    def log(self, values: NDArray[Any], least: float) -> NDArray[Any]:
        return np.asarray(np.log(np.maximum(values, least)))

    def softmax(self, logits: NDArray[Any]) -> NDArray[Any]:
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def ranks(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(rankdata(values, axis=1))

    def row_max(self, values: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(values.max(1, keepdims=True))

    def first(self, mask: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(mask.argmax(1), np.int64)

    def where(self, mask: NDArray[Any], one: NDArray[Any] | int, other: NDArray[Any] | int) -> NDArray[Any]:
        return np.where(mask, one, other)

    def one_hot(self, codes: NDArray[Any], count: int) -> NDArray[Any]:
        return np.asarray(codes[..., None] == np.arange(count))


_NUMPY = _NumpyArrays()
