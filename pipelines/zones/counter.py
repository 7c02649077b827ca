"""Counts who crosses which line and who is in which zone, from tracks alone: no picture, no engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.zones.geometry import GroundPlane, LineGeometry, ZoneGeometry
from scenescope.pipelines.zones.identity import Identities, Seen, Sightings
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet
from scenescope.pipelines.zones.spans import SeenTime
from scenescope.pipelines.zones.speed import MPS_PER_KMH, Speedometer
from scenescope.pipelines.zones.states import Change, LineStates, Look, ZoneStates
from scenescope.pipelines.zones.tally import Tally

__all__ = ["CountSettings", "Present", "SceneCounter"]

Float = NDArray[np.floating[Any]]
# However small an object is, within so many pixels it is not clear of a border.
_LEAST_MARGIN_PX = 2.0
# Who is found inside so soon after a jump was there before.
_GRACE_S = 0.5
# After an event about too much speed, the object must have slowed down to this share before the next one.
_SLOWED = 0.9


@dataclass(frozen=True)
class CountSettings:
    """How it is counted.

    Attributes:
        margin: how far from a border an object must be to be clear of it, as a share of its size.
        confirm: how many sightings clear of a border make a change of sides, when its motion did not lead there.
        lost_s: seconds out of sight after which an object has left its zones.
        limit_kmh: speed from which on it is an event; 0 for never.
    """

    margin: float = 0.15
    confirm: int = 2
    lost_s: float = 2.0
    limit_kmh: float = 0.0


@dataclass(frozen=True)
class Present:
    """An object that is seen now: its number, place in source pixels, speed (NaN when unknown), longest stay and zones.

    ``inside`` are the names of the zones it is in that count its class, ``stay_s`` since how many seconds in each.
    """

    track_id: int
    xy: tuple[float, float]
    speed_mps: float
    dwell_s: float
    inside: tuple[str, ...] = ()
    stay_s: tuple[float, ...] = ()


class SceneCounter:
    """Follows the objects of one scene. Used by one thread.

    What happened is told once for every moment of media time: where the player jumps, ways are broken off without an
    event, counts stay, and what was played before is not counted again. A jump to where it all began begins at zero.

    Args:
        shapes: zones, lines and ground.
        size_wh: size of the source picture in pixels.
        settings: how it is counted.
    """

    def __init__(self, shapes: ZoneSet, size_wh: tuple[int, int], settings: CountSettings | None = None) -> None:
        self.shapes = shapes
        self.size_wh = size_wh
        self.settings = settings or CountSettings()
        self.tally = Tally()
        self._time = SeenTime()
        self._objects = Identities(self.settings.lost_s)
        self._speeds = Speedometer()
        self._speed_mps: dict[int, float] = {}
        self._speeding: set[int] = set()
        self._now_s, self._now_index = 0.0, -1
        self._present: list[int] = []
        self._grace_until_s = -math.inf
        self._zones = ZoneStates(ZoneGeometry(shapes.zones, size_wh), self.settings.confirm)
        self._lines = LineStates(LineGeometry(shapes.lines, size_wh), self.settings.confirm)
        self._ground = GroundPlane(shapes.ground, size_wh) if shapes.ground else None

    # Frames ----------------------------------------------------------------------------------------------------------

    def step(self, t_s: float, index: int, seen: Seen) -> list[LogEvent]:
        """Take the tracks of the next frame; what happened.

        Args:
            t_s: media time of the frame.
            index: its number.
            seen: its tracks, in pixels of the source picture.
        """
        how = self._time.step(t_s, index)
        if how == "again":
            return []
        if how != "on":
            self.break_off()
            self._grace_until_s = t_s + _GRACE_S if how == "jump" else -math.inf
        if how == "start":
            self.tally.clear()
        self._now_s, self._now_index = t_s, index
        sightings = self._objects.update(t_s, index, seen)
        self._zones.grow(self._objects.capacity)
        self._lines.grow(self._objects.capacity)
        events = []
        for gone in sightings.lost:
            events += self._told(self.shapes.lines, self._lines.lose(gone.slot))
            events += self._told(self.shapes.zones, self._zones.lose(gone))
        for slot in sightings.freed:
            self._forget(slot)
        for slot, old in sightings.relabelled:
            self.tally.relabel(slot, old, self._objects.label[slot])
        look = self._looked(t_s, index, seen, sightings)
        self._begin(look, sightings)
        events += self._told(self.shapes.zones, self._zones.step(look))
        events += self._told(self.shapes.lines, self._lines.step(look))
        events += self._dwells(look)
        events += self._measured(look)
        self._present = sightings.slot.tolist()
        for zone, now in zip(self.shapes.zones, self.occupancy, strict=True):
            self.tally.most[zone.name] = max(self.tally.most.get(zone.name, 0), now)
        return events

    def break_off(self) -> None:
        """Forget the ways of all objects, without events; counts stay."""
        self._objects.reset()
        self._zones.clear(slice(None))
        self._lines.clear(slice(None))
        self._speeds.clear()
        self._speed_mps.clear()
        self._speeding.clear()
        self._present = []
        self.tally.settle()
        self._grace_until_s = self._now_s + _GRACE_S

    def _looked(self, t_s: float, index: int, seen: Seen, sightings: Sightings) -> Look:
        rows = sightings.row
        xyxy = seen.xyxy[rows].astype(np.float64).reshape(-1, 4)
        xy = seen.anchor_xy[rows].astype(np.float64).reshape(-1, 2)
        before_xy = sightings.before_xy.reshape(-1, 2)
        return Look(t_s, index, sightings.slot, xy, before_xy, self._margin_px(xyxy), sightings.sure, xyxy)

    def _margin_px(self, xyxy: Float) -> Float:
        size = np.sqrt((xyxy[:, 2:] - xyxy[:, :2]).clip(1).prod(axis=1))
        margin_px: Float = np.maximum(self.settings.margin * size, _LEAST_MARGIN_PX)
        return margin_px

    def _begin(self, look: Look, sightings: Sightings) -> None:
        """Prepare the rows of new objects."""
        for slot, parent in sightings.born:
            self._forget(slot)
            if parent >= 0:
                self._lines.inherit(slot, parent)
        if sightings.born and look.t_s <= self._grace_until_s:
            slots = [slot for slot, _ in sightings.born]
            xy = np.concatenate([look.xy[look.slot == slot] for slot in slots])
            self._zones.place(slots, xy, look.t_s, list(range(len(self.shapes.zones))))

    def _forget(self, slot: int) -> None:
        self._zones.clear(slot)
        self._lines.clear(slot)
        self._speeds.forget(slot)
        self._speed_mps.pop(slot, None)
        self._speeding.discard(slot)
        self.tally.forget(slot)

    # What happened ---------------------------------------------------------------------------------------------------

    def _told(self, shapes: Sequence[Zone | CountLine], changes: list[Change]) -> list[LogEvent]:
        """Count changes of sides; the events of those that the shapes want to know of."""
        events = []
        for change in changes:
            if self._time.was_seen(change.t_s):
                continue
            shape, label = shapes[change.column], self._objects.label[change.slot]
            self.tally.add(shape.name, change.way, change.slot, label)
            if shape.labels and label not in shape.labels:
                continue
            about: dict[str, Any]
            if isinstance(shape, CountLine):
                word = shape.forward if change.way > 0 else shape.backward
                about = {"kind": EventKind.LINE_CROSS, "line": shape.name, "direction": word}
            elif change.way > 0:
                about = {"kind": EventKind.ZONE_ENTER, "zone": shape.name}
            else:
                stay_s = change.t_s - change.began_s
                about = {"kind": EventKind.ZONE_LEAVE, "zone": shape.name, "value": stay_s}
            events.append(self._event(change.slot, change.t_s, change.index, change.xyxy, **about))
        return events

    def _event(
        self, slot: int, t_s: float, index: int, xyxy: tuple[float, float, float, float], **about: Any
    ) -> LogEvent:
        track_id, label = self._objects.track_id(slot), self._objects.label[slot]
        return LogEvent(t_s=t_s, frame=index, label=label, track_id=track_id, xyxy=xyxy, **about)

    def _dwells(self, look: Look) -> list[LogEvent]:
        """Stays that have become long in this frame."""
        events = []
        for column, zone in enumerate(self.shapes.zones):
            if zone.dwell_s is None:
                continue
            stay_s = look.t_s - self._zones.entered_s[look.slot, column]
            long = self._zones.staying(look.slot)[:, column] & ~self._zones.dwelt[look.slot, column]
            for row in np.flatnonzero(long & (stay_s >= zone.dwell_s)).tolist():
                slot = int(look.slot[row])
                self._zones.dwelt[slot, column] = True
                wanted = not zone.labels or self._objects.label[slot] in zone.labels
                if wanted and not self._time.was_seen(look.t_s):
                    events.append(
                        self._event(
                            slot,
                            look.t_s,
                            look.index,
                            _box(look.xyxy[row]),
                            kind=EventKind.DWELL,
                            zone=zone.name,
                            value=float(stay_s[row]),
                        )
                    )
        return events

    def _measured(self, look: Look) -> list[LogEvent]:
        """Speeds of this frame, and who has become too fast."""
        if self._ground is None:
            return []
        limit_mps = self.settings.limit_kmh * MPS_PER_KMH
        events = []
        for row, (slot, (x_m, y_m)) in enumerate(
            zip(look.slot.tolist(), self._ground.to_ground(look.xy).tolist(), strict=True)
        ):
            speed = self._speed_mps[slot] = self._speeds.add(slot, look.t_s, x_m, y_m)
            if slot in self._speeding:
                if speed < _SLOWED * limit_mps:
                    self._speeding.discard(slot)
            elif limit_mps and speed > limit_mps:
                self._speeding.add(slot)
                if not self._time.was_seen(look.t_s):
                    within = np.flatnonzero(self._zones.inside[slot]).tolist()
                    zone = self.shapes.zones[within[0]].name if within else ""
                    box = _box(look.xyxy[row])
                    events.append(
                        self._event(slot, look.t_s, look.index, box, kind=EventKind.SPEED, zone=zone, value=speed)
                    )
        return events

    # What is so now --------------------------------------------------------------------------------------------------

    @property
    def occupancy(self) -> list[int]:
        """Objects of the wanted classes in each zone now; one that is out of sight for a moment is still there."""
        slots = np.flatnonzero(self._objects.used)
        labels = [self._objects.label.get(slot, "") for slot in slots.tolist()]
        inside = self._zones.inside[slots]
        now = inside.sum(axis=0).tolist()
        for column, zone in enumerate(self.shapes.zones):
            if zone.labels:
                now[column] = sum(
                    label in zone.labels for label, is_in in zip(labels, inside[:, column], strict=True) if is_in
                )
        return [int(count) for count in now]

    @property
    def present(self) -> list[Present]:
        """The objects of this frame."""
        stay_s = np.where(self._zones.inside, self._now_s - self._zones.entered_s, 0.0).max(axis=1, initial=0.0)
        rows = []
        for slot in self._present:
            x, y = self._objects.anchor_xy[slot].tolist()
            speed = self._speed_mps.get(slot, math.nan)
            zones = self.shapes.zones
            label = self._objects.label[slot]
            columns = [
                column
                for column in np.flatnonzero(self._zones.inside[slot]).tolist()
                if not zones[column].labels or label in zones[column].labels
            ]
            inside = tuple(zones[column].name for column in columns)
            stays_s = tuple(self._now_s - float(self._zones.entered_s[slot, column]) for column in columns)
            rows.append(Present(self._objects.track_id(slot), (x, y), speed, float(stay_s[slot]), inside, stays_s))
        return rows

    # Changes between frames ------------------------------------------------------------------------------------------

    def change(self, shapes: ZoneSet, settings: CountSettings) -> None:
        """Go on with other shapes or settings: a shape of the same name keeps its counts, wherever it is moved to."""
        self.settings, self._objects.lost_s = settings, settings.lost_s
        self._zones.confirm = self._lines.confirm = settings.confirm
        old, self.shapes = self.shapes, shapes
        if old == shapes:
            return
        kinds = {shape.name: type(shape) for shape in (*old.zones, *old.lines)}
        self.tally.keep({s.name for s in (*shapes.zones, *shapes.lines) if kinds.get(s.name) is type(s)})
        moved_zones = _moved([(z.name, z.points) for z in old.zones], [(z.name, z.points) for z in shapes.zones])
        moved_lines = _moved(
            [(line.name, (line.start, line.end)) for line in old.lines],
            [(line.name, (line.start, line.end)) for line in shapes.lines],
        )
        self._zones.rearrange([source for source, _ in moved_zones])
        self._lines.rearrange([source for source, _ in moved_lines])
        self._zones.geometry = ZoneGeometry(shapes.zones, self.size_wh)
        self._lines.geometry = LineGeometry(shapes.lines, self.size_wh)
        if old.ground != shapes.ground:
            self._ground = GroundPlane(shapes.ground, self.size_wh) if shapes.ground else None
            self._speeds.clear()
            self._speed_mps.clear()
        # Shapes that were moved under the objects' feet: where they stand now is no event.
        slots = np.flatnonzero(self._objects.used & ~self._objects.lost).tolist()
        xy, margin_px = self._objects.anchor_xy[slots], self._margin_px(self._objects.xyxy[slots])
        self._zones.place(slots, xy, self._now_s, [to for to, (_, moved) in enumerate(moved_zones) if moved])
        self._lines.place(slots, xy, margin_px, [to for to, (_, moved) in enumerate(moved_lines) if moved])


def _moved(old: list[tuple[str, Any]], new: list[tuple[str, Any]]) -> list[tuple[int | None, bool]]:
    """For each new shape the column of the old one of its name, or None, and whether it lies elsewhere."""
    columns = {name: column for column, (name, _) in enumerate(old)}
    return [(columns.get(name), name not in columns or old[columns[name]][1] != points) for name, points in new]


def _box(xyxy: Float) -> tuple[float, float, float, float]:
    left, top, right, bottom = xyxy.tolist()
    return left, top, right, bottom
