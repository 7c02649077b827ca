"""Where points lie in relation to zones and lines, for all of both at once, and the way from picture to ground."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.zones.model import CountLine, Ground, Zone

__all__ = ["GroundPlane", "LineGeometry", "ZoneGeometry"]

Float = NDArray[np.floating[Any]]
# Points times edges that are looked at in one go: 2 million of them take some 50 MB for a moment.
_AT_ONCE = 2_000_000


class ZoneGeometry:
    """The polygons of some zones in pixels of the source picture.

    Args:
        zones: what was drawn; Z of them.
        size_wh: size of the source picture.
    """

    def __init__(self, zones: tuple[Zone, ...], size_wh: tuple[int, int]) -> None:
        self.polygons = [np.array(zone.points, np.float64) * size_wh for zone in zones]
        if not zones:
            return
        self._from = np.concatenate(self.polygons)
        self._to = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in self.polygons])
        lengths = [len(polygon) for polygon in self.polygons]
        self._first = np.concatenate([[0], np.cumsum(lengths)[:-1]])

    def depth(self, xy: Float) -> Float:
        """How far inside each zone points are, float64 (N, Z) in pixels; negative outside, by the distance to it.

        Inside is what a ray to the right leaves an odd number of times (even-odd rule), so a polygon that crosses
        itself has holes.
        """
        if not self.polygons or not len(xy):
            return np.zeros((len(xy), len(self.polygons)))
        step = max(_AT_ONCE // len(self._from), 1)
        return np.concatenate([self._depth(xy[at : at + step]) for at in range(0, len(xy), step)])

    def _depth(self, xy: Float) -> Float:
        x, y = xy[:, :1].astype(np.float64), xy[:, 1:].astype(np.float64)
        (x1, y1), (x2, y2) = self._from.T, self._to.T
        dx, dy = x2 - x1, y2 - y1
        squared = np.maximum(dx * dx + dy * dy, 1e-12)
        along = np.clip(((x - x1) * dx + (y - y1) * dy) / squared, 0, 1)
        away = np.hypot(x - (x1 + along * dx), y - (y1 + along * dy))
        spans = (y1 > y) != (y2 > y)
        hits = spans & (x < x1 + (y - y1) * dx / np.where(dy == 0, 1.0, dy))
        inside = np.add.reduceat(hits, self._first, axis=1, dtype=np.int64) % 2 == 1
        nearest = np.minimum.reduceat(away, self._first, axis=1)
        return np.where(inside, nearest, -nearest)


class LineGeometry:
    """Counting lines in pixels of the source picture.

    Args:
        lines: what was drawn; L of them.
        size_wh: size of the source picture.
    """

    def __init__(self, lines: tuple[CountLine, ...], size_wh: tuple[int, int]) -> None:
        self.start = np.array([line.start for line in lines], np.float64).reshape(-1, 2) * size_wh
        self.end = np.array([line.end for line in lines], np.float64).reshape(-1, 2) * size_wh
        along = self.end - self.start
        self._length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
        self._unit = along / self._length[:, None]

    def offset(self, xy: Float) -> Float:
        """Distance of points from each line's infinite extension, float64 (N, L) in pixels.

        Positive on the right side, seen along the line from start to end on a picture whose y points down: of a line
        that runs to the right, that is below it. A move from negative to positive is ``forward``.
        """
        x, y = xy[:, :1] - self.start[:, 0], xy[:, 1:] - self.start[:, 1]
        offset: Float = self._unit[:, 0] * y - self._unit[:, 1] * x
        return offset

    def hits(self, before: Float, after: Float, offset_before: Float, offset_after: Float) -> NDArray[np.bool_]:
        """Whether the ways of points from ``before`` to ``after``, (N, 2) each, pass between the ends of each line.

        Args:
            before: places of the points before.
            after: and after.
            offset_before: their :meth:`offset` before, (N, L).
            offset_after: and after; where the signs are equal the answer is False.
        """
        crossing = (offset_before >= 0) != (offset_after >= 0)
        moved = offset_before - offset_after
        share = offset_before / np.where(crossing, moved, 1.0)
        x = before[:, :1] + share * (after - before)[:, :1] - self.start[:, 0]
        y = before[:, 1:] + share * (after - before)[:, 1:] - self.start[:, 1]
        along = x * self._unit[:, 0] + y * self._unit[:, 1]
        passed: NDArray[np.bool_] = crossing & (along >= 0) & (along <= self._length)
        return passed


class GroundPlane:
    """Maps pixels of the source picture to metres on the ground.

    Args:
        ground: the rectangle as it was drawn.
        size_wh: size of the source picture.
    """

    def __init__(self, ground: Ground, size_wh: tuple[int, int]) -> None:
        corners = np.array(ground.points, np.float32) * np.array(size_wh, np.float32)
        width, length = ground.width_m, ground.length_m
        real = np.array([[0, 0], [width, 0], [width, length], [0, length]], np.float32)
        self._matrix = np.asarray(cv2.getPerspectiveTransform(corners, real), np.float64)
        scale = corners @ self._matrix[2, :2] + self._matrix[2, 2]
        # The denominator falls to zero at the horizon, where a pixel stands for any distance.
        self._least = 0.25 * float(np.abs(scale).min())
        self._sign = float(np.sign(scale[0]))

    def to_ground(self, xy: Float) -> Float:
        """Places on the ground, float64 (N, 2) in metres; NaN for what lies at the horizon or above it."""
        homogeneous = xy @ self._matrix[:, :2].T + self._matrix[:, 2]
        scale = homogeneous[:, 2:] * self._sign
        known = scale > self._least
        ground: Float = np.where(known, homogeneous[:, :2] * self._sign / np.where(known, scale, 1.0), np.nan)
        return ground
