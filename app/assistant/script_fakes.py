"""Scripted event logs, made from a seed: films and cameras, with all that makes counting in time hard."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from scenescope.app.assistant.knowledge import Knowledge
from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.log.records import NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.zones.model import CountLine, Zone, ZoneSet

__all__ = ["LABELS", "SHAPES", "SITUATIONS", "WALL_NOW_S", "Row", "Script", "made_script"]

LABELS = ("person", "car", "dog")
SHAPES = ZoneSet(
    zones=(
        Zone(name="A", points=((0, 0), (0.5, 0), (0.5, 1))),
        Zone(name="Loading bay", points=((0.5, 0), (1, 0), (1, 1))),
    ),
    lines=(
        CountLine(name="door", start=(0.5, 0), end=(0.5, 1)),
        CountLine(name="Gate 1", start=(0, 0.5), end=(1, 0.5), forward="north", backward="south"),
    ),
)
SITUATIONS = ("film", "sought back", "camera", "clock set", "paused", "cut off", "empty", "one", "many", "over")
WALL_NOW_S = time.mktime((2026, 3, 10, 14, 40, 0, 0, 0, -1))
"""What the clock shows when a camera is asked about: 14:40:00."""
MONOTONIC_S = 98_765.4321


@dataclass(frozen=True)
class Row:
    """An event of a script; ``tenth`` is its time in tenths of a second, and its frame."""

    kind: str
    tenth: int
    label: str
    track_id: int
    place: str
    way: str = ""


@dataclass(frozen=True)
class Script:
    """What a log holds, and the moment at which it is asked.

    Attributes:
        situation: one of :data:`SITUATIONS`.
        rows: the events in the order in which they were logged, which is not always that of time.
        tracks: number, label, first and last tenth of a second.
        now: tenths of a second.
        shown: the picture that is shown, -1 when nothing is open.
        clock_jumps: for a camera, by how many seconds its clock was off before some tenths of a second.
    """

    situation: str
    rows: tuple[Row, ...]
    tracks: tuple[tuple[int, str, int, int], ...]
    now: int
    shown: int
    clock_jumps: tuple[tuple[int, float], ...] = ()

    @property
    def live(self) -> bool:
        """Whether it is a camera."""
        return self.situation in ("camera", "clock set", "paused", "cut off")

    def write(self, log: EventLog) -> int:
        """Put it into a log as a session of its own; its number. One that was cut off does not end."""
        kind = SessionKind.LIVE if self.live else SessionKind.WATCHED
        session_id = log.begin(NewSession(kind, self.situation, (100, 100), 10, began_wall_s=self._wall_s(0) or 1.0))
        log.add(
            session_id,
            [
                LogEvent(
                    EventKind(row.kind),
                    row.tenth / 10,
                    row.tenth,
                    row.label,
                    row.track_id,
                    zone=row.place if row.kind.startswith("zone") else "",
                    line=row.place if row.kind == "line_cross" else "",
                    direction=row.way,
                    wall_s=self._wall_s(row.tenth),
                )
                for row in self.rows
            ],
            [TrackRecord(number, label, a / 10, a, b / 10, b) for number, label, a, b in self.tracks],
        )
        last = max([0, *(b for *_, b in self.tracks)]) if self.situation == "sought back" else self.now
        if self.situation == "cut off":
            # How far it has come was noted last a while before its end.
            last = max(self.now - 8, 0)
        log.progress(session_id, last, last / 10)
        if self.situation != "cut off":
            log.end(session_id, complete=True)
        return session_id

    def knowledge(self, log: EventLog, session_id: int) -> Knowledge:
        """What is known of it at its moment."""
        return Knowledge(
            self.scene,
            log,
            lambda: session_id,
            zones=lambda: SHAPES,
            wall_clock=lambda: WALL_NOW_S,
            monotonic=lambda: MONOTONIC_S,
        )

    def scene(self) -> SceneState:
        """The scene at that moment, without the objects in it."""
        if self.shown < 0:
            return SceneState()
        return SceneState(
            source=self.situation,
            live=self.live,
            session=1,
            pts_s=self.shown / 10,
            frame_index=self.shown,
            watching=True,
            known_labels=LABELS,
            captured_s=MONOTONIC_S - (self.now - self.shown) / 10,
        )

    def _wall_s(self, tenth: int) -> float | None:
        if not self.live:
            return None
        off_s = sum(seconds for before, seconds in self.clock_jumps if tenth < before)
        return WALL_NOW_S - (self.now - tenth) / 10 + off_s


def made_script(seed: int) -> Script:
    """The script of a seed; ten seeds after one another have all situations."""
    rng = random.Random(seed)
    situation = SITUATIONS[seed % len(SITUATIONS)]
    now = rng.randint(1300, 9000)
    objects = {"empty": 0, "one": 1, "many": 150}.get(situation, rng.randint(3, 25))
    # In a film that was played further before, there are events after the picture that is shown.
    end = now + 3000 if situation == "sought back" else now
    edges = [now, now - 1, now - 600, now - 601, now - 599, now - 3000, now - 3001, 100, 200, 199, 300, 99]
    rows: list[Row] = []
    tracks = []
    for number in range(1, objects + 1):
        label = rng.choice(LABELS)
        moments = sorted(_moment(rng, edges, end) for _ in range(rng.randint(2, 9)))
        first, last = moments[0], moments[-1]
        tracks.append((number, label, first, last))
        inside: dict[str, bool] = {}
        rows.append(Row("appear", first, label, number, ""))
        for tenth in moments[1:]:
            if rng.random() < 0.5:
                line = rng.choice(SHAPES.lines)
                rows.append(
                    Row("line_cross", tenth, label, number, line.name, rng.choice((line.forward, line.backward)))
                )
            else:
                zone = rng.choice(SHAPES.zones).name
                kind = "zone_leave" if inside.get(zone) else "zone_enter"
                inside[zone] = not inside.get(zone)
                rows.append(Row(kind, tenth, label, number, zone))
        rows += [Row("zone_leave", last, label, number, zone) for zone, is_in in inside.items() if is_in]
        rows.append(Row("vanish", last, label, number, ""))
    shown = now - 450 if situation == "paused" else -1 if situation in ("cut off", "over") else now
    if situation == "paused":
        tracks = [(number, label, min(a, shown), min(b, shown)) for number, label, a, b in tracks]
        rows = [Row(r.kind, min(r.tenth, shown), r.label, r.track_id, r.place, r.way) for r in rows]
    if situation == "cut off":
        now = max([0, *(row.tenth for row in rows)])
    jumps = ((now - 700, 3600.0), (now - 300, -5400.0), (now - 30, 86_400.0)) if situation == "clock set" else ()
    # That an object came or went is told half a second late.
    rows.sort(key=lambda row: row.tenth + 5 * (row.kind in ("appear", "vanish")))
    return Script(situation, tuple(rows), tuple(tracks), now, shown, jumps)


def _moment(rng: random.Random, edges: list[int], end: int) -> int:
    near = rng.random()
    if near < 0.4:
        return min(max(rng.choice(edges), 0), end)
    return rng.randint(max(end - 900, 0), end) if near < 0.7 else rng.randint(0, end)
