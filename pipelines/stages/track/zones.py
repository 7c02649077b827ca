"""Zones and lines: who is where, who crosses what, how long and how fast."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Count, DenseMap, Detections, LogEvent, Tracks, ZoneMeasures
from scenescope.pipelines import Frame, Result, Stage, StageContext, StageParams
from scenescope.pipelines.zones.counter import CountSettings, SceneCounter
from scenescope.pipelines.zones.geometry import ZoneGeometry
from scenescope.pipelines.zones.heat import HeatMap
from scenescope.pipelines.zones.identity import Seen
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

__all__ = ["Zones"]

ZONE_WORDS = ("in", "out")
NO_TRACKER = "Nothing is counted without a tracker: put 'Track objects' before this stage."
NO_OBJECTS = "There is nothing to count: put 'Detect objects' and 'Track objects' before this stage."


class Zones(Stage, title="Zones and lines", group="Track", stateful=True):
    """Count objects in zones and over lines, and measure how long they stay and how fast they are.

    An object counts once it is clear of a border, so that one that dithers there does not; a track that ends and
    begins again under another number within a second is one object, and so are two tracks of one object. Every moment
    of a film counts once: a jump breaks ways off and keeps the counts, a jump to where counting began starts at zero.
    """

    class Params(StageParams):
        shapes: ZoneSet = Field(ZoneSet(), description="Zones, lines and the ground, drawn on the picture.")
        anchor: Literal["bottom", "centre"] = Field(
            "bottom", description="Which point of an object counts: where it stands, or its middle."
        )
        margin_percent: float = Field(
            15.0, ge=0, le=100, description="How far from a border an object must get to count, in % of its size."
        )
        confirm_frames: int = Field(
            2, ge=1, le=30, description="Sightings beyond a border that make a change, where the motion was unsteady."
        )
        lost_s: float = Field(2.0, ge=0.1, le=60, description="Out of sight for longer, an object has left its zones.")
        heat_map: bool = Field(False, description="Show where objects have spent their time.")
        heat_half_life_s: float = Field(
            0.0, ge=0, le=86_400, description="Time after which the heat of the past counts half; 0 for always."
        )
        speed_limit_kmh: float = Field(
            0.0, ge=0, le=1000, description="Report objects that are faster; needs the ground. 0 for none."
        )
        units: Literal["km/h", "mph", "m/s"] = Field("km/h", description="In what speeds are shown.")

    def open(self, context: StageContext) -> None:
        self._counter: SceneCounter | None = None
        self._heat: HeatMap | None = None
        self._last_s = 0.0

    def with_params(self, params: StageParams) -> Self:
        assert isinstance(params, Zones.Params)
        before, self.params = self.params, params
        if self._counter is not None:
            self._counter.change(params.shapes, _settings(params))
            if before.anchor != params.anchor:
                self._counter.break_off()
        if not params.heat_map:
            self._heat = None
        return self

    def process(self, frame: Frame) -> Frame:
        counter = self._counter
        if counter is None or counter.size_wh != frame.source_size_wh:
            counter = self._counter = SceneCounter(self.params.shapes, frame.source_size_wh, _settings(self.params))
            self._heat = None
        tracks, found = _newest(frame, Tracks), _newest(frame, Detections)
        events: list[LogEvent] = []
        seen: Seen | None = None
        if tracks is not None:
            seen = self._seen(tracks)
            events = counter.step(frame.pts_s, frame.index, seen)
            measures = self._measured(counter, events)
        else:
            seen = None if found is None else self._seen(found)
            measures = self._without_tracker(seen, frame.source_size_wh)
        more = {self.context.stage_id: Result(measures, np.eye(3), frame.stamp)}
        if self.params.heat_map and seen is not None:
            heat = self._heated(frame, seen)
            more[f"{self.context.stage_id}.heat"] = Result(heat, np.eye(3), frame.stamp)
        self._last_s = frame.pts_s
        return frame.with_results(more)

    def _seen(self, entry: Result) -> Seen:
        """The objects in pixels of the source. They stand on the lower side of the picture they were found in."""
        found = entry.value
        assert isinstance(found, Detections)
        boxes = found.xyxy.astype(np.float64).reshape(-1, 4)
        anchors = np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, 3]], axis=1)
        if self.params.anchor == "centre":
            anchors[:, 1] = boxes[:, [1, 3]].mean(axis=1)
        corners = _mapped(boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2), entry.to_source).reshape(-1, 4, 2)
        ids = found.track_id if isinstance(found, Tracks) else np.full(len(found), -1, np.int64)
        xyxy = np.hstack([corners.min(axis=1), corners.max(axis=1)]).reshape(-1, 4)
        return Seen(ids, found.labels, found.confidence, xyxy, _mapped(anchors, entry.to_source))

    def _heated(self, frame: Frame, seen: Seen) -> DenseMap:
        if self._heat is None:
            self._heat = HeatMap(frame.source_size_wh)
            self._last_s = frame.pts_s
        known = seen.anchor_xy[seen.track_id >= 0] if (seen.track_id >= 0).any() else seen.anchor_xy
        self._heat.add(known, frame.pts_s - self._last_s, self.params.heat_half_life_s)
        return DenseMap.covering(self._heat.seconds, frame.source_size_wh, "heat", "s")

    # Telling ---------------------------------------------------------------------------------------------------------

    def _measured(self, counter: SceneCounter, events: list[LogEvent]) -> ZoneMeasures:
        shapes, tally = self.params.shapes, counter.tally
        present = counter.present
        now = counter.occupancy
        both: list[Zone | CountLine] = [*shapes.zones, *shapes.lines]
        words = [_words(shape) for shape in both]
        counts = [
            _counts(tally.counts(shape.name, shape.labels), pair) for shape, pair in zip(both, words, strict=True)
        ]
        lines = [0] * len(shapes.lines)
        occupancy = [*now, *lines]
        return ZoneMeasures(
            name=shapes.names,
            points=_outlines(shapes, counter.size_wh),
            is_line=np.array([isinstance(shape, CountLine) for shape in both]),
            words=tuple(words),
            caption=tuple(_caption(*row) for row in zip(both, words, counts, occupancy, strict=True)),
            occupancy=np.array(occupancy),
            most=np.array([*(tally.most.get(zone.name, 0) for zone in shapes.zones), *lines]),
            counts=tuple(counts),
            track_id=np.array([one.track_id for one in present]),
            track_xy=np.array([one.xy for one in present]),
            speed_mps=np.array([one.speed_mps for one in present]),
            dwell_s=np.array([one.dwell_s for one in present]),
            inside=tuple(one.inside for one in present),
            stay_s=tuple(one.stay_s for one in present),
            unit=self.params.units,
            events=tuple(events),
        )

    def _without_tracker(self, seen: Seen | None, size_wh: tuple[int, int]) -> ZoneMeasures:
        """What can be told of one frame alone: who is in which zone."""
        shapes = self.params.shapes
        both: list[Zone | CountLine] = [*shapes.zones, *shapes.lines]
        occupancy = np.zeros(len(both), np.int64)
        if seen is not None:
            inside = ZoneGeometry(shapes.zones, size_wh).depth(seen.anchor_xy) > 0
            for column, zone in enumerate(shapes.zones):
                wanted = np.array([not zone.labels or label in zone.labels for label in seen.label], np.bool_)
                occupancy[column] = int((inside[:, column] & wanted).sum())
        captions = [
            f"{now} now" if isinstance(one, Zone) else "no tracker" for one, now in zip(both, occupancy, strict=True)
        ]
        return ZoneMeasures(
            name=shapes.names,
            points=_outlines(shapes, size_wh),
            is_line=np.array([isinstance(shape, CountLine) for shape in both]),
            words=tuple(_words(shape) for shape in both),
            caption=tuple(captions),
            occupancy=occupancy,
            most=occupancy,
            counts=((),) * len(both),
            unit=self.params.units,
            hint=NO_OBJECTS if seen is None else NO_TRACKER,
        )


def _settings(params: Zones.Params) -> CountSettings:
    return CountSettings(params.margin_percent / 100, params.confirm_frames, params.lost_s, params.speed_limit_kmh)


def _newest(frame: Frame, kind: type[Detections]) -> Result | None:
    """The last result of a kind, with the map to the source's pixels."""
    entries = [entry for entry in frame.results.values() if isinstance(entry.value, kind)]
    return entries[-1] if entries else None


