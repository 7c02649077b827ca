"""Results that are lines and outlines rather than boxes: oriented boxes, shapes, markers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import _PER_OBJECT, Detections, ResultBatch, _rows, _warp_points

__all__ = ["Markers", "OrientedDetections", "Shapes"]

Float = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class OrientedDetections(Detections):
    """Detections whose boxes are turned: ``quad_xy`` float32 (N, 4, 2), corners in order; ``xyxy`` is around them."""

    quad_xy: Float = field(default_factory=lambda: np.empty((0, 4, 2), np.float32), metadata=_PER_OBJECT)

    def __post_init__(self) -> None:
        quads = _rows(self.quad_xy, np.float32, 4, 2)
        object.__setattr__(self, "quad_xy", quads)
        object.__setattr__(self, "xyxy", np.hstack([quads.min(axis=1), quads.max(axis=1)]).reshape(-1, 4))
        super().__post_init__()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The corners in the coordinates of another picture."""
        return replace(self, quad_xy=_warp_points(self.quad_xy, matrix))


@dataclass(frozen=True, eq=False)
class Shapes(ResultBatch):
    """Outlines and lines: contours, Hough lines, arrows of motion, gaze.

    Attributes:
        points: per shape float32 (n, 2), in pixels.
        caption: per shape a few words to draw beside it, or "".
        closed: whether the last point is joined to the first.
        arrow: whether lines end in an arrow head.
        kind: what they are, in one word, by which they are coloured: "contour", "line", "gaze".
        measures: float32 (N, M), numbers of every shape.
        measure_names: what they are, with units: ("area_px2", "perimeter_px"). Measures in pixels are those of the
            picture that the stage was given; they are not changed by :meth:`warped`.
    """

    points: tuple[Float, ...] = field(default=(), metadata=_PER_OBJECT)
    caption: tuple[str, ...] = field(default=(), metadata=_PER_OBJECT)
    measures: Float = field(default_factory=lambda: np.empty((0, 0), np.float32), metadata=_PER_OBJECT)
    measure_names: tuple[str, ...] = ()
    closed: bool = False
    arrow: bool = False
    kind: str = "shape"

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(_rows(line, np.float32, 2) for line in self.points))
        if not self.caption:
            object.__setattr__(self, "caption", ("",) * len(self.points))
        width = len(self.measure_names)
        measures = np.asarray(self.measures, np.float32).reshape(len(self.points), width)
        measures.flags.writeable = False
        object.__setattr__(self, "measures", measures)
        self._check_lengths()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The points in the coordinates of another picture."""
        return replace(self, points=tuple(_warp_points(line, matrix) for line in self.points))


@dataclass(frozen=True, eq=False)
class Markers(ResultBatch):
    """Fiducial markers (ArUco, AprilTag), with their pose in the camera's frame where the camera is known.

    Attributes:
        quad_xy: float32 (N, 4, 2), corners in pixels, clockwise from the marker's own top left.
        marker_id: int64 (N,).
        rotation_rad: float64 (N, 3), Rodrigues vector from the marker's frame to the camera's; NaN when not known.
        translation_m: float64 (N, 3), the marker's centre in the camera's frame: x right, y down, z forward.
        family: the dictionary's name, "DICT_4X4_50".
    """

    quad_xy: Float = field(default_factory=lambda: np.empty((0, 4, 2), np.float32), metadata=_PER_OBJECT)
    marker_id: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64), metadata=_PER_OBJECT)
    rotation_rad: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)), metadata=_PER_OBJECT)
    translation_m: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)), metadata=_PER_OBJECT)
    family: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "quad_xy", _rows(self.quad_xy, np.float32, 4, 2))
        object.__setattr__(self, "marker_id", _rows(self.marker_id, np.int64))
        for name in ("rotation_rad", "translation_m"):
            given = getattr(self, name)
            unknown = np.full((len(self.quad_xy), 3), np.nan)
            object.__setattr__(self, name, _rows(given if len(given) else unknown, np.float64, 3))
        self._check_lengths()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The corners in the coordinates of another picture; the pose is in metres and stays."""
        return replace(self, quad_xy=_warp_points(self.quad_xy, matrix))
