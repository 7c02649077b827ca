"""Where objects have been: seconds spent in each cell of a grid over the picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["HeatMap"]

CELLS = 96
"""Cells along the longer side."""
# A frame stands for no more time than this: after a pause nobody knows where the objects were.
MOST_STEP_S = 1.0
_SPREAD_CELLS = 1.2


class HeatMap:
    """Time that objects have spent in places of the source picture. Used by one thread.

    Args:
        size_wh: size of the source picture.
    """

    def __init__(self, size_wh: tuple[int, int]) -> None:
        scale = CELLS / max(size_wh)
        self._cells = np.zeros((max(round(size_wh[1] * scale), 1), max(round(size_wh[0] * scale), 1)), np.float64)
        self._scale = np.array(self._cells.shape[::-1]) / size_wh

    def clear(self) -> None:
        """Begin anew."""
        self._cells[:] = 0

    def add(self, xy: NDArray[np.floating[Any]], step_s: float, half_life_s: float = 0.0) -> None:
        """Objects stand at ``xy`` (N, 2), in pixels of the source picture, for ``step_s`` seconds.

        Args:
            xy: the places; those outside the picture are left out.
            step_s: seconds since the frame before.
            half_life_s: after so long the past counts half; 0 for always in full.
        """
        if half_life_s > 0 and step_s > 0:
            self._cells *= 0.5 ** (step_s / half_life_s)
        cells = np.floor(xy * self._scale)
        inside = ((cells >= 0) & (cells < self._cells.shape[::-1])).all(axis=1)
        columns, rows = cells[inside].astype(int).T
        np.add.at(self._cells, (rows, columns), min(max(step_s, 0.0), MOST_STEP_S))

    @property
    def seconds(self) -> NDArray[np.float32]:
        """Seconds spent around each cell, float32 (h, w), a little blurred."""
        return np.asarray(cv2.GaussianBlur(self._cells, (0, 0), _SPREAD_CELLS), np.float32)
