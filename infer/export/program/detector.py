"""The search of faces: MTCNN on one photo at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.framing.face import TURNS, Face, Pixels, Turn, reduce_photo, turn_back, weigh_faces
from faces.framing.sideways import CLEAR, LOW, ROLL, SIDE, face_picture, is_upright, roll, small_copy
from infer.export.program.boxes import Singles, averages, best_boxes, sides, square
from infer.export.program.sessions import opened

FACTOR, CELL = 0.709, 12
"""Step of the pyramid, and side in pixels of the face that the first network looks for."""
SCORES = {"pnet": 0.6, "rnet": 0.7, "onet": 0.7}
"""Least chance of a face with which each network keeps a box."""
SIDES = {"rnet": 24, "onet": SIDE}
"""Side in pixels of the pictures that the later networks look at."""


class Detector:
    """MTCNN on one photo at a time.

    Args:
        path: of the model that they lie in, for errors.
        networks: `pnet`, `rnet` and `onet` as ONNX files.
        crop: settings of the crops of training: `min_face`, side of the smallest face searched for, in pixels
            of the photo as it is searched; `detect_size`, longest side in pixels of that; `steps`, whether
            photos that may lie on a side or on their head are `turned`.
        threads: 0 for as many as there are cores.
    """

    def __init__(self, path: Path, networks: dict[str, bytes], crop: dict[str, Any], threads: int) -> None:
        self._networks = {name: opened(path, network, threads) for name, network in networks.items()}
        self._min_face, self._longest = crop["min_face"], crop["detect_size"]
        self._turns = "turned" in crop["steps"]

    def __call__(self, photo: Pixels, every: bool = False) -> tuple[Face, ...]:
        """The face that a photo is about, or `every` one, that one first; none where none is found."""
        height, width = photo.shape[:2]
        searched = reduce_photo(photo, self._longest)
        faces = self._upright(searched, every)
        if self._turns and min(searched.shape[:2]) >= self._min_face:
            faces = self._turned(searched, faces, every)
        return tuple(face.scaled(width / searched.shape[1], height / searched.shape[0]) for face in faces)

    def _upright(self, photo: Pixels, every: bool) -> tuple[Face, ...]:
        height, width = photo.shape[:2]
        return weigh_faces(*self.search(photo), height, width, every=every)

    def _turned(self, photo: Pixels, faces: tuple[Face, ...], every: bool) -> tuple[Face, ...]:
        """The faces of the photo turned by quarters, where they are more certain than those found in it."""
        turn = self._likely_turn(photo, faces)
        if not turn:
            return faces
        height, width = photo.shape[:2]
        found = self._upright(turn_back(photo, turn), every)
        back = tuple(face.turned_back(turn, height, width) for face in found)
        if not back or not faces:
            return back or faces
        if back[0].is_half(height, width) or faces[0].is_half(height, width):
            return faces if back[0].is_half(height, width) else back
        return back if back[0].score > faces[0].score else faces

    def _likely_turn(self, photo: Pixels, faces: tuple[Face, ...]) -> Turn:
        """The turn in which a photo looks more like one of a face than as it is, 0 where none does or there
        is no need to look: there is where no face was found, or one that lies on a side or is not sure."""
        none = not faces or faces[0].is_half(*photo.shape[:2])
        score = 0.0 if none else faces[0].score
        if none or score < LOW or abs(roll(faces[0])) > ROLL:
            seen = self._look(photo)
        elif not is_upright(faces[0]):
            seen = self._judge(photo, faces[0], TURNS[1:] if score < CLEAR else (180,))
        else:
            return 0
        likeliest = max(seen, key=lambda turn: seen[turn])
        return likeliest if seen[likeliest] > score else 0

    def _look(self, photo: Pixels) -> dict[Turn, float]:
        """The best score of a face in a small copy of the photo in each turn.

        It is mirrored: a mask upside down may pass for a face, but hardly in the mirror and in the photo.
        """
        copy = small_copy(photo)
        shown = {turn: np.ascontiguousarray(turn_back(copy, turn)[:, ::-1]) for turn in TURNS[1:]}
        return {turn: float(self.search(view)[1].max(initial=0)) for turn, view in shown.items()}

    def _judge(self, photo: Pixels, face: Face, turns: tuple[Turn, ...]) -> dict[Turn, float]:
        """How much the square about a face looks like one in each turn, as it is and mirrored, to the last
        network."""
        seen = face_picture(photo, face)
        upright = [turn_back(seen, turn) for turn in turns]
        views = np.stack([*upright, *(view[:, ::-1] for view in upright)]).transpose(0, 3, 1, 2)
        *_, chances = self._networks["onet"].run(None, {"x": ((views - 127.5) / 128).astype(np.float32)})
        return dict(zip(turns, chances[:, 1].reshape(2, -1).min(0).tolist(), strict=True))

    def search(self, photo: Pixels) -> tuple[Singles, Singles, Singles]:
        """All faces: boxes [n, 4], scores [n] and landmarks [n, 5, 2]."""
        table = np.asarray(cv2.integral(photo, sdepth=cv2.CV_64F), np.float64)
        boxes, scores, shifts = self._propose(table)
        keep = best_boxes(boxes, scores, 0.7)
        boxes, scores, shifts = boxes[keep], scores[keep], shifts[keep]
        boxes = square(boxes + shifts * np.tile(boxes[:, 2:] - boxes[:, :2], 2))
        boxes, scores, shifts, _ = self._refine("rnet", table, boxes)
        keep = best_boxes(boxes, scores, 0.7)
        boxes = square(boxes[keep] + shifts[keep] * sides(boxes[keep]))
        boxes, scores, shifts, points = self._refine("onet", table, boxes)
        extent = sides(boxes)
        points = points.reshape(-1, 2, 5).transpose(0, 2, 1) * extent[:, None, :2] + boxes[:, None, :2] - 1
        boxes = boxes + shifts * extent
        keep = best_boxes(boxes, scores, 0.7, inside=True)
        largest = np.argsort(np.prod(boxes[keep, 2:] - boxes[keep, :2], axis=1), kind="stable")[::-1]
        keep = keep[largest]
        return boxes[keep], scores[keep], points[keep]

    def _propose(self, table: NDArray[np.float64]) -> tuple[Singles, Singles, Singles]:
        """Boxes that the first network takes for faces at any scale, with its scores and its corrections."""
        height, width = table.shape[0] - 1, table.shape[1] - 1
        scale = CELL / self._min_face
        parts = [(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 4), np.float32))]
        whole = np.array([[0, 0, width, height]])
        while min(height, width) * scale >= CELL:
            level = averages(table, whole, int(height * scale + 1), int(width * scale + 1))
            shifts, chances = self._networks["pnet"].run(None, {"x": level})
            rows, columns = np.nonzero(chances[0, 1] >= SCORES["pnet"])
            corner = 2 * np.stack([columns, rows], 1).astype(np.float32)
            edges = [np.floor((corner + edge) / np.float32(scale)) for edge in (1, CELL)]
            boxes, scores = np.concatenate(edges, 1), chances[0, 1, rows, columns]
            keep = best_boxes(boxes, scores, 0.5)
            parts.append((boxes[keep], scores[keep], shifts[0][:, rows, columns].T[keep]))
            scale *= FACTOR
        boxes, scores, shifts = (np.concatenate(column) for column in zip(*parts, strict=True))
        return boxes, scores, shifts

    def _refine(
        self, name: str, table: NDArray[np.float64], boxes: Singles
    ) -> tuple[Singles, Singles, Singles, Singles]:
        """Boxes that a later network takes for faces too, with its scores, its corrections and, of the last,
        the places of the landmarks in the box, five x and five y."""
        # Boxes count pixels from 1.
        left, top, right, bottom = np.trunc(boxes).astype(np.int64).T
        low = np.maximum(left, 1) - 1, np.maximum(top, 1) - 1
        high = np.minimum(right, table.shape[1] - 1), np.minimum(bottom, table.shape[0] - 1)
        corners = np.stack([*low, *high], 1)
        within = (corners[:, :2] < corners[:, 2:]).all(1)
        if not within.any():
            return boxes[:0], np.zeros(0, np.float32), boxes[:0], np.zeros((0, 10), np.float32)
        crops = averages(table, corners[within], SIDES[name], SIDES[name])
        shifts, *points, chances = self._networks[name].run(None, {"x": crops})
        sure = chances[:, 1] > SCORES[name]
        return boxes[within][sure], chances[sure, 1], shifts[sure], (points[0] if points else shifts)[sure]
