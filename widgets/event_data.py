"""What the panel of events reads from the log; called on a thread of its own. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import inf, nextafter
from pathlib import Path, PurePath

from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines.log.records import EventColumns, EventQuery, Session, SessionKind
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.timeline_data import TimelineData, TrackColumns, merged, no_events
from scenescope.widgets.timeline_words import one_line, stamp

__all__ = ["SPOKEN", "Loaded", "find_event", "ids_with", "load", "same_source", "session_words", "source_name"]

SPOKEN = (EventKind.TEXT, EventKind.CODE, EventKind.CAPTION, EventKind.MARK)
"""Kinds of events that have a text."""
KIND_WORDS = {SessionKind.LIVE: "live", SessionKind.WATCHED: "watched", SessionKind.ANALYSIS: "analysed"}


@dataclass(frozen=True, eq=False)
class Loaded:
    """A session as it is now; ``session`` is None when it is not in the log any more."""

    session: Session | None
    data: TimelineData


def load(log: EventLog, session_id: int, known: EventColumns | None = None) -> Loaded:
    """Read a session: of the events only those that are not ``known``, unless some of the known ones have gone."""
    session = log.session(session_id)
    if session is None:
        return Loaded(None, TimelineData())
    columns = no_events()
    if known is not None and len(known):
        columns = merged(known, log.columns(session_id, after_id=int(known.id.max())))
    if len(columns) != log.count(EventQuery(session_id)):
        columns = merged(no_events(), log.columns(session_id))
    data = TimelineData(columns, TrackColumns.of(log.tracks(session_id)))
    # Worked out here rather than in the GUI thread.
    _ = data.ordered_lane, data.range_s
    return Loaded(session, data)


def find_event(log: EventLog, session_id: int, t_s: float, event_id: int) -> LogEvent | None:
    """All that is known of an event whose time and id are; None when it has gone."""
    query = EventQuery(session_id, start_s=t_s, end_s=nextafter(t_s, inf))
    return next((found for found in log.events(query) if found.id == event_id), None)


def ids_with(log: EventLog, session_id: int, text: str) -> frozenset[int]:
    """Ids of events whose own text has these words."""
    found = log.events(EventQuery(session_id, SPOKEN, text=text))
    return frozenset(event.id for event in found if event.id is not None)


def source_name(source: str) -> str:
    """A source for people: of a file its name alone."""
    name = PurePath(source.replace("\\", "/")).name if "://" not in source else source
    return one_line(name or source, 40) or "unknown source"


def same_source(one: str, other: str) -> bool:
    """Whether two names of sources mean the same; nothing on the disk is asked."""
    if one == other:
        return True
    if "://" in one or "://" in other:
        return False
    return Path(one).absolute() == Path(other).absolute()


def session_words(session: Session) -> str:
    """A session in a line: "street.mp4, analysed, 22 Nov 20:10, 5:00, cut off"."""
    when = ""
    if session.began_wall_s > 0:
        try:
            when = f"{datetime.fromtimestamp(session.began_wall_s):%d %b %H:%M}"
        except (OverflowError, OSError, ValueError):
            when = "unknown date"
    length = stamp(session.last_s, 0) if session.last_s > 0 else ""
    state = "goes on" if session.active else "complete" if session.complete else "cut off"
    name = one_line(session.title, 40) or source_name(session.source)
    return ", ".join(part for part in (name, KIND_WORDS.get(session.kind, ""), when, length, state) if part)
