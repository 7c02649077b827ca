"""Anchors and blended suppression of MediaPipe's detectors: faces (BlazeFace) and palms.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MEDIAPIPE_LAYERS", "blended", "overlap", "ssd_anchors"]

# (stride, anchors per cell): 896 anchors at 128 pixels, 2016 at 192.
MEDIAPIPE_LAYERS = ((8, 2), (16, 6))


def ssd_anchors(size: int, layers: Sequence[tuple[int, int]] = MEDIAPIPE_LAYERS) -> NDArray[np.float32]:
    """Centres (x, y) of the anchors of a square input, float32 (N, 2), in pixels of the input.

    Args:
        size: side of the input in pixels.
        layers: per layer its stride in pixels and how many anchors share the centre of each cell. Cells are listed
            row by row, the anchors of a cell one after another.
    """
    centres = []
    for stride, per_cell in layers:
        cells = size // stride
        y, x = np.mgrid[0:cells, 0:cells]
        cell = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) * stride
        centres.append(np.repeat(cell, per_cell, axis=0))
    return np.concatenate(centres).astype(np.float32)


def blended(
    xyxy: NDArray[Any], points_xy: NDArray[Any], confidence: NDArray[Any], iou: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Weighted non-maximum suppression: overlapping candidates are averaged by confidence instead of thrown away.

    It takes the tremble out of boxes on video (section 4 of the paper).

    Args:
        xyxy: boxes (N, 4).
        points_xy: points of every box (N, K, 2).
        confidence: (N,), above 0.
        iou: boxes that overlap the surest one more than that are averaged with it.

    Returns:
        Boxes float32 (M, 4), points (M, K, 2) and the confidence (M,) of the surest of each group, the surest first.
    """
    order = np.argsort(-confidence, kind="stable")
    width = int(np.prod(points_xy.shape[1:]))
    flat = np.hstack([xyxy, points_xy.reshape(len(xyxy), width)]).astype(np.float64)[order]
    weight = confidence.astype(np.float64)[order]
    merged, sure = [], []
    while len(flat):
        near = overlap(flat[0, :4], flat[:, :4]) > iou
        near[0] = True
        merged.append(np.average(flat[near], axis=0, weights=weight[near]))
        sure.append(weight[0])
        flat, weight = flat[~near], weight[~near]
    rows = np.array(merged, np.float32).reshape(len(merged), 4 + width)
    return rows[:, :4], rows[:, 4:].reshape(len(rows), *points_xy.shape[1:]), np.array(sure, np.float32)


def overlap(box: NDArray[Any], boxes: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of a box (4,) with boxes (N, 4), float64 (N,)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = np.prod(np.clip(sides, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2]) + np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    ratio: NDArray[np.float64] = shared / np.maximum(area - shared, 1e-9)
    return ratio
