"""What is measured in a scene over time: counts, occupancy, dwell and speed; and how much the scene changes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from scenescope.models.log_events import LogEvent, WithEvents
from scenescope.models.results import _PER_OBJECT, ResultBatch, _rows, _warp_points

__all__ = ["Count", "SceneScore", "ZoneMeasures"]

Float = NDArray[np.floating[Any]]
Int = NDArray[np.int64]


class Count(NamedTuple):
    """How many objects of a class went one way; ``direction`` is one of the shape's two ``words``."""

    direction: str
    label: str
    number: int


@dataclass(frozen=True, eq=False)
class ZoneMeasures(ResultBatch, WithEvents):
    """Zones and lines with what has been counted so far: a row for each, zones first.

    Attributes:
        name: of every zone and line.
        points: per row float32 (n, 2) in pixels: the corners of a zone, or start and end of a line.
        is_line: bool (N,).
        words: per row the two directions. A line's own: from its left side to its right, and back. ("in", "out") for
            a zone.
        caption: per row what is drawn, without the name: "3 now, 12 in, 9 out".
        occupancy: int64 (N,), objects in a zone now; 0 for a line.
        most: int64 (N,), the greatest occupancy so far.
        counts: per row the counts that are not zero, by direction and class, in the order of their names.
        track_id: int64 (T,), the objects that are seen in this frame; this and the next five have a row for each.
        track_xy: float32 (T, 2), where they stand, in pixels.
        speed_mps: float32 (T,), metres a second over the ground; NaN where it is not known.
        dwell_s: float32 (T,), seconds of the longest stay that lasts; 0 outside all zones.
        inside: per track the names of the zones that it is in.
        stay_s: per track since how many seconds it is in each of those.
        unit: in which speeds are shown: "km/h", "mph" or "m/s".
        hint: why something is not measured, in a sentence; empty when all is.
        events: what happened, told once; see :class:`WithEvents`.
    """

    name: tuple[str, ...] = field(default=(), metadata=_PER_OBJECT)
    points: tuple[Float, ...] = field(default=(), metadata=_PER_OBJECT)
    is_line: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_), metadata=_PER_OBJECT)
    words: tuple[tuple[str, str], ...] = field(default=(), metadata=_PER_OBJECT)
    caption: tuple[str, ...] = field(default=(), metadata=_PER_OBJECT)
    occupancy: Int = field(default_factory=lambda: np.empty(0, np.int64), metadata=_PER_OBJECT)
    most: Int = field(default_factory=lambda: np.empty(0, np.int64), metadata=_PER_OBJECT)
    counts: tuple[tuple[Count, ...], ...] = field(default=(), metadata=_PER_OBJECT)
    track_id: Int = field(default_factory=lambda: np.empty(0, np.int64))
    track_xy: Float = field(default_factory=lambda: np.empty((0, 2), np.float32))
    speed_mps: Float = field(default_factory=lambda: np.empty(0, np.float32))
    dwell_s: Float = field(default_factory=lambda: np.empty(0, np.float32))
    inside: tuple[tuple[str, ...], ...] = ()
    stay_s: tuple[tuple[float, ...], ...] = ()
    unit: str = "km/h"
    hint: str = ""
    events: tuple[LogEvent, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple(_rows(line, np.float32, 2) for line in self.points))
        object.__setattr__(self, "is_line", _rows(self.is_line, np.bool_))
        for name in ("occupancy", "most", "track_id"):
            object.__setattr__(self, name, _rows(getattr(self, name), np.int64))
        object.__setattr__(self, "track_xy", _rows(self.track_xy, np.float32, 2))
        for name in ("speed_mps", "dwell_s"):
            object.__setattr__(self, name, _rows(getattr(self, name), np.float32))
        for name in ("inside", "stay_s"):
            if not getattr(self, name):
                object.__setattr__(self, name, ((),) * len(self.track_id))
        self._check_lengths()
        columns = ("track_id", "track_xy", "speed_mps", "dwell_s", "inside", "stay_s")
        lengths = {name: len(getattr(self, name)) for name in columns}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{type(self).__name__}: columns differ in length: {lengths}")

    def total(self, row: int, direction: str) -> int:
        """All that went that way through one zone or over one line."""
        return sum(entry.number for entry in self.counts[row] if entry.direction == direction)

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """The shapes and places in the coordinates of another picture; events keep those of the source."""
        points = tuple(_warp_points(line, matrix) for line in self.points)
        return replace(self, points=points, track_xy=_warp_points(self.track_xy, matrix))


@dataclass(frozen=True, eq=False)
class SceneScore(ResultBatch, WithEvents):
    """How much the scene changed lately, and the cuts that were found: one row.

    Attributes:
        score: float32 (1,), change by the measure of the method; NaN before it can be told. Some methods look at the
            frames that follow, so it may be that of a frame shortly before.
        threshold: float32 (1,), from which on it is a cut.
        scene: int64 (1,), number of the scene that is shown, from 1.
        events: the cuts, each with its own frame and time, which may lie shortly before this frame.
    """

    score: Float = field(default_factory=lambda: np.empty(0, np.float32), metadata=_PER_OBJECT)
    threshold: Float = field(default_factory=lambda: np.empty(0, np.float32), metadata=_PER_OBJECT)
    scene: Int = field(default_factory=lambda: np.empty(0, np.int64), metadata=_PER_OBJECT)
    events: tuple[LogEvent, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", _rows(self.score, np.float32))
        object.__setattr__(self, "threshold", _rows(self.threshold, np.float32))
        object.__setattr__(self, "scene", _rows(self.scene, np.int64))
        self._check_lengths()

    def warped(self, matrix: NDArray[np.float64]) -> Self:
        """A scene has no place, so it stays as it is."""
        return self
