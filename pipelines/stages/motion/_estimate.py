"""How the whole picture moved between two frames: a shift, a turn and a zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.stages._points import followed

__all__ = ["Similarity", "similarity_between"]

Grey = NDArray[np.uint8]
Matrix = NDArray[np.float64]

# The picture is divided into so many cells, and so many corners are taken from each: a plain road must not be
# outvoted by the one car on it.
_CELLS, _CORNERS_PER_CELL = (8, 6), 8
_LEAST_CORNER = 2e-5
_FEWEST_POINTS = 8
# Of all corners, those that could not be followed included.
_LEAST_AGREEING = 0.35
_WINDOW_PX = 21


@dataclass(frozen=True)
class Similarity:
    """A motion about the centre of the picture: first turned and zoomed about it, then shifted.

    Attributes:
        x_px, y_px: the shift, to the right and down.
        turn_rad: clockwise as seen on the screen.
        log_zoom: natural logarithm of the zoom; 0 for none.
    """

    x_px: float = 0.0
    y_px: float = 0.0
    turn_rad: float = 0.0
    log_zoom: float = 0.0

    @classmethod
    def of(cls, matrix: Matrix, centre_xy: tuple[float, float]) -> Self:
        """The motion that float64 (3, 3) ``matrix`` makes about ``centre_xy``."""
        moved = matrix @ (*centre_xy, 1.0)
        a, b = matrix[0, 0], matrix[1, 0]
        return cls(
            moved[0] - centre_xy[0], moved[1] - centre_xy[1], float(np.arctan2(b, a)), float(np.log(np.hypot(a, b)))
        )

    def matrix(self, centre_xy: tuple[float, float]) -> Matrix:
        """float64 (3, 3), maps a point to where the motion takes it."""
        zoom = np.exp(self.log_zoom)
        a, b = zoom * np.cos(self.turn_rad), zoom * np.sin(self.turn_rad)
        cx, cy = centre_xy
        return np.array(
            [[a, -b, self.x_px + cx - a * cx + b * cy], [b, a, self.y_px + cy - b * cx - a * cy], [0.0, 0.0, 1.0]]
        )

    def times(self, factor: float) -> Self:
        """The same motion, less of it or more."""
        return type(self)(*(factor * value for value in self.values()))

    def values(self) -> tuple[float, float, float, float]:
        """All four numbers in the order of the attributes."""
        return self.x_px, self.y_px, self.turn_rad, self.log_zoom


def similarity_between(before: Grey, after: Grey, size_wh: tuple[int, int]) -> Matrix | None:
    """How the content of the picture moved; None where too little can be followed.

    Corners (Shi and Tomasi 1994) from all over the picture are followed forwards and backwards; those that do not come
    back to where they were are left out. A similarity is fitted to the others by RANSAC, so that things that move by
    themselves have no say while they cover less of the picture.

    Args:
        before: uint8 (h, w), a small copy of a picture of ``size_wh`` pixels.
        after: uint8 (h, w), the same of the next picture.
        size_wh: of the pictures.

    Returns:
        float64 (3, 3), maps pixels of the picture before to those of the picture after.
    """
    height, width = before.shape
    corners_xy = _corners(before)
    if len(corners_xy) < _FEWEST_POINTS:
        return None
    moved_xy, error = followed(before, after, corners_xy, _WINDOW_PX, levels=3)
    kept = error < 0.5
    if kept.sum() < _FEWEST_POINTS:
        return None
    scale = np.array([size_wh[0] / width, size_wh[1] / height])
    start, end = corners_xy[kept] * scale, moved_xy[kept] * scale
    fitted, agreeing = cv2.estimateAffinePartial2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=float(scale.max()), maxIters=1000, confidence=0.995
    )
    if fitted is None or not np.isfinite(fitted).all() or agreeing.sum() < _LEAST_AGREEING * len(corners_xy):
        return None
    return np.vstack([fitted, [0.0, 0.0, 1.0]])


def _corners(grey: Grey) -> NDArray[np.float64]:
    """The clearest corners of every cell of the picture, float64 (N, 2)."""
    strength = np.asarray(cv2.cornerMinEigenVal(grey, 5), np.float32)
    apart = max(max(grey.shape) // 80, 2) * 2 + 1
    peaks = (strength >= cv2.dilate(strength, np.ones((apart, apart), np.uint8))) & (strength > _LEAST_CORNER)
    y, x = np.nonzero(peaks)
    columns, rows = _CELLS
    cell = x * columns // grey.shape[1] + columns * (y * rows // grey.shape[0])
    order = np.lexsort((-strength[y, x], cell))
    cell = cell[order]
    # How many of the same cell stand before it.
    rank = np.arange(len(cell)) - np.searchsorted(cell, cell)
    kept = order[rank < _CORNERS_PER_CELL]
    return np.stack([x[kept], y[kept]], axis=1) + 0.5
