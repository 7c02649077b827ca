"""Draws zones, lines and what is measured in them, for :class:`scenescope.pipelines.overlay.OverlayPainter`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models import DenseMap, SceneScore, ZoneMeasures
from scenescope.pipelines.zones.speed import SPEED_UNITS

if TYPE_CHECKING:
    from scenescope.pipelines.overlay import OverlayPainter

__all__ = ["paint_heat", "paint_scene", "paint_zones", "tint_zones"]

Image = NDArray[np.uint8]
Bgr = tuple[int, int, int]
_PLAIN: Bgr = (230, 230, 230)
_TINT = 0.2
_HEAT = 0.75


def paint_zones(painter: OverlayPainter, image: Image, measures: ZoneMeasures, colour_of: Callable[[str], Bgr]) -> None:
    """Zones as outlines, lines with an arrow that points forward, each with its name and numbers; speeds."""
    rows = range(len(measures))
    for row in rows:
        colour = colour_of(measures.name[row])
        painter.outline(image, measures.points[row], colour, closed=not measures.is_line[row])
        if measures.is_line[row]:
            _arrow(painter, image, measures.points[row], colour)
    if not painter.style.labels:
        return
    for row in rows:
        colour, points = colour_of(measures.name[row]), measures.points[row]
        if measures.is_line[row]:
            _line_labels(painter, image, measures, row, colour)
        else:
            x, y = points[int((points[:, 0] + points[:, 1]).argmin())].tolist()
            painter.label(image, round(x), round(y), f"{measures.name[row]}: {measures.caption[row]}", colour)
    for (x, y), speed in zip(measures.track_xy.tolist(), measures.speed_mps.tolist(), strict=True):
        if math.isfinite(speed):
            shown = f"{speed * SPEED_UNITS.get(measures.unit, 1.0):.0f} {measures.unit}"
            painter.label(image, round(x), round(y + 18 * painter.style.scale), shown, _PLAIN)


def tint_zones(image: Image, measures: ZoneMeasures, colour_of: Callable[[str], Bgr]) -> None:
    """A breath of each zone's colour over what lies in it."""
    for name, points, is_line in zip(measures.name, measures.points, measures.is_line.tolist(), strict=True):
        if not is_line:
            _tint(image, points, colour_of(name))


def _tint(image: Image, points: NDArray[np.floating[Any]], colour: Bgr) -> None:
    corners = np.rint(points).astype(np.int32)
    left, top = corners.min(axis=0).clip(0)
    right, bottom = corners.max(axis=0) + 1
    part = image[top : max(bottom, 0), left : max(right, 0)]
    if part.size:
        filled = part.copy()
        cv2.fillPoly(filled, [corners - (left, top)], colour)
        cv2.addWeighted(filled, _TINT, part, 1 - _TINT, 0, dst=part)


def _forward(points: NDArray[np.floating[Any]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middle of a line, and the unit vector to its right side."""
    start, end = points.astype(np.float64)
    along = (end - start) / max(float(np.hypot(*(end - start))), 1e-9)
    return (start + end) / 2, np.array([-along[1], along[0]])


def _arrow(painter: OverlayPainter, image: Image, points: NDArray[np.floating[Any]], colour: Bgr) -> None:
    middle, right = _forward(points)
    start, end = (np.rint(p).astype(int).tolist() for p in (middle, middle + 26 * painter.style.scale * right))
    width = max(round(2 * painter.style.scale), 1)
    cv2.arrowedLine(image, start, end, (20, 20, 20), width + 2, cv2.LINE_AA, tipLength=0.4)
    cv2.arrowedLine(image, start, end, colour, width, cv2.LINE_AA, tipLength=0.4)


def _line_labels(painter: OverlayPainter, image: Image, measures: ZoneMeasures, row: int, colour: Bgr) -> None:
    """The name at the start, and on each side what went there."""
    points, scale = measures.points[row], painter.style.scale
    middle, right = _forward(points)
    for word, way in zip(measures.words[row], (1, -1), strict=True):
        x, y = (middle + way * 34 * scale * right).tolist()
        text = f"{measures.total(row, word)} {word}" if not measures.hint else word
        # A label hangs to the right of its place: on the left side of an upright line it would lie over it.
        room = (10 + 7 * len(text)) * scale * (1 if way * right[0] < -0.3 else 0)
        painter.label(image, round(x - room), round(y + 9 * scale), text, colour)
    painter.label(image, round(float(points[0, 0])), round(float(points[0, 1])), measures.name[row], colour)


def paint_heat(image: Image, heat: DenseMap) -> None:
    """Where objects have been, over the picture: the longer, the brighter and the less of the picture shows through."""
    for values in heat.values:
        most = float(values.max(initial=0.0))
        if most <= 0:
            continue
        # The root shows a way that was taken once beside a place where somebody stood.
        level = np.sqrt(values / most)
        half = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
        into = np.linalg.inv(half) @ heat.to_picture @ half
        spread = np.asarray(
            cv2.warpPerspective((level * 255).astype(np.uint8), into, (image.shape[1], image.shape[0])), np.uint8
        )
        coloured = cv2.applyColorMap(spread, cv2.COLORMAP_INFERNO)
        share = cv2.merge([spread.astype(np.float32) * (_HEAT / 255)] * 3)
        image[:] = (image + (coloured - image.astype(np.float32)) * share).astype(np.uint8)


def paint_scene(painter: OverlayPainter, image: Image, scene: SceneScore) -> None:
    """The number of the scene, in the lower left corner."""
    for number, events in zip(scene.scene.tolist(), [scene.events], strict=False):
        cut = " · cut" if events else ""
        painter.label(image, 8, image.shape[0] - 8, f"scene {number}{cut}", _PLAIN)
