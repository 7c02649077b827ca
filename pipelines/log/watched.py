"""WatchedSpotter: events of a file that somebody plays, jumping to and fro; each moment of it counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from scenescope.models import EventKind, LogEvent, Tracks
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.log.spotter import GAP_S, EventSpotter, Present, ToldByStages
from scenescope.pipelines.scene import same_place
from scenescope.pipelines.source import SourceInfo

__all__ = ["Told", "WatchedSpotter"]

# A shorter look is none: scrubbing and playing backwards show pictures, but no course of events.
LEAST_LOOK_S = 0.5
# What is found so soon after a jump was there before.
GRACE_S = 0.5
EPSILON_S = 1e-6

Key = tuple[EventKind, int, str, str, str, str, str]


@dataclass
class Told:
    """What a frame tells.

    Attributes:
        events: to be added.
        retracted: events told before that turned out to be none.
        frame: the frame, with track numbers that are unique in the session; None when it was watched before.
        colours: names of colours that were seen in it, by those numbers.
    """

    events: list[LogEvent] = field(default_factory=list)
    retracted: list[LogEvent] = field(default_factory=list)
    frame: Frame | None = None
    colours: dict[int, str] = field(default_factory=dict)


@dataclass(eq=False)
class _Span:
    """A part of the file that was watched without a break, and all that is known at its end.

    ``held`` are the events of a look that is too short yet; ``landed`` those of objects that were there when it began.
    """

    spotter: EventSpotter
    start_s: float
    start_frame: int
    end_s: float
    end_frame: int
    held: list[LogEvent] | None = field(default_factory=list)
    landed: list[LogEvent] = field(default_factory=list)

    def holds(self, frame: Frame) -> bool:
        return self.start_s - EPSILON_S <= frame.pts_s <= self.end_s + EPSILON_S

    def found_at_once(self, event: LogEvent) -> bool:
        return event.kind is EventKind.APPEAR and event.t_s <= self.start_s + GRACE_S + EPSILON_S

    def goes_on_with(self, frame: Frame) -> bool:
        """Whether a frame follows the last one, or so shortly after that only a few were left out."""
        after_s = frame.pts_s - self.end_s
        return after_s > EPSILON_S and (frame.index == self.end_frame + 1 or after_s <= GAP_S + EPSILON_S)


class WatchedSpotter:
    """As :class:`~scenescope.pipelines.log.spotter.EventSpotter`, for a source in which one can jump.

    What was watched before is not looked at again. Where playing leaves a part that was watched, it is taken up in the
    state in which it was left, so that the events are those of watching straight through; where it reaches the next
    such part, the objects that were found at the beginning of that part are those that have just come there.

    Events of stages that keep a count of their own are let through whenever they come, but the same one only once.
    Trackers begin again with 1 after a jump back; from there on their numbers go on from the highest so far.

    Args:
        info: the source.
    """

    def __init__(self, info: SourceInfo) -> None:
        self._info = info
        self._spans: list[_Span] = []
        self._current: _Span | None = None
        self._told_by_stages = ToldByStages()
        self._known: Counter[Key] = Counter()
        self._last_s = -np.inf
        self._first_number = self._highest_number = 0

    def spot(self, frame: Frame) -> Told:
        """What has become certain with the next frame."""
        if frame.pts_s < self._last_s - EPSILON_S:
            self._first_number = self._highest_number
        self._last_s = frame.pts_s
        frame = self._renumbered(frame)
        told = Told(self._only_once(self._told_by_stages.of(frame)))
        seen = next((span for span in self._spans if span.holds(frame)), None)
        if seen is not None:
            if self._current is not None and self._current is not seen:
                self._arrive(self._current, seen, frame, told)
            self._current = seen
            return told
        span = self._span_for(frame)
        span.end_s, span.end_frame = frame.pts_s, frame.index
        self._tell(span, span.spotter.spot(frame), told)
        told.frame, told.colours = frame, span.spotter.named
        following = self._after(span)
        if following is not None and following.start_frame <= frame.index + 1:
            self._current = self._joined(span, following, told)
        return told

    def finish(self) -> list[LogEvent]:
        """The end: the parts between those that were watched are gaps."""
        self._leave(None)
        spans = sorted(self._spans, key=lambda span: span.start_s)
        return [
            LogEvent(EventKind.GAP, one.end_s, one.end_frame, value=other.start_s - one.end_s, end_s=other.start_s)
            for one, other in pairwise(spans)
        ]

    @property
    def spotter(self) -> EventSpotter | None:
        """What looks at the part that is being watched; None before the first frame."""
        return self._current.spotter if self._current is not None else None

    @property
    def first_number(self) -> int:
        """What is added to the numbers of tracks since the latest jump back."""
        return self._first_number

    # Parts -------------------------------------------------------------------------------------------------------

    def _span_for(self, frame: Frame) -> _Span:
        """The part that goes on with a frame, or a new one that begins with it."""
        before = [span for span in self._spans if span.goes_on_with(frame)]
        if before:
            span = max(before, key=lambda span: span.end_s)
        else:
            spotter = EventSpotter(self._info, told_by_stages=False)
            span = _Span(spotter, frame.pts_s, frame.index, frame.pts_s, frame.index)
            self._spans.append(span)
        self._leave(span)
        return span

    def _leave(self, span: _Span | None) -> None:
        left, self._current = self._current, span
        if left is not None and left is not span and left.held is not None:
            self._spans.remove(left)

    def _after(self, span: _Span) -> _Span | None:
        later = (other for other in self._spans if other.start_s > span.end_s)
        return min(later, key=lambda other: other.start_s, default=None)

    def _arrive(self, left: _Span, seen: _Span, frame: Frame, told: Told) -> None:
        """Playing has come from one part into another: over a few frames that were left out, or by a jump."""
        if left.goes_on_with(frame) and self._after(left) is seen:
            self._joined(left, seen, told)
        else:
            self._leave(seen)

    def _tell(self, span: _Span, events: list[LogEvent], told: Told) -> None:
        span.landed += [event for event in events if span.found_at_once(event)]
        if span.held is None:
            told.events += events
            return
        span.held += events
        if span.end_s - span.start_s >= LEAST_LOOK_S - EPSILON_S or span.start_frame == 0:
            told.events += span.held
            span.held = None

    def _joined(self, earlier: _Span, later: _Span, told: Told) -> _Span:
        """One part of two that touch. Objects at the end of one are looked for at the beginning of the other."""
        told.events += earlier.held or []
        there = earlier.spotter.present()
        landed = []
        for event in later.landed:
            same = next((one for one in there if _same(one, event)), None)
            if same is None:
                landed.append(event)
                continue
            there.remove(same)
            if later.held is None:
                told.retracted.append(event)
            else:
                later.held.remove(event)
        told.events += [
            LogEvent(EventKind.VANISH, one.last_s, one.last_frame, one.label, one.track_id, xyxy=one.xyxy)
            for one in there
        ]
        later.start_s, later.start_frame = earlier.start_s, earlier.start_frame
        later.landed = [event for event in (*earlier.landed, *landed) if later.found_at_once(event)]
        told.events += later.held or []
        later.held = None
        self._spans.remove(earlier)
        return later

    # Events and numbers ------------------------------------------------------------------------------------------

    def _only_once(self, events: Iterable[LogEvent]) -> list[LogEvent]:
        """Of equal events that come with one frame, as many as never came before."""
        now: Counter[Key] = Counter()
        fresh = []
        for event in events:
            key = event.kind, event.frame, event.label, event.zone, event.line, event.direction, event.text
            now[key] += 1
            if now[key] > self._known[key]:
                self._known[key] += 1
                fresh.append(self._with_number(event))
        return fresh

    def _with_number(self, event: LogEvent) -> LogEvent:
        if not self._first_number or event.track_id is None or event.track_id < 0:
            return event
        return replace(event, track_id=event.track_id + self._first_number)

    def _renumbered(self, frame: Frame) -> Frame:
        changed = {}
        for name, entry in frame.results.items():
            tracks = entry.value
            if not isinstance(tracks, Tracks) or not len(tracks):
                continue
            number = tracks.track_id
            if self._first_number:
                number = np.where(number >= 0, number + self._first_number, number)
                changed[name] = replace(entry, value=replace(tracks, track_id=number))
            self._highest_number = max(self._highest_number, int(number.max()))
        return frame.with_results(changed) if changed else frame


def _same(one: Present, event: LogEvent) -> bool:
    return event.xyxy is not None and one.label == event.label and same_place(one.xyxy, event.xyxy)
