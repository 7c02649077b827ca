"""Results about people that carry more than boxes and points: faces with their six points, landmarks with depth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import _PER_OBJECT, Detections, Keypoints, _rows, _warp_points

__all__ = ["FACE_POINTS", "Faces", "Landmarks"]

Float = NDArray[np.floating[Any]]

# Right and left are the person's own.
FACE_POINTS = ("right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear")


@dataclass(frozen=True, eq=False)
class Faces(Detections):
    """Detections of faces with the points of :data:`FACE_POINTS`: ``points_xy`` float32 (N, 6, 2), in pixels."""

    points_xy: Float = field(default_factory=lambda: np.empty((0, 6, 2), np.float32), metadata=_PER_OBJECT)

    def __post_init__(self) -> None:
        object.__setattr__(self, "points_xy", _rows(self.points_xy, np.float32, len(FACE_POINTS), 2))
        super().__post_init__()

    @property
    def keypoints(self) -> Keypoints:
        """The points alone, each as sure as its face."""
        sure = np.repeat(self.confidence[:, None], len(FACE_POINTS), axis=1)
        return Keypoints(xy=self.points_xy, confidence=sure, names=FACE_POINTS)

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """Boxes and points in the coordinates of another picture."""
        return replace(super().warped(matrix), points_xy=_warp_points(self.points_xy, matrix))


@dataclass(frozen=True, eq=False)
class Landmarks(Keypoints):
    """Keypoints with depth: ``z`` float32 (N, K) in pixels, as the network guesses it; smaller is nearer."""

    z: Float = field(default_factory=lambda: np.empty((0, 0), np.float32), metadata=_PER_OBJECT)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "z", _rows(self.z, np.float32, self.xy.shape[1]))
        self._check_lengths()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The points in the coordinates of another picture; depth is scaled like an area's side."""
        side = float(np.sqrt(abs(np.linalg.det(matrix[:2, :2])))) / float(matrix[2, 2])
        return replace(super().warped(matrix), z=self.z * np.float32(side))
