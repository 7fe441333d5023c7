"""The operator of warp, erasing and colour by itself, on matrices that no policy draws."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from nvidia.dali import Pipeline, fn, types

from pipeline.operators.resample import resample
from tests.helpers.graphs import bilinear

PLAIN = np.eye(3, 4, dtype=np.float32)


def warped(images: list[np.ndarray], matrices: np.ndarray, size: int, **changed: np.ndarray) -> np.ndarray:
    """The operator's output as float32 [n, size, size, 3], without colour or rectangle unless given."""
    n = len(images)
    given = {
        "colour": np.tile(PLAIN, (n, 1, 1)),
        "corner": np.zeros((n, 2), np.float32),
        "extent": np.zeros((n, 2), np.float32),
    } | changed
    pipeline = Pipeline(batch_size=n, num_threads=1, device_id=None)
    with pipeline:
        nodes = fn.external_source(
            lambda: [images, matrices.astype(np.float32), *given.values()],
            num_outputs=5,
            dtype=[types.UINT8] + [types.FLOAT] * 4,
            ndim=[3, 2, 2, 1, 1],
            layout=["HWC"] + [""] * 4,
        )
        blank = types.Constant(np.tile(np.array([1, 2, 3], np.uint8), (size, 1)))
        pipeline.set_outputs(resample(*nodes, blank, interleaved=True))
    return np.asarray(pipeline.run()[0].as_array())


@pytest.mark.parametrize("shape", [(3, 3), (3, 50), (50, 3), (40, 30), (64, 64)])
@pytest.mark.parametrize("reach", [0.5, 2.0, 20.0])
def test_any_affine_map_is_bilinear_with_mirrored_borders(shape: tuple[int, int], reach: float) -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, (*shape, 3), np.uint8) for _ in range(12)]
    matrices = np.tile(np.eye(3), (12, 1, 1))
    matrices[:, :2, :2] = random.normal(0, reach * min(shape) / 24, (12, 2, 2))
    matrices[:, :2, 2] = random.uniform(-reach, reach + 1, (12, 2)) * shape[::-1]
    matrices = matrices.astype(np.float32)
    for found, image, matrix in zip(warped(images, matrices, 24), images, matrices, strict=True):
        # Coordinates are of single precision, so pixels far away are found to a few thousandths.
        assert np.abs(found - bilinear(image, matrix, 24)).mean() < 0.1


def test_the_identity_gives_every_pixel_back_and_a_shift_its_neighbour() -> None:
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    shift = np.eye(3)
    shift[:2, 2] = 1, 2
    same, moved = warped([image, image], np.stack([np.eye(3), shift]), 32)
    np.testing.assert_array_equal(same, image)
    np.testing.assert_array_equal(moved[:30, :31], image[2:, 1:])


def test_the_rectangle_is_blank_and_nothing_else() -> None:
    image = np.random.default_rng(1).integers(100, 256, (20, 20, 3), np.uint8)
    corner, extent = np.array([[4, 7], [0, 0]], np.float32), np.array([[5, 13], [0, 20]], np.float32)
    found, none = warped([image, image], np.tile(np.eye(3), (2, 1, 1)), 20, corner=corner, extent=extent)
    assert (found[4:9, 7:] == (1, 2, 3)).all()
    found[4:9, 7:] = image[4:9, 7:]
    np.testing.assert_array_equal(found, image)
    np.testing.assert_array_equal(none, image)


def test_colour_is_an_affine_map() -> None:
    image = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    matrix = np.random.default_rng(2).normal(0, 1, (1, 3, 4)).astype(np.float32)
    (found,) = warped([image], np.eye(3)[None], 16, colour=matrix)
    wanted = image @ matrix[0, :, :3].T.astype(float) + matrix[0, :, 3]
    np.testing.assert_allclose(found, wanted, atol=1e-3)


GUARDED = """
import ctypes, mmap
import numpy as np
from pipeline.operators.resample import _read

# An image that ends where the next page may not be read.
shape = (64, 64, 3)
page, size = mmap.PAGESIZE, int(np.prod(shape))
assert size % page == 0
memory = mmap.mmap(-1, size + page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
assert ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(start + size), page, 0) == 0
flat = np.frombuffer(memory, np.uint8, size)
flat[:] = np.arange(size) % 251
for row in range(-1, 65):
    across, down = np.arange(-2, 66, dtype=np.int32), np.full(68, row, np.int32)
    upper, lower = np.empty(68, np.uint64), np.empty(68, np.uint64)
    _read(flat.reshape(shape), flat, across, down, upper, lower)
    if 0 <= row < 64:
        assert (upper[2:66] & 255 == flat.reshape(shape)[row, :, 0]).all()
print("read it all")
"""


def test_nothing_beyond_the_image_is_read() -> None:
    done = subprocess.run([sys.executable, "-c", GUARDED], capture_output=True, text=True, check=False)
    assert done.stdout == "read it all\n", done.stderr
