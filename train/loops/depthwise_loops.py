"""Compiled loops for the gradient of depthwise convolutions' weights: rows of images times rows of gradient.

Each adds to `out`, float32 [parts, k, k, channels], for images float32 [n, h, w, channels] and gradients
float32 [n, oh, ow, channels] of a convolution with this stride, padded at the top and left by `pad`. The sums
of a kernel's row are taken together, so that what is read once serves all of them. Every `step`-th part of
the images from `first` on is done, of those between the `edges`.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from numba import njit

from train.loops.norm_loops import FAST


@njit(cache=True, nogil=True, fastmath=FAST)
def add_products_3(first, step, edges, x, g, stride, pad, out):
    """For kernels of 3 x 3."""
    _, height, width, channels = x.shape
    inner, last = (pad + stride - 1) // stride, (width - 3 + pad) // stride
    for part in range(first, len(edges) - 1, step):
        for s in range(edges[part], edges[part + 1]):
            for row in range(g.shape[1]):
                for i in range(3):
                    y = row * stride + i - pad
                    if y < 0 or y >= height:
                        continue
                    line, above, a = x[s, y], g[s, row], out[part, i]
                    for column in range(g.shape[2]):
                        left, h = column * stride - pad, above[column]
                        if inner <= column <= last:
                            p = line[left : left + 3]
                            for c in range(channels):
                                a[0, c] += h[c] * p[0, c]
                                a[1, c] += h[c] * p[1, c]
                                a[2, c] += h[c] * p[2, c]
                        else:
                            for j in range(max(0, -left), min(3, width - left)):
                                for c in range(channels):
                                    a[j, c] += h[c] * line[left + j, c]


@njit(cache=True, nogil=True, fastmath=FAST)
def add_products_5(first, step, edges, x, g, stride, pad, out):
    """For kernels of 5 x 5."""
    _, height, width, channels = x.shape
    inner, last = (pad + stride - 1) // stride, (width - 5 + pad) // stride
    for part in range(first, len(edges) - 1, step):
        for s in range(edges[part], edges[part + 1]):
            for row in range(g.shape[1]):
                for i in range(5):
                    y = row * stride + i - pad
                    if y < 0 or y >= height:
                        continue
                    line, above, a = x[s, y], g[s, row], out[part, i]
                    for column in range(g.shape[2]):
                        left, h = column * stride - pad, above[column]
                        if inner <= column <= last:
                            p = line[left : left + 5]
                            for c in range(channels):
                                a[0, c] += h[c] * p[0, c]
                                a[1, c] += h[c] * p[1, c]
                                a[2, c] += h[c] * p[2, c]
                                a[3, c] += h[c] * p[3, c]
                                a[4, c] += h[c] * p[4, c]
                        else:
                            for j in range(max(0, -left), min(5, width - left)):
                                for c in range(channels):
                                    a[j, c] += h[c] * line[left + j, c]
