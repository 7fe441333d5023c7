"""OpenCV's YuNet, a second detector for faces that MTCNN misses: above all masked ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from faces.framing.face import Face, weigh_faces
from preprocess.sources.photo import Pixels

THRESHOLD = 0.6
"""Lowest score of a face."""
OVERLAP = 0.3
"""Intersection over union above which two boxes are one face: OpenCV's default."""


class YuNet:
    """YuNet (Wu and others, 2023) through `cv2.FaceDetectorYN`, on the CPU.

    Its boxes are MTCNN's to within what matters here: over 424 faces that both found the median IoU was 0.86,
    and no edge was off by more than 0.03 sides of the box in the median. So crops need no correction.

    Args:
        model: the file face_detection_yunet_2023mar.onnx.

    Raises:
        ValueError: not such a model.
    """

    def __init__(self, model: Path) -> None:
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns of a target nobody set
        try:
            self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), THRESHOLD, OVERLAP)
            self._net.detect(np.zeros((320, 320, 3), np.uint8))
        except cv2.error as error:
            raise ValueError(
                f"yunet={model}: OpenCV cannot use it as face_detection_yunet_2023mar.onnx: {error.err}"
            ) from error
        finally:
            cv2.utils.logging.setLogLevel(level)

    def __call__(self, photo: Pixels, *, every: bool) -> tuple[Face, ...]:
        """The faces of a photo, or the one that it is about (see `weigh_faces`)."""
        height, width = photo.shape[:2]
        self._net.setInputSize((width, height))
        # It was trained on BGR.
        found: Any = self._net.detect(np.ascontiguousarray(photo[..., ::-1]))[1]
        if found is None:
            return ()
        rows = np.asarray(found, np.float64)
        boxes = np.hstack([rows[:, :2], rows[:, :2] + rows[:, 2:4]])
        return weigh_faces(boxes, rows[:, 14], rows[:, 4:14].reshape(-1, 5, 2), height, width, every=every)
