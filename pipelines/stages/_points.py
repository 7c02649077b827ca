"""Points followed from one picture to the next."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["followed"]


def followed(
    before: NDArray[np.uint8], after: NDArray[np.uint8], points_xy: NDArray[Any], window_px: int, levels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where points went, by pyramidal Lucas-Kanade flow, and how far each misses its origin when followed back.

    What does not come back was not followed well (forward-backward error: Kalal, Mikolajczyk and Matas, ICPR 2010).

    Args:
        before: uint8 (h, w), a picture.
        after: uint8 (h, w), the next one.
        points_xy: (N, 2), pixels of ``before``, centres at whole numbers plus one half; so are those returned.
        window_px: side of the area around a point that is compared.
        levels: of the pyramid, beyond the picture itself.

    Returns:
        float64 (N, 2), the points in ``after``, and float64 (N,), their error in pixels; infinite where one was lost.
    """
    start = (np.asarray(points_xy) - 0.5).astype(np.float32)[:, None]
    window = (window_px, window_px)
    end, seen, _ = cv2.calcOpticalFlowPyrLK(before, after, start, start.copy(), winSize=window, maxLevel=levels)
    back, seen_back, _ = cv2.calcOpticalFlowPyrLK(after, before, end, start.copy(), winSize=window, maxLevel=levels)
    error = np.linalg.norm(back - start, axis=2).ravel().astype(np.float64)
    error[(np.asarray(seen).ravel() == 0) | (np.asarray(seen_back).ravel() == 0)] = np.inf
    return np.asarray(end, np.float64)[:, 0] + 0.5, error
