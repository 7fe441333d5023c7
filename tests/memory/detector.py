"""The detector's loops on guarded arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from preprocess.detect.mtcnn.averages import average, average_parts
from preprocess.detect.mtcnn.kernels import rectify, rectify_and_pool, suppress
from tests.memory.guarded import PLACES, guarded

HEIGHT, WIDTH = 21, 34


def refused(loop: Callable[..., object], *arguments: Any) -> bool:
    try:
        loop(*arguments)
    except ValueError:
        return True
    return False


def photos() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3), np.uint8)


def check_average(place: str) -> None:
    photo = photos()[0]
    table = np.zeros((HEIGHT + 1, WIDTH + 1, 3), np.int32)
    table[1:, 1:] = photo.cumsum(0, dtype=np.int32).cumsum(1, dtype=np.int32)
    edges = [np.array(values) for values in ([0, 9, 20], [10, 21, 21], [0, 33], [34, 34])]
    given = [guarded(values, place) for values in (table, *edges)]
    out = guarded(np.empty((3, 2, 3), np.float32), place)
    average(*given, out)
    for i, (above, below) in enumerate(zip(*edges[:2], strict=True)):
        for j, (left, right) in enumerate(zip(*edges[2:], strict=True)):
            wanted = photo[above:below, left:right].mean((0, 1)) / 128
            np.testing.assert_allclose(out[i, j], wanted, rtol=1e-5)
    for number in range(1, 5):
        for place_in, value in ((0, -1), (-1, 10**6), (0, -(2**62)), (-1, 2**62)):
            wrong = [values.copy() for values in given]
            wrong[number][place_in] = value
            assert refused(average, *wrong, out)
        assert refused(average, *given[:number], given[number][1:], *given[number + 1 :], out)
    assert refused(average, given[0][:-1], *given[1:], out)
    for gives in (out[1:], out[:, 1:], np.append(out, out, 2)):
        assert refused(average, *given, np.ascontiguousarray(gives))


def check_average_parts(place: str) -> None:
    both, side = guarded(photos(), place), 6
    corners = np.array([[0, 0, WIDTH, HEIGHT], [33, 20, 34, 21], [30, 2, 34, 21], [0, 0, 1, 1]])
    photo = guarded(np.array([1, 1, 0, 0]), place)
    given, out = guarded(corners, place), guarded(np.empty((4, side, side, 3), np.float32), place)
    average_parts(both, photo, given, out)
    for number, (left, top, right, bottom) in zip(photo, corners, strict=True):
        part = both[number, top:bottom, left:right]
        rows, columns = (
            [(i * n // side, -(-(i + 1) * n // side)) for i in range(side)] for n in part.shape[:2]
        )
        wanted = [[part[a:b, c:d].mean((0, 1)) / 128 for c, d in columns] for a, b in rows]
        index = int(np.flatnonzero((corners == (left, top, right, bottom)).all(1))[0])
        np.testing.assert_allclose(out[index], wanted, rtol=1e-5)
    for edge in range(4):
        for value in (-1, 35, 10**9, 2**62, -(2**62)):
            wrong = given.copy()
            wrong[1, edge] = value
            assert refused(average_parts, both, photo, wrong, out)
    for which in (-1, 2, 2**63 - 1):
        assert refused(average_parts, both, np.array([0, 0, 0, which]), given, out)
    for one, two, gives in ((photo[1:], given, out), (photo, given[1:], out), (photo, given, out[1:])):
        assert refused(average_parts, both, one, two, gives)
    for gives in (out[:, 1:], out[:, :, 1:]):
        assert refused(average_parts, both, photo, given, np.ascontiguousarray(gives))


def check_rectify(place: str) -> None:
    random = np.random.default_rng(0)
    for n, h, w, c in [(1, 1, 1, 1), (2, 5, 7, 10), (3, 16, 4, 32)]:
        values, slope = (
            random.normal(0, 1, (n, h, w, c)).astype(np.float32),
            random.random(c).astype(np.float32),
        )
        wanted = np.maximum(values, 0) + slope * np.minimum(values, 0)
        given, slopes = guarded(values, place), guarded(slope, place)
        rectify(given, slopes)
        np.testing.assert_allclose(given, wanted, rtol=1e-6)
        for size in (2, 3):
            shape = (n, (h - size + 1) // 2 + 1, (w - size + 1) // 2 + 1, c)
            given, out = guarded(values, place), guarded(np.empty(shape, np.float32), place)
            rectify_and_pool(given, slopes, size, out)
            for i, j in np.ndindex(*shape[1:3]):
                window = wanted[:, 2 * i : 2 * i + size, 2 * j : 2 * j + size]
                np.testing.assert_allclose(out[:, i, j], window.max((1, 2)), rtol=1e-6)
            for axis in range(4):
                wrong = np.append(out, out[tuple([slice(None)] * axis + [slice(0, 1)])], axis)
                assert not out.size or refused(rectify_and_pool, given, slopes, size, wrong)
            assert refused(rectify_and_pool, given, slopes[1:], size, out)
        assert refused(rectify_and_pool, given, slopes, 9, out)
        assert refused(rectify, given, slopes[1:])


def check_suppress(place: str) -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 10, 10], [20, 20, 30, 30], [20, 20, 30, 30]], np.float32)
    given, group = guarded(boxes, place), guarded(np.array([0, 0, 0, 1]), place)
    for inside in (False, True):
        assert suppress(given, group, 0.5, inside).tolist() == [True, False, True, True]
        assert refused(suppress, given, group[1:], 0.5, inside)
        assert refused(suppress, given[1:], group, 0.5, inside)
        assert refused(suppress, np.ascontiguousarray(given[:, 1:]), group, 0.5, inside)


def check() -> None:
    for place in PLACES:
        for each in (check_average, check_average_parts, check_rectify, check_suppress):
            each(place)
