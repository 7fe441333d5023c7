"""Compiled loops of batch normalisation and a piecewise linear activation, over rows of channels.

Arrays are float32 [rows, width], side by side in memory. The activation is z -> min(z, cap) above 0 and
slope * z below: ReLU (0, inf), ReLU6 (0, 6), leaky ReLU (.1, inf) and none (1, inf). Each does every
`step`-th part from `first` on, of those between the `edges`.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

FAST: Final = {"contract", "reassoc", "nsz"}
"""What the compiler may assume of floats: the order of a sum, and that -0 is 0; NaN and infinity stay."""
_BLOCK = 128
"""Rows that are summed in float32 before they are added to a total in float64."""


@njit(cache=True, nogil=True, fastmath=FAST)
def add_moments(first, step, edges, x, shift, out):
    """Add the sums of x - shift and its square to float64 [parts, 2, width] `out`; shift is near the mean."""
    width = x.shape[1]
    total = np.empty((2, width), np.float32)
    one, two = total[0], total[1]
    for part in range(first, len(edges) - 1, step):
        for start in range(edges[part], edges[part + 1], _BLOCK):
            stop = min(start + _BLOCK, edges[part + 1])
            total[:] = 0
            fours = start + (stop - start) // 4 * 4
            for r in range(start, fours, 4):
                x0, x1, x2, x3 = x[r], x[r + 1], x[r + 2], x[r + 3]
                for c in range(width):
                    a, b = x0[c] - shift[c], x1[c] - shift[c]
                    d, e = x2[c] - shift[c], x3[c] - shift[c]
                    one[c] += (a + b) + (d + e)
                    two[c] += (a * a + b * b) + (d * d + e * e)
            for r in range(fours, stop):
                for c in range(width):
                    a = x[r, c] - shift[c]
                    one[c] += a
                    two[c] += a * a
            for c in range(width):
                out[part, 0, c] += one[c]
                out[part, 1, c] += two[c]


@njit(cache=True, nogil=True, fastmath=FAST)
def normalise(first, step, edges, x, scale, bias, slope, cap, y):
    """Write the activation of x * scale + bias to y."""
    low, high = np.float32(slope), np.float32(cap)
    for part in range(first, len(edges) - 1, step):
        for r in range(edges[part], edges[part + 1]):
            source, target = x[r], y[r]
            for c in range(x.shape[1]):
                z = source[c] * scale[c] + bias[c]
                z = low * z if z <= 0 else z
                target[c] = high if z > high else z


@njit(cache=True, nogil=True, fastmath=FAST)
def add_gradient_sums(first, step, edges, x, g, scale, bias, mean, slope, cap, out):
    """Add the sums of h and of h * (x - mean) to float64 [parts, 2, width] `out`; h is g behind the
    activation."""
    width = x.shape[1]
    total = np.empty((2, width), np.float32)
    one, two = total[0], total[1]
    low, high, none, all_ = np.float32(slope), np.float32(cap), np.float32(0), np.float32(1)
    for part in range(first, len(edges) - 1, step):
        for start in range(edges[part], edges[part + 1], _BLOCK):
            stop = min(start + _BLOCK, edges[part + 1])
            total[:] = 0
            pairs = start + (stop - start) // 2 * 2
            for r in range(start, pairs, 2):
                x0, x1, g0, g1 = x[r], x[r + 1], g[r], g[r + 1]
                for c in range(width):
                    z = x0[c] * scale[c] + bias[c]
                    a = g0[c] * (low if z <= 0 else (none if z >= high else all_))
                    z = x1[c] * scale[c] + bias[c]
                    b = g1[c] * (low if z <= 0 else (none if z >= high else all_))
                    one[c] += a + b
                    two[c] += a * (x0[c] - mean[c]) + b * (x1[c] - mean[c])
            for r in range(pairs, stop):
                for c in range(width):
                    z = x[r, c] * scale[c] + bias[c]
                    a = g[r, c] * (low if z <= 0 else (none if z >= high else all_))
                    one[c] += a
                    two[c] += a * (x[r, c] - mean[c])
            for c in range(width):
                out[part, 0, c] += one[c]
                out[part, 1, c] += two[c]


@njit(cache=True, nogil=True, fastmath=FAST)
def input_gradient(first, step, edges, x, g, scale, bias, slope, cap, factor, offset, out):
    """Write h * scale + x * factor + offset to `out`; h is g behind the activation."""
    low, high, none, all_ = np.float32(slope), np.float32(cap), np.float32(0), np.float32(1)
    for part in range(first, len(edges) - 1, step):
        for r in range(edges[part], edges[part + 1]):
            row, above, target = x[r], g[r], out[r]
            for c in range(x.shape[1]):
                z = row[c] * scale[c] + bias[c]
                a = above[c] * (low if z <= 0 else (none if z >= high else all_))
                target[c] = a * scale[c] + row[c] * factor[c] + offset[c]
