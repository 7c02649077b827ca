"""Knowledge: exact answers about what happened, from the scene as it is and from the event log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from scenescope.app.assistant import sightings
from scenescope.app.assistant.spans import MAX_EVIDENCE, SAME_S, Counted, Seen, Span, length_words
from scenescope.models import EventKind, LogEvent
from scenescope.models.language import Evidence, media_time
from scenescope.pipelines.log.names import SessionNames
from scenescope.pipelines.log.records import EventQuery, SearchHit, Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.pipelines.scene_state import SceneState
from scenescope.pipelines.zones.model import ZoneSet

__all__ = ["Counted", "Knowledge", "Search", "Seen", "Span"]

Search = Callable[[str, int | None, int], list[SearchHit]]

FLUSH_WITHIN_S = 2.0
# A picture that is older is not the one that the camera sees.
FRESH_S = 1.0


class Knowledge:
    """What is known of one session: the one that goes on, or an earlier one.

    Times are media time in seconds. For a camera that is the time since it was opened, by a clock that nobody can
    set; its pictures are dated when they are taken, so that pauses and outages pass like all other time. "Now" is
    this very moment for a camera, the picture that is shown for a film, and the end for a session that is over. A span
    holds its start and does not hold its end; "the last minute" holds what was exactly 60 s ago, and the picture that
    is shown. Two times within a microsecond are the same.

    Without a log only the scene is known: then counts of events are 0 and :attr:`session` is None, which those who
    answer must say. All methods may be called on any thread but the window's, since they may read from the disk.

    Args:
        scene: the scene now; one without a picture (``frame_index`` -1) when nothing is open.
        log: what happened; None without one.
        session_id: the session in the log that the questions are about.
        zones: what the user has drawn, for the names of zones and lines.
        wall_clock, monotonic: the clocks.
        caught_up: waits until the log has been told of the picture that was captured at a time of the monotonic
            clock, for at most so many seconds; see ``LogSink.wait_for``.
        search: finds events of a session by words, at most so many; the log's own search by default.

    Raises:
        SinkError: by all methods that read the log, when it cannot be read.
    """

    def __init__(
        self,
        scene: Callable[[], SceneState],
        log: EventLog | None,
        session_id: Callable[[], int | None],
        *,
        zones: Callable[[], ZoneSet] = ZoneSet,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        caught_up: Callable[[float, float], bool] | None = None,
        search: Search | None = None,
    ) -> None:
        self.log = log
        self._scene = scene
        self._session_id = session_id
        self._zones = zones
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._caught_up = caught_up
        self._search = search if search is not None or log is None else log.search

    def at(self, scene: SceneState) -> Knowledge:
        """The same at one moment, with ``scene`` as it was then: "now" stands still while an answer is made."""
        session_id, zones = self._session_id(), self._zones()
        wall_s, monotonic_s = self._wall_clock(), self._monotonic()
        return Knowledge(
            lambda: scene,
            self.log,
            lambda: session_id,
            zones=lambda: zones,
            wall_clock=lambda: wall_s,
            monotonic=lambda: monotonic_s,
            caught_up=self._caught_up,
            search=self._search,
        )

    # What it is about --------------------------------------------------------------------------------------------

    @property
    def scene(self) -> SceneState:
        """The scene now."""
        return self._scene()

    @property
    def zone_set(self) -> ZoneSet:
        """What the user has drawn."""
        return self._zones()

    @property
    def session_id(self) -> int | None:
        """Its number in the log; None when nothing is kept of the source. Does not read from the disk."""
        return self._session_id()

    @property
    def session(self) -> Session | None:
        """The session of the log; None without a log, and when nothing is kept of the source."""
        session_id = self._session_id()
        if self.log is None or session_id is None:
            return None
        return self.log.session(session_id)

    @property
    def is_open(self) -> bool:
        """True for the source that is open now, False for an earlier session."""
        return self.scene.frame_index >= 0

    @property
    def live(self) -> bool:
        """True for a camera or a stream."""
        scene = self.scene
        if scene.frame_index >= 0:
            return scene.live
        session = self.session
        return session is not None and session.kind is SessionKind.LIVE

    def flush(self) -> bool:
        """Wait, for 2 s at most, until all that has happened is in the log; False when it is not.

        An object counts once it has been seen for half a second, in the log as in the scene.
        """
        if self.log is None:
            return True
        captured_s = self.scene.captured_s
        if captured_s is not None and self._caught_up is not None:
            self._caught_up(captured_s, FLUSH_WITHIN_S / 2)
        return self.log.flush(FLUSH_WITHIN_S / 2)

    @property
    def names(self) -> SessionNames:
        """The classes, zones, lines and directions that are known: drawn by the user, or in the log."""
        session, shapes = self.session, self.zone_set
        told = SessionNames() if self.log is None or session is None else self.log.names(session.id)
        ways = [way for line in shapes.lines for way in (line.forward, line.backward)]
        return SessionNames(
            _merged(self.scene.known_labels, told.labels),
            _merged([zone.name for zone in shapes.zones], told.zones),
            _merged([line.name for line in shapes.lines], told.lines),
            _merged(ways, told.directions),
        )

    # Time --------------------------------------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Media time of this moment."""
        scene = self.scene
        if scene.frame_index < 0:
            session = self.session
            return 0.0 if session is None else self._end_s(session)
        if scene.live and scene.captured_s is not None:
            return scene.pts_s + max(self._monotonic() - scene.captured_s, 0.0)
        return scene.pts_s

    def _end_s(self, session: Session) -> float:
        """When a session ended. One that was cut off may have events after the last note of how far it has come."""
        last = self._found(EventQuery(session.id, newest_first=True, limit=1))
        return max([session.last_s, *(event.t_s for event in last)])

    def span(
        self, last_s: float | None = None, start_s: float | None = None, end_s: float | None = None, words: str = ""
    ) -> Span:
        """A part of the session, in seconds: the last so many, or from ``start_s`` (included) to ``end_s`` (excluded).

        ``words`` say it in a sentence; made from the times by default.
        """
        if last_s is not None:
            now_s = self.now_s
            # The picture that is shown is part of it.
            return Span(now_s - last_s, now_s + SAME_S, words or f"in the last {length_words(last_s)}")
        if start_s is not None and end_s is not None:
            words = words or f"between {media_time(start_s)} and {media_time(end_s)}"
        elif start_s is not None:
            words = words or f"since {media_time(start_s)}"
        elif end_s is not None:
            words = words or f"before {media_time(end_s)}"
        return Span(start_s, end_s, words)

    def so_far(self, start_s: float | None = None, words: str = "so far") -> Span:
        """From ``start_s`` until now, the picture that is shown included."""
        return Span(start_s, self.now_s + SAME_S, words)

    @property
    def has_clock(self) -> bool:
        """Whether moments of the session have a time of day: those of a camera do."""
        return self.live and self._wall_offset_s() is not None

    def wall_s(self, t_s: float) -> float | None:
        """The Unix time of a moment of a camera's session, by the clock as it is set now; None for a film.

        The clock may have been set since. What counts is what it shows now: who asks at 14:40 for "since 14:30"
        means the last ten minutes. For a session that is over it is what the clock showed at its last event.
        """
        offset_s = self._wall_offset_s()
        return None if offset_s is None else t_s + offset_s

    def media_s(self, wall_s: float) -> float | None:
        """The media time of a moment by the clock, the inverse of :meth:`wall_s`."""
        offset_s = self._wall_offset_s()
        return None if offset_s is None else wall_s - offset_s

    def _wall_offset_s(self) -> float | None:
        if not self.live:
            return None
        if self.is_open:
            return self._wall_clock() - self.now_s
        session = self.session
        assert session is not None
        last = self._found(EventQuery(session.id, newest_first=True, limit=1, wall_start_s=0.0))
        return last[0].wall_s - last[0].t_s if last and last[0].wall_s is not None else session.began_wall_s

    def midnight_s(self) -> float | None:
        """Media time at which the day of "now" began, by the clock of this place; None for a film."""
        now_wall_s = self.wall_s(self.now_s)
        return None if now_wall_s is None else self.media_s(self.clock_wall_s(now_wall_s, 0.0))

    @staticmethod
    def clock_wall_s(day_wall_s: float, clock_s: float, days: int = 0) -> float:
        """Unix time of a time of day, in seconds since midnight, on the local day of a Unix time or ``days`` later."""
        day = datetime.fromtimestamp(day_wall_s).replace(hour=0, minute=0, second=0, microsecond=0)
        hours, rest = divmod(clock_s, 3600)
        moment = (day + timedelta(days=days)).replace(hour=int(hours)) + timedelta(seconds=rest)
        return moment.timestamp()

    def unwatched_s(self, span: Span) -> float:
        """Seconds of a span of which nothing is known: gaps in the log, and what a camera has not shown since."""
        start_s, end_s = self._bounds(span)
        gaps = [(event.t_s, event.end_s or event.t_s) for event in self.events(Span(), [EventKind.GAP], limit=-1)]
        scene = self.scene
        if scene.frame_index >= 0 and scene.live and self.now_s - scene.pts_s > FRESH_S:
            gaps.append((scene.pts_s, self.now_s))
        return sum(max(min(end, end_s) - max(start, start_s), 0.0) for start, end in gaps)

    def known_until_s(self) -> float:
        """Up to which media time the source has been seen."""
        session = self.session
        return max(self.scene.pts_s, 0.0 if session is None else session.last_s)

    def _bounds(self, span: Span) -> tuple[float, float]:
        return span.start_s or 0.0, self.now_s if span.end_s is None else span.end_s

    # Events ------------------------------------------------------------------------------------------------------

    def events(
        self,
        span: Span,
        kinds: Sequence[EventKind] = (),
        labels: Sequence[str] = (),
        zones: Sequence[str] = (),
        lines: Sequence[str] = (),
        limit: int = 50,
        newest_first: bool = False,
        directions: Sequence[str] = (),
        track_ids: Sequence[int] = (),
    ) -> list[LogEvent]:
        """Events of a span by time, those of the kinds, classes, zones and lines that are named; exact.

        All of them where a condition is empty; at most ``limit``, or all with -1. With ``newest_first`` the newest are
        kept and come first.
        """
        query = self._query(span, kinds, labels, zones, lines, directions, track_ids)
        if query is None:
            return []
        return self._found(replace(query, limit=None if limit < 0 else limit, newest_first=newest_first))

    def count(
        self,
        kinds: Sequence[EventKind],
        span: Span,
        labels: Sequence[str] = (),
        zones: Sequence[str] = (),
        lines: Sequence[str] = (),
        directions: Sequence[str] = (),
        track_ids: Sequence[int] = (),
    ) -> Counted:
        """How many events there are in a span, and how many objects they are about; exact. As :meth:`events`."""
        query = self._query(span, kinds, labels, zones, lines, directions, track_ids)
        if query is None or self.log is None:
            return Counted()
        newest = self._found(replace(query, newest_first=True, limit=MAX_EVIDENCE))
        by_direction, events_by_direction = {}, {}
        if EventKind.LINE_CROSS in kinds:
            for way in directions or self.names.directions:
                one = replace(query, directions=(way,))
                if events := self.log.count(one):
                    by_direction[way], events_by_direction[way] = self.log.count(one, distinct_tracks=True), events
        return Counted(
            self.log.count(query),
            self.log.count(query, distinct_tracks=True),
            by_direction,
            tuple(self.evidence(event) for event in newest),
            events_by_direction,
        )

    def without_colour(
        self,
        labels: Sequence[str],
        span: Span,
        kinds: Sequence[EventKind] = (),
        zones: Sequence[str] = (),
        lines: Sequence[str] = (),
        directions: Sequence[str] = (),
    ) -> int:
        """How many objects have no known colour: of those that events of these kinds are about, or that were there."""
        gone_before_s = None if kinds else span.start_s
        span, kinds = (span, kinds) if kinds else (Span(None, span.end_s), [EventKind.APPEAR])
        query = self._query(span, kinds, labels, zones, lines, directions, ())
        return 0 if query is None or self.log is None else self.log.colours.unknown(query, gone_before_s)

    # Sightings ---------------------------------------------------------------------------------------------------

    def first_seen(self, labels: Sequence[str], colour: str = "", span: Span | None = None) -> Seen | None:
        """When the first object of these classes appeared; None when none did.

        Args:
            labels: the classes; all where empty.
            colour: only those of this colour, which is a rough guess, by their pictures.
            span: only what appeared in it.
        """
        return sightings.first_seen(self, labels, colour, span or Span())

    def last_seen(self, labels: Sequence[str], colour: str = "", span: Span | None = None) -> Seen | None:
        """When an object of these classes was last seen; as :meth:`first_seen`.

        One that is still there was last seen in the latest picture that the scene or the log has of it.
        """
        return sightings.last_seen(self, labels, colour, span or Span())

    def search(self, text: str, limit: int = 5) -> list[SearchHit]:
        """Events of the session whose label, text, zone or line has these words, the best first."""
        session = self.session
        return [] if self._search is None or session is None else self._search(text, session.id, limit)

    def evidence(self, event: LogEvent) -> Evidence:
        """Where an event can be looked at."""
        return self.evidence_at(event.frame, event.t_s, event.track_id, event.id)

    def evidence_at(self, frame: int, t_s: float, track_id: int | None = None, event_id: int | None = None) -> Evidence:
        """Where a moment of the session can be looked at; with the session's number when it is an earlier one."""
        return Evidence(frame, t_s, track_id, event_id, None if self.is_open else self._session_id())

    def _query(
        self,
        span: Span,
        kinds: Sequence[EventKind],
        labels: Sequence[str],
        zones: Sequence[str],
        lines: Sequence[str],
        directions: Sequence[str],
        track_ids: Sequence[int],
    ) -> EventQuery | None:
        session = self.session
        if session is None:
            return None
        return EventQuery(
            session.id,
            tuple(kinds),
            tuple(labels),
            tuple(zones),
            tuple(lines),
            tuple(directions),
            tuple(track_ids),
            None if span.start_s is None else span.start_s - SAME_S / 2,
            None if span.end_s is None else span.end_s - SAME_S / 2,
        )

    def _found(self, query: EventQuery) -> list[LogEvent]:
        assert self.log is not None
        return self.log.events(query)


def _merged(*names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for some in names for name in some))
