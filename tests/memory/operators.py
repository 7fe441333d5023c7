"""The loader's operators, called by their C addresses on guarded arrays."""

from __future__ import annotations

import itertools

import numpy as np

from pipeline.augmentations.background import background_planes
from pipeline.operators import colour, paste, resample, shrink
from tests.helpers.graphs import bilinear
from tests.memory.guarded import PLACES, call, ends_by_fault, said_shapes

FORMS = [*itertools.product((False, True), (False, True))]
"""Half or not, interleaved or not."""
SIZE = 24
PLAIN = np.eye(3, 4, dtype=np.float32)
BOXES = [(0, 0, 99, 99), (-9, -9, 5, 5), (20, 20, 50, 50), (-100, -100, 200, 200), (-5, 3, 99, 9e9)]
"""Top, left, height and width of rectangles, none of which lies within the output."""


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, shape, np.uint8)


def dense(starts: np.ndarray, weights: np.ndarray, source: int) -> np.ndarray:
    """The tables of `resize` as a matrix."""
    whole = np.zeros((len(starts), source))
    for line, start, own in zip(whole, starts, weights, strict=True):
        line[start : start + len(own)] = own
    return whole


def check_resize(place: str) -> None:
    set_shapes, run = shrink._set_shapes, shrink._resize
    for channels, (source, size, first, count) in itertools.product(
        (1, 3, 4), [(64, 24, 0, 24), (64, 24, 3, 20), (40, 56, 0, 56), (5, 2, 0, 2)]
    ):
        starts, weights = shrink.triangle_weights(source, size, first, count)
        image, out = pixels(source, source, channels), np.empty((count, count, channels), np.uint8)
        assert said_shapes(set_shapes, [image, starts, weights], 3, place) == [[count, count, channels]] * 3
        matrix = dense(starts, weights, source)
        wanted = np.einsum("iy,yxc,jx->ijc", matrix, image, matrix)
        assert np.abs(call(run, [image, starts, weights], out, place) - wanted).max() < 0.51
        for shape in [(8, 8), (source, source // 2), (source // 2, 2 * source), (source - 1, source), (0, 0)]:
            if min(shape) < source - (size - first - count):
                given = [np.zeros((*shape, channels), np.uint8) + 9, starts, weights]
                assert (
                    min(shape) >= (starts + weights.shape[1]).max() or not call(run, given, out, place).any()
                )
        for wrong in (starts + source, starts - source, starts - np.int32(2**30), starts[1:]):
            assert not call(run, [image, wrong, weights], out, place).any()
        assert not call(run, [image, starts, weights], out[1:], place).any()


def check_colour(place: str) -> None:
    matrix = np.random.default_rng(1).normal(0, 1, (3, 4)).astype(np.float32)
    for half, interleaved in FORMS:
        set_shapes, run = colour._callbacks(half, interleaved)
        for shape in [(1, 1), (7, 5), (64, 64)]:
            image = pixels(*shape, 3)
            out = np.empty((*shape, 3) if interleaved else (3, *shape), np.float16 if half else np.float32)
            assert said_shapes(set_shapes, [image, matrix], 2, place) == [[*out.shape]] * 2
            found = call(run, [image, matrix], out, place)
            wanted = image @ matrix[:, :3].T.astype(float) + matrix[:, 3]
            apart = np.abs((found if interleaved else found.transpose(1, 2, 0)) - wanted)
            assert apart.max() < (0.5 if half else 1e-3)
            for channels in (1, 2, 4):
                assert not call(run, [pixels(*shape, channels), matrix], out, place).any()
            for given, gives in (
                (matrix[:2], out),
                (matrix[:, :3], out),
                (matrix, np.append(out, out, axis=1)),
            ):
                assert not call(run, [image, given], gives, place).any()


def check_paste(place: str) -> None:
    corners = np.random.default_rng(1).uniform(0, 255, (1, 4, 3)).astype(np.float32)
    planes = background_planes(corners)[0]
    for shape in [(1, 1), (7, 5), (64, 64)]:
        image, out = pixels(*shape, 4), np.empty((*shape, 3), np.uint8)
        assert said_shapes(paste._set_shapes, [image, planes], 2, place) == [[*shape, 3]] * 2
        x, y = ((np.arange(n) + 0.5) / n for n in shape[::-1])
        a, b, c, d = planes.astype(float)
        x, y, share = x[None, :, None], y[:, None, None], image[..., 3:] / 255
        wanted = share * image[..., :3] + (1 - share) * (a + b * x + c * y + d * x * y)
        assert np.abs(call(paste._paste, [image, planes], out, place) - wanted).max() < 0.51
        for channels in (1, 2, 3):
            assert not call(paste._paste, [pixels(*shape, channels), planes], out, place).any()
        for given, gives in ((planes[:3], out), (planes, out[1:])):
            assert not call(paste._paste, [image, given], gives, place).any()


def warp_inputs(
    image: np.ndarray, matrix: np.ndarray, box: tuple[float, ...] = (0, 0, 0, 0)
) -> list[np.ndarray]:
    """What `resample` takes, in its order."""
    corner, extent = np.array(box[:2], np.float32), np.array(box[2:], np.float32)
    return [image, matrix.astype(np.float32), PLAIN, corner, extent, np.full((SIZE, 3), 7, np.uint8)]


def check_resample(place: str) -> None:
    turn = np.array([[0.9, -0.3, 4], [0.3, 0.9, -3], [0, 0, 1]])
    for half, interleaved in FORMS:
        set_shapes, run = resample._callbacks(half, interleaved)
        shape = (SIZE, SIZE, 3) if interleaved else (3, SIZE, SIZE)
        out = np.empty(shape, np.float16 if half else np.float32)
        for size in [(64, 64), (SIZE, SIZE), (3, 50), (50, 3), (2, 2), (1, 1)]:
            image = pixels(*size, 3)
            # To the last pixel, eight bytes at a time; every pixel once; turned; far out.
            last = np.eye(3)
            last[:2, 2] = size[1] - SIZE / 2, size[0] - SIZE / 2
            for matrix in (last, np.eye(3), turn, turn * [[50], [50], [1]]):
                given = warp_inputs(image, matrix)
                assert said_shapes(set_shapes, given, 2, place) == [[*shape]] * 2
                found = call(run, given, out, place)
                apart = (found if interleaved else found.transpose(1, 2, 0)) - bilinear(image, given[1], SIZE)
                assert np.abs(apart).mean() < 0.2
            for number in (np.nan, np.inf, -np.inf, 3e38, -3e38, 2.0**31):
                call(run, warp_inputs(image, np.full((3, 3), number)), out, place)
            for box in BOXES:
                found = call(run, warp_inputs(image, np.eye(3), box), out, place)
                top, left, height, width = (int(edge) for edge in box)
                rows, columns = (slice(max(s, 0), max(s + n, 0)) for s, n in ((top, height), (left, width)))
                assert ((found if interleaved else found.transpose(1, 2, 0))[rows, columns] == 7).all()
            call(run, warp_inputs(image, np.eye(3), (np.nan, np.inf, 9, 9)), out, place)
            for channels in (1, 2, 4):
                assert not call(run, warp_inputs(pixels(*size, channels), turn), out, place).any()
        assert not call(run, warp_inputs(pixels(0, 64, 3), turn), out, place).any()
        given = warp_inputs(pixels(64, 64, 3), turn)
        for i in range(1, len(given)):
            assert not call(run, [*given[:i], given[i][:-1], *given[i + 1 :]], out, place).any()
        assert not call(run, given, np.append(out, out, axis=1), place).any()


def check_controls() -> None:
    """An image whose address is a little wrong ends the process, at either end and in each operator."""
    image = pixels(64, 64, 4)
    starts, weights = shrink.triangle_weights(64, SIZE, 0, SIZE)
    runs = {
        shrink._resize: ([image, starts, weights], np.empty((SIZE, SIZE, 4), np.uint8)),
        paste._paste: ([image, np.zeros((4, 3), np.float32)], np.empty((64, 64, 3), np.uint8)),
        colour._callbacks(False, False)[1]: ([image[..., :3], PLAIN], np.empty((3, 64, 64), np.float32)),
        resample._callbacks(False, False)[1]: (
            warp_inputs(image[40:, 40:, :3], np.eye(3)),
            np.empty((3, SIZE, SIZE), np.float32),
        ),
    }
    for run, (inputs, out) in runs.items():
        for place, shift in (("end", 1), ("start", -1)):
            assert ends_by_fault(lambda run=run, i=inputs, o=out, p=place, s=shift: call(run, i, o, p, s))


def check() -> None:
    check_controls()
    for place in PLACES:
        for each in (check_resize, check_colour, check_paste, check_resample):
            each(place)
