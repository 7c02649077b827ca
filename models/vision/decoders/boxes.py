"""What decoders of boxes share."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_CANDIDATES", "cxcywh_to_xyxy", "sigmoid", "suppressed"]

MOST_CANDIDATES = 1000


def suppressed(
    xyxy: NDArray[Any], confidence: NDArray[Any], class_id: NDArray[Any], iou: float, most: int = MOST_CANDIDATES
) -> NDArray[np.int64]:
    """Rows that remain after class-wise non-maximum suppression, the surest first.

    Args:
        xyxy: (N, 4).
        confidence: (N,).
        class_id: (N,).
        iou: of two boxes of a class that overlap more, the surer one is kept.
        most: how many of the surest are looked at.
    """
    best = np.argsort(-confidence, kind="stable")[:most]
    if not len(best):
        return np.empty(0, np.int64)
    corners = xyxy[best].astype(np.float64)
    xywh = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
    # A threshold of zero: what is too unsure was left out before.
    found = cv2.dnn.NMSBoxesBatched(xywh.tolist(), confidence[best].tolist(), class_id[best].tolist(), 0.0, iou)
    kept: NDArray[np.int64] = best[np.asarray(found, np.int64).reshape(-1)]
    return kept


def cxcywh_to_xyxy(boxes: NDArray[Any]) -> NDArray[Any]:
    """Centre and size to corners, (N, 4)."""
    half = boxes[:, 2:] / 2
    corners: NDArray[Any] = np.hstack([boxes[:, :2] - half, boxes[:, :2] + half])
    return corners


def sigmoid(values: NDArray[Any]) -> NDArray[np.float32]:
    """The logistic function, safe for large values."""
    clipped = np.clip(values, -80, 80).astype(np.float32)  # exp(88) is the largest of a float32
    result: NDArray[np.float32] = 1.0 / (1.0 + np.exp(-clipped))
    return result
