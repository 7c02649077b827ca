"""Corners of square markers to small parts of a pixel, from the edges that meet in them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["refined_quads"]

Float = NDArray[np.float64]

_SAMPLES = 24
_ACROSS = 13
# A side is looked at over this share of it next to the corner, or over so many pixels where that is more: a lens bends
# long sides, and the straight line that is wanted is the one at the corner.
_SHARE, _LEAST_PX = 0.4, 30.0
_LEAST_EDGE = 20.0


def refined_quads(grey: NDArray[np.uint8], quads_xy: NDArray[np.float32], modules: int) -> NDArray[np.float32]:
    """The same corners, more exactly.

    On both sides that meet in a corner the edge is located on lines across it, as the centroid of the gradient; a
    straight line is fitted to these places (Huber), and the corner is where the two lines cross. A corner whose sides
    show no clear edge stays where it was.

    Args:
        grey: uint8 (H, W).
        quads_xy: float32 (N, 4, 2), corners within a pixel or two.
        modules: squares along a side of the marker, the black rim included.

    Returns:
        float32 (N, 4, 2).
    """
    return np.array([_refined(grey, quad.astype(np.float64), modules) for quad in quads_xy], np.float32).reshape(
        -1, 4, 2
    )


def _refined(grey: NDArray[np.uint8], quad: Float, modules: int) -> Float:
    refined = quad.copy()
    for at in range(4):
        corner = quad[at]
        lines = [_edge(grey, corner, quad[(at + step) % 4], modules) for step in (1, 3)]
        crossing = None if lines[0] is None or lines[1] is None else _crossing(lines[0], lines[1])
        # The first guess is good to a pixel or two; what lies further off is another edge.
        if crossing is not None and np.abs(crossing - corner).max() < 3:
            refined[at] = crossing
    return refined


def _edge(grey: NDArray[np.uint8], corner: Float, other: Float, modules: int) -> Float | None:
    """A point of the edge from ``corner`` towards ``other`` and its direction, float64 (4,); None if there is none."""
    length = float(np.linalg.norm(other - corner))
    if length < 8:
        return None
    along = (other - corner) / length
    across = np.array([-along[1], along[0]])
    module = length / modules
    reach = float(np.clip(0.45 * module, 1.5, 4.0))
    # Right at the corner the other side's edge would be seen.
    near = min(max(reach, 0.08 * length), 0.3 * length)
    far = min(max(_SHARE * length, _LEAST_PX), length - near)
    steps = np.linspace(near, max(far, near + 1), _SAMPLES)[:, None, None]
    offsets = np.linspace(-reach - 0.5, reach + 0.5, _ACROSS)
    places = (corner + steps * along + offsets[None, :, None] * across - 0.5).astype(np.float32)
    levels = cv2.remap(grey, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    slope = np.diff(levels.astype(np.float64), axis=1)
    slope = np.clip(slope * np.sign(slope.sum()), 0, None)
    rise = slope.sum(axis=1)
    clear = rise > _LEAST_EDGE
    if clear.sum() < _SAMPLES // 2:
        return None
    middles = (offsets[1:] + offsets[:-1]) / 2
    place = (slope[clear] @ middles) / rise[clear]
    points = corner + steps[clear, 0] * along + place[:, None] * across
    dx, dy, x, y = np.asarray(cv2.fitLine(points.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.001)).ravel()
    return np.array([x, y, dx, dy], np.float64)


def _crossing(first: Float, second: Float) -> Float | None:
    """Where two lines (point and direction) cross; None where they are all but parallel."""
    system = np.column_stack([first[2:], -second[2:]])
    if abs(np.linalg.det(system)) < 0.05:
        return None
    crossing: Float = first[:2] + np.linalg.solve(system, second[:2] - first[:2])[0] * first[2:]
    return crossing
