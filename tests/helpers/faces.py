"""Faces of known geometry."""

import numpy as np

from preprocess.crop.square import TEMPLATE


def landmarks(x: float, y: float, longer: float, degrees: float) -> tuple[float, ...]:
    """Landmarks of a face like the template in a box of that longer side, turned clockwise about (x, y)."""
    points = complex(x, y) + longer * np.exp(1j * np.radians(degrees)) * TEMPLATE
    return tuple(float(value) for point in points for value in (point.real, point.imag))
