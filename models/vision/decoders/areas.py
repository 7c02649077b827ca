"""What decoders of areas and dense maps share: from a coarse map over the input to pixels of the picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.vision.inputs import Geometry

__all__ = ["area_in_box", "covers", "map_to_picture", "picture_in_map", "resampled"]

Array = NDArray[Any]


def covers(shape: tuple[int, ...], size_wh: tuple[int, int]) -> bool:
    """Whether a map (h, w) has the ratio of an input of ``size_wh``, as one that covers it must, rounding aside."""
    height, width = shape
    return min(shape) > 4 and abs(width * size_wh[1] - height * size_wh[0]) <= max(size_wh)


def map_to_picture(shape: tuple[int, ...], geometry: Geometry) -> NDArray[np.float64]:
    """The matrix, float64 (3, 3), from pixels of a map (h, w) that covers the input to pixels of the picture."""
    width, height = geometry.input_wh
    stretch: NDArray[np.float64] = geometry.to_picture @ np.diag([width / shape[1], height / shape[0], 1.0])
    return stretch


def resampled(
    values: Array, geometry: Geometry, top_left_xy: tuple[int, int] = (0, 0), size_wh: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """A map over the input, (h, w), as float32 values of a part of the picture, by linear interpolation."""
    x, y = top_left_xy
    # cv2 puts the centres of pixels at whole numbers; ours lie half a pixel further.
    half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    corner = np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])
    into = np.linalg.inv(half) @ np.linalg.inv(map_to_picture(values.shape, geometry)) @ corner @ half
    finite = np.nan_to_num(np.asarray(values, np.float32), nan=0.0, posinf=1e6, neginf=-1e6)
    drawn = cv2.warpAffine(
        finite,
        into[:2],
        size_wh or geometry.picture_wh,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(drawn, np.float32)


def area_in_box(
    values: Array, xyxy: Array, geometry: Geometry, threshold: float = 0.0
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Where a map over the input is above a threshold inside a box of the picture.

    Returns:
        uint8 (h, w), 0 or 255, and its corner (x, y) in the picture.
    """
    x1, y1 = (int(v) for v in np.floor(xyxy[:2]))
    x2, y2 = (int(v) for v in np.ceil(xyxy[2:]))
    if x2 <= x1 or y2 <= y1:
        return np.zeros((0, 0), np.uint8), (x1, y1)
    part = resampled(values, geometry, (x1, y1), (x2 - x1, y2 - y1))
    return np.where(part > threshold, 255, 0).astype(np.uint8), (x1, y1)


def picture_in_map(shape: tuple[int, ...], geometry: Geometry) -> tuple[slice, slice]:
    """Rows and columns of a map over the input that show the picture, without the letterbox round it."""
    matrix = np.linalg.inv(map_to_picture(shape, geometry))
    corners = np.array([[0, 0, 1], [*geometry.picture_wh, 1]], np.float64) @ matrix.T
    (x1, y1), (x2, y2) = np.rint(corners[:, :2]).astype(int)
    rows = slice(max(y1, 0), max(min(y2, shape[0]), y1 + 1))
    return rows, slice(max(x1, 0), max(min(x2, shape[1]), x1 + 1))
