"""WatchSink: looks at every frame of the pipeline by the user's watches, and tells what they wait for."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import numpy as np

from scenescope.models import Detections, EventKind, LogEvent, ZoneMeasures
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.spotter import GAP_S, EventSpotter
from scenescope.pipelines.log.watched import WatchedSpotter
from scenescope.pipelines.scene import SLOW_SOURCE_HZ
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo
from scenescope.pipelines.watches.book import WatchBook
from scenescope.pipelines.watches.judge import EPSILON_S, GRACE_S, Found, Judge, Moment, Stander, ZoneNow, judge_of
from scenescope.pipelines.watches.rule import WatchRule

__all__ = ["WatchHit", "WatchSink"]

KEPT_HITS = 100
# What a rule looks for; a change of anything else keeps what its judge knows.
_LOOKED_FOR = ("trigger", "labels", "colour", "zone", "line", "direction", "at_least", "at_most", "for_s", "between")


@dataclass(frozen=True)
class WatchHit:
    """A watch has seen what it waits for.

    Attributes:
        rule: as it is now. With a ``question``, a model is to confirm it before the user is told.
        event: of the log, with ``track_id`` as it is there; None for a number that was reached or a stay.
        frame_index, pts_s: where to look at it, media time.
        wall_s: Unix time at which it happened; for a file, at which it was seen.
        track_ids: the objects that it is about, as many as have a number.
        text: "A truck entered zone A.".
    """

    rule: WatchRule
    event: LogEvent | None
    frame_index: int
    pts_s: float
    wall_s: float
    track_ids: tuple[int, ...]
    text: str


@dataclass
class _Watch:
    """A rule at work, and when it was told last."""

    rule: WatchRule
    judge: Judge
    told_s: float = float("-inf")


class WatchSink(Sink):
    """Judges every frame by all rules that are on.

    Events are those of the event log, found in the same way. So each moment of a film counts once: one that is watched
    again, in a loop or after a jump back, tells nothing new, and what playback only jumps to has not appeared. Times
    that must last are media time; a jump, a gap of a camera or another source begins them anew.

    Args:
        book: the rules; a change takes effect with the next frame, and the others keep what they know.
        on_hit: told of every hit, on the sink's thread; it must return soon, and what it raises is not passed on.
        wall_clock: Unix time.
        monotonic: the clock of ``Frame.captured_s``.

    Attributes:
        hits: the latest, oldest first.
    """

    lossless: ClassVar[bool] = True

    def __init__(
        self,
        book: WatchBook,
        on_hit: Callable[[WatchHit], None],
        *,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.hits: deque[WatchHit] = deque(maxlen=KEPT_HITS)
        self._book = book
        self._on_hit = on_hit
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._rules: tuple[WatchRule, ...] = ()
        self._watches: dict[str, _Watch] = {}
        self._course: _Course | None = None

    def open(self, info: SourceInfo) -> None:
        """Begin anew with another source."""
        self._info = info
        self._course = None
        self._rules, self._watches = (), {}

    def write(self, prepared: Any) -> None:
        """Judge the next frame."""
        frame: Frame = prepared
        self._take_rules()
        if not self._watches:
            self._course = None
            return
        if self._course is None:
            self._course = _Course(self._info)
        moment = self._course.next(frame)
        now = datetime.fromtimestamp(self._wall_s(frame, frame.pts_s))
        clock = f"{now:%H:%M}"
        for watch in self._watches.values():
            if moment.landed and moment.t_s < watch.told_s:
                watch.told_s = float("-inf")
            for found in watch.judge.judge(moment, _is_within(watch.rule.between, clock)):
                if moment.t_s - watch.told_s >= watch.rule.cooldown_s - EPSILON_S:
                    watch.told_s = moment.t_s
                    self._tell(watch.rule, found, frame)

    def _take_rules(self) -> None:
        rules = self._book.rules
        if rules is self._rules:
            return
        self._rules, before = rules, self._watches
        self._watches = {}
        for rule in rules:
            watch = before.get(rule.name)
            if not rule.enabled:
                continue
            if watch is None or any(getattr(watch.rule, name) != getattr(rule, name) for name in _LOOKED_FOR):
                watch = _Watch(rule, judge_of(rule))
            watch.rule = watch.judge.rule = rule
            self._watches[rule.name] = watch

    def _tell(self, rule: WatchRule, found: Found, frame: Frame) -> None:
        wall_s = self._wall_s(frame, found.t_s)
        hit = WatchHit(rule, found.event, found.frame, found.t_s, wall_s, found.track_ids, found.text)
        self.hits.append(hit)
        try:
            self._on_hit(hit)
        except Exception:
            # The fault of who listens must not end the watching.
            traceback.print_exc()

    def _wall_s(self, frame: Frame, t_s: float) -> float:
        if not self._info.live:
            return self._wall_clock()
        return self._wall_clock() - (self._monotonic() - frame.captured_s) - (frame.pts_s - t_s)


class _Course:
    """The course of events in one source, and where it was broken off.

    Args:
        info: the source.
    """

    def __init__(self, info: SourceInfo) -> None:
        self._live = info.live
        self._stills = info.frame_count == 1 or 0 < info.rate_hz <= SLOW_SOURCE_HZ
        self._spotter: EventSpotter | WatchedSpotter = EventSpotter(info) if info.live else WatchedSpotter(info)
        self._last: tuple[float, int] | None = None
        self._landed_s = 0.0
        self._from_start = False
        self._reported = False
        self._zones_since_s: dict[str, float] = {}
        self._blind_s: float | None = None

    def next(self, frame: Frame) -> Moment:
        """What is known at the next frame."""
        spotter = self._spotter
        if isinstance(spotter, EventSpotter):
            events, fresh, offset = spotter.spot(frame), True, 0
        else:
            told = spotter.spot(frame)
            events, fresh, offset = told.events, told.frame is not None, spotter.first_number
        eyes = spotter if isinstance(spotter, EventSpotter) else spotter.spotter
        assert eyes is not None
        landed = fresh and self._lands(frame, events)
        seeing = any(isinstance(entry.value, Detections) for entry in frame.results.values())
        if fresh:
            self._last = frame.pts_s, frame.index
            landed = self._sees_again(frame, seeing) or landed
        measures = [entry.value for entry in frame.results.values() if isinstance(entry.value, ZoneMeasures)]
        zones = _zones(measures)
        if fresh:
            since_s = {} if landed else self._zones_since_s
            self._zones_since_s = {name: since_s.get(name, frame.pts_s) for name in zones}
        return Moment(
            t_s=frame.pts_s,
            frame=frame.index,
            events=events,
            landed=landed,
            landed_s=self._landed_s,
            from_start=self._from_start,
            fresh=fresh,
            seeing=seeing,
            stills=self._stills,
            zones=zones,
            zones_since_s=self._zones_since_s,
            standers=[stander for one in measures for stander in _standers(one, offset)],
            look_for=eyes.present,
            look_up=eyes.colours,
            certain=lambda: eyes.settled_s,
        )

    def _lands(self, frame: Frame, events: list[LogEvent]) -> bool:
        """Whether what was known before says nothing about this frame."""
        if self._last is None:
            start = frame.index == 0 or (self._live and frame.pts_s <= GRACE_S)
            self._land(frame, start)
            return True
        last_s, last_index = self._last
        step_s = frame.pts_s - last_s
        if self._live:
            on = step_s >= 0 and not any(event.kind is EventKind.GAP for event in events)
        else:
            on = step_s > 0 and (frame.index == last_index + 1 or step_s <= GAP_S + EPSILON_S)
        if not on:
            self._land(frame, start=frame.index == 0)
        return not on

    def _sees_again(self, frame: Frame, seeing: bool) -> bool:
        """Whether objects are reported after a time without: who is there now need not have come meanwhile."""
        if not seeing:
            self._blind_s = frame.pts_s if self._blind_s is None else self._blind_s
            return False
        blind_s, self._blind_s = self._blind_s, None
        first, self._reported = not self._reported, True
        landed_now = self._landed_s == frame.pts_s
        if landed_now or blind_s is None or not (first or abs(frame.pts_s - blind_s) > GAP_S):
            return False
        self._land(frame, start=first and self._from_start)
        return True

    def _land(self, frame: Frame, start: bool) -> None:
        self._landed_s, self._from_start = frame.pts_s, start


def _zones(measures: list[ZoneMeasures]) -> dict[str, ZoneNow]:
    return {
        name: ZoneNow(np.asarray(one.points[row], np.float32), int(one.occupancy[row]))
        for one in measures
        for row, name in enumerate(one.name)
        if not one.is_line[row]
    }


def _standers(measures: ZoneMeasures, offset: int) -> list[Stander]:
    rows = zip(measures.track_id.tolist(), measures.track_xy.tolist(), measures.inside, measures.stay_s, strict=True)
    return [
        Stander(number + offset if number >= 0 else number, (x, y), dict(zip(zones, stay_s, strict=False)))
        for number, (x, y), zones, stay_s in rows
    ]


def _is_within(between: tuple[str, str] | None, clock: str) -> bool:
    if between is None:
        return True
    begin, end = between
    return begin <= clock < end if begin < end else clock >= begin or clock < end
