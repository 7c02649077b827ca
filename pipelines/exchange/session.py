"""The results of a session of the event log, as a BoxTable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from scenescope.models import ScenescopeError, SourceError
from scenescope.models.wire import unpack
from scenescope.pipelines.exchange.table import BoxTable, BoxTableBuilder
from scenescope.pipelines.log.records import FrameRecord, Session
from scenescope.pipelines.sinks.jsonl import FoundObject, found_in

__all__ = ["SessionFrames", "objects_of", "table_of_session"]

TELL_EVERY_FRAMES = 100


class SessionFrames(Protocol):
    """The part of the event log that is read here."""

    def session(self, session_id: int, /) -> Session | None:
        """A session; None when there is none of that number."""

    def frames(self, session_id: int, start_frame: int = 0, end_frame: int | None = None, /) -> Iterator[FrameRecord]:
        """The frames of an analysis, in order."""


def objects_of(record: FrameRecord) -> list[FoundObject]:
    """The objects that were found in this very frame, in pixels of the source.

    Raises:
        ScenescopeError: its bytes are damaged.
    """
    results = unpack(record.results)
    return list(found_in([(name, entry.value) for name, entry in results.items() if entry.stamp_index == record.frame]))


def table_of_session(log: SessionFrames, session_id: int, told: Callable[[float], None] = lambda _: None) -> BoxTable:
    """All objects of a session that holds the results of every frame. What cannot be read is counted in ``notes``.

    Args:
        log: the event log.
        session_id: which one.
        told: told now and then how far it is, 0 to 1; what it raises ends the work.

    Raises:
        SourceError: there is no such session, or it holds no results of frames.
    """
    session = log.session(session_id)
    if session is None:
        raise SourceError("This session is not in the log any more.", hint="Choose another one.", permanent=True)
    name = session.source.replace("\\", "/").rsplit("/", 1)[-1]
    builder = BoxTableBuilder(name, session.size_wh, session.rate_hz)
    damaged = count = 0
    for record in log.frames(session_id):
        if count % TELL_EVERY_FRAMES == 0:
            told(min(count / max(session.frames, 1), 1.0))
        count += 1
        try:
            builder.add_found(record.frame, record.pts_s, objects_of(record))
        except ScenescopeError:
            damaged += 1
    if not count:
        raise SourceError(
            "This session holds no boxes of its frames: it was watched, not analysed.",
            hint="Analyse the file, then export.",
            permanent=True,
        )
    notes = (f"{damaged:,} frames of the log are damaged and were left out.",) if damaged else ()
    return builder.table(notes=notes)