def _mapped(xy: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    homogeneous = xy @ matrix[:, :2].T + matrix[:, 2]
    mapped: NDArray[np.float64] = homogeneous[:, :2] / homogeneous[:, 2:]
    return mapped


def _words(shape: Zone | CountLine) -> tuple[str, str]:
    return (shape.forward, shape.backward) if isinstance(shape, CountLine) else ZONE_WORDS


def _counts(counted: dict[tuple[int, str], int], words: tuple[str, str]) -> tuple[Count, ...]:
    return tuple(sorted(Count(words[0 if way > 0 else 1], label, count) for (way, label), count in counted.items()))


def _caption(shape: Zone | CountLine, words: tuple[str, str], counts: tuple[Count, ...], occupancy: int) -> str:
    totals = [sum(entry.number for entry in counts if entry.direction == word) for word in words]
    told = ", ".join(f"{total} {word}" for total, word in zip(totals, words, strict=True))
    return told if isinstance(shape, CountLine) else f"{occupancy} now, {told}"


def _outlines(shapes: ZoneSet, size_wh: tuple[int, int]) -> tuple[NDArray[np.float64], ...]:
    zones = [np.array(zone.points) * size_wh for zone in shapes.zones]
    return (*zones, *(np.array([line.start, line.end]) * size_wh for line in shapes.lines))
