"""EventLog: what happened, in one SQLite file, for live and file sessions."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import EventKind, LogEvent, SinkError
from scenescope.pipelines.log import queries
from scenescope.pipelines.log.changes import Changes, event_row, frame_row, track_row, with_wall_clock
from scenescope.pipelines.log.colours import Colours
from scenescope.pipelines.log.meaning import Meanings
from scenescope.pipelines.log.names import SessionNames, session_names
from scenescope.pipelines.log.readers import Readers
from scenescope.pipelines.log.records import (
    EventColumns,
    EventQuery,
    FrameRecord,
    NewSession,
    SearchHit,
    Session,
    SessionKind,
    TrackRecord,
)
from scenescope.pipelines.log.similar import Similar, without_embedding
from scenescope.pipelines.log.talk import Talk
from scenescope.pipelines.log.writer import Job, LogWriter

__all__ = ["EventLog"]

RECORDS_A_JOB = 5_000
# About what a row takes in memory, beside its pictures.
RECORD_BYTES = 300


class EventLog:
    """Sessions with their events, tracks and analysed frames. All methods may be called from any thread.

    What changes the log returns at once, and is written by one thread in the background, several times a second;
    readers see what has been written. When more comes than can be written, callers with file sessions wait, and live
    sessions lose their oldest records that wait, which ``dropped`` counts. While the file cannot be written at all
    nobody waits, the newest records are kept in memory, and :attr:`problem` says why.

    A process that is killed leaves all but the last moment; such a session is neither ``complete`` nor ``active``.

    Args:
        path: of the file. A damaged one is set aside as ``<name>.damaged-<n>``, and :attr:`notice` says so.
        on_problem: called on the writing thread with a new :attr:`problem`, and with None once it is over.

    Attributes:
        talk: what was said to and by the assistant.
        meanings: vectors of what events say, for searching by meaning.
        colours: of objects.

    Raises:
        SinkError: the file is newer than this program, is something else, or cannot be written.
    """

    def __init__(self, path: Path, on_problem: Callable[[SinkError | None], None] | None = None) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[int], None], ...] = ()
        self._on_problem: tuple[Callable[[SinkError | None], None], ...] = () if on_problem is None else (on_problem,)
        self._similar = Similar()
        self._writer = LogWriter(self.path, self._committed, self._tell_problem)
        self._readers = Readers(self.path, lambda: self._writer.connections)
        self.talk = Talk(self._writer, self._readers)
        self.meanings = Meanings(self._writer, self._readers)
        self.colours = Colours(self._writer, self._readers)

    @property
    def problem(self) -> SinkError | None:
        """What keeps it from writing now; None when all is well."""
        return self._writer.problem

    @property
    def notice(self) -> str:
        """A sentence about a damaged file that was set aside, or ""."""
        return self._writer.notice

    @property
    def closed(self) -> bool:
        """True once nothing is written any more."""
        return self._writer.closed

    @property
    def dropped(self) -> int:
        """Records that are lost: nothing could be written for long, or not fast enough."""
        return self._writer.dropped

    # Writing -----------------------------------------------------------------------------------------------------

    def begin(self, new: NewSession) -> int:
        """Begin a session; waits for its number.

        Raises:
            SinkError: nothing can be written now.
        """
        new = with_wall_clock(new)

        def apply(changes: Changes) -> int:
            number = changes.put_session(new)
            changes.afterwards(lambda: self._writer.active.update({number: new}))
            return number

        session_id: int = self._writer.ask(apply)
        return session_id

    def reopen(self, session_id: int) -> None:
        """Go on with a session that was ended or cut off; waits until that is written.

        Raises:
            SinkError: it is not there any more, or nothing can be written now.
        """
        session = self.session(session_id)

        def apply(changes: Changes) -> bool:
            if session is None or not changes.reopen(session_id):
                return False
            changes.afterwards(lambda: self._writer.active.update({session_id: session}))
            return True

        if not self._writer.ask(apply):
            raise SinkError("That session is not in the log any more.", hint="Begin a new one.")

    def goes_on(self, session_id: int) -> bool:
        """True from :meth:`begin` or :meth:`reopen` until the session's end is written, in this process."""
        return session_id in self._writer.active

    def add(
        self,
        session_id: int,
        events: Iterable[LogEvent] = (),
        tracks: Iterable[TrackRecord] = (),
        frames: Iterable[FrameRecord] = (),
    ) -> None:
        """Add to a session. A track or a frame with the number of an earlier one takes its place.

        Raises:
            SinkError: the log is closed.
            ValueError: something has no place in time.
        """
        event_rows, track_rows, frame_rows = map(event_row, events), map(track_row, tracks), map(frame_row, frames)
        while True:
            event_part = list(itertools.islice(event_rows, RECORDS_A_JOB))
            track_part = list(itertools.islice(track_rows, 64))
            frame_part = list(itertools.islice(frame_rows, 64))
            if not (event_part or track_part or frame_part):
                return
            self._put(session_id, event_part, track_part, frame_part)

    def _put(self, session_id: int, events: list[Any], tracks: list[Any], frames: list[Any]) -> None:
        new = self._writer.active.get(session_id)
        live = new is not None and new.kind is SessionKind.LIVE
        records = len(events) + len(tracks) + len(frames)
        blobs = sum(len(row[-1]) + len(row[-2] or b"") for row in tracks) + sum(len(row[-1]) for row in frames)
        job = Job(
            lambda changes: changes.add(session_id, events, tracks, frames),
            records=records,
            size=records * RECORD_BYTES + blobs,
            may_drop=live and not frames,
        )
        self._writer.put(job, may_wait=not live)

    def progress(self, session_id: int, frames: int, last_s: float) -> None:
        """Note how far a session has come: how many frames, and the time of the last."""
        self._do(lambda changes: changes.progress(session_id, frames, last_s))

    def end(self, session_id: int, complete: bool) -> None:
        """End a session. ``complete``: it has all that was to come, and was not cut off."""

        def apply(changes: Changes) -> None:
            changes.end(session_id, complete)
            changes.afterwards(lambda: self._leave(session_id))

        self._do(apply)

    def add_now(self, session_id: int, event: LogEvent) -> int:
        """Add one event and wait for its ``id``; 0 when the session is not there any more.

        Raises:
            SinkError: nothing can be written now.
        """
        row = event_row(event)
        event_id: int = self._writer.ask(lambda changes: changes.add_now(session_id, row))
        return event_id

    def remove_event(self, event_id: int) -> None:
        """Remove an event."""
        self._do(lambda changes: changes.remove_events([event_id]))

    def restore(self, event: LogEvent) -> None:
        """Put back an event that was removed, under the ``id`` and in the session that it says it had."""
        assert event.session_id is not None
        session_id, row = event.session_id, event_row(event)
        self._do(lambda changes: changes.add_now(session_id, row, event.id))

    def retract(self, session_id: int, events: Iterable[LogEvent]) -> None:
        """Remove events that turned out to be none, by what they say rather than by ``id``."""
        rows = [event_row(event) for event in events]
        self._do(lambda changes: changes.retract(session_id, rows))

    def delete_session(self, session_id: int) -> None:
        """Delete a session with all that it holds, and give its room on the disk back."""

        def apply(changes: Changes) -> None:
            changes.delete_sessions([session_id])
            changes.afterwards(lambda: self._leave(session_id))
            changes.afterwards(self.meanings.forget)

        self._do(apply)

    def prune(
        self,
        max_age_days: float | None = None,
        max_bytes: int | None = None,
        kinds: Collection[SessionKind] = tuple(SessionKind),
    ) -> None:
        """Delete sessions that began more than so many days ago, then the oldest until the rest fits in so many bytes.

        Only sessions of these ``kinds`` are deleted, and none that goes on.
        """

        def apply(changes: Changes) -> None:
            changes.prune(max_age_days, max_bytes, kinds, set(self._writer.active))
            changes.afterwards(self.meanings.forget)

        self._do(apply)

    def keep_embeddings(self, tracks: Iterable[TrackRecord]) -> None:
        """Add the embeddings of tracks that are in the log. One that has got a better picture meanwhile is let be."""
        rows = [
            (track.session_id, track.track_id, track.best_frame, track.embedding.astype("<f4").tobytes())
            for track in tracks
            if track.session_id is not None and track.embedding is not None
        ]

        def apply(changes: Changes) -> None:
            for row in rows:
                changes.keep_embedding(*row)

        self._do(apply)

    def _leave(self, session_id: int) -> None:
        self._writer.active.pop(session_id, None)

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until all that was added is in the file; False when that takes longer or cannot be done."""
        return self._writer.flush(timeout_s)

    def close(self) -> None:
        """Write what waits and close the file. Safe to call twice."""
        self._writer.close()
        self._readers.close()

    def _do(self, apply: Callable[[Changes], Any]) -> None:
        self._writer.put(Job(apply), may_wait=False)

    # Listening ---------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Be called with the number of a session after each time that it was written, on the writing thread.

        Returns:
            What ends the subscription.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def subscribe_problem(self, listener: Callable[[SinkError | None], None]) -> Callable[[], None]:
        """Be called with each new :attr:`problem`, and with None once it is over, on the writing thread.

        Returns:
            What ends the subscription.
        """
        with self._lock:
            self._on_problem = (*self._on_problem, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._on_problem = tuple(other for other in self._on_problem if other is not listener)

        return unsubscribe

    def _tell_problem(self, problem: SinkError | None) -> None:
        for listener in self._on_problem:
            try:
                listener(problem)
            except Exception as error:
                traceback.print_exception(error)

    def _committed(self, session_ids: set[int]) -> None:
        for session_id in sorted(session_ids):
            self._similar.forget(session_id)
            for listener in self._listeners:
                try:
                    listener(session_id)
                except Exception as error:
                    traceback.print_exception(error)

    # Reading -----------------------------------------------------------------------------------------------------
    # All of these raise SinkError when the file cannot be read.

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._readers.borrowed() as connection:
            yield connection

    def sessions(self, source: str | None = None, fingerprint: str | None = None) -> list[Session]:
        """All sessions, or those of a source or of a file's content; the newest first."""
        with self._reading() as db:
            return self._with_state(queries.sessions(db, source, fingerprint))

    def session(self, session_id: int) -> Session | None:
        """One session."""
        with self._reading() as db:
            return next(iter(self._with_state(queries.sessions(db, session_id=session_id))), None)

    def _with_state(self, sessions: list[Session]) -> list[Session]:
        return [replace(one, active=True) if self.goes_on(one.id) else one for one in sessions]

    def events(self, query: EventQuery) -> list[LogEvent]:
        """Events that fit, session by session, by time."""
        with self._reading() as db:
            return queries.events(db, query)

    def count(self, query: EventQuery, distinct_tracks: bool = False) -> int:
        """How many events fit, whatever ``limit`` says; with ``distinct_tracks``, how many objects they are about."""
        with self._reading() as db:
            return queries.count(db, query, distinct_tracks)

    def names(self, session_id: int) -> SessionNames:
        """The classes, zones, lines and directions that occur in the events of a session."""
        with self._reading() as db:
            return session_names(db, session_id)

    def columns(self, session_id: int, kinds: Sequence[EventKind] = (), after_id: int | None = None) -> EventColumns:
        """All events of a session as arrays, by time; with ``after_id``, those that were added later than that one."""
        with self._reading() as db:
            return queries.columns(db, session_id, kinds, after_id)

    def tracks(self, session_id: int, labels: Sequence[str] = ()) -> list[TrackRecord]:
        """Tracks of a session by their beginning, without pictures and embeddings."""
        with self._reading() as db:
            return queries.tracks(db, session_id, labels)

    def track(self, session_id: int, track_id: int) -> TrackRecord | None:
        """One track, with its picture and embedding."""
        with self._reading() as db:
            return queries.track(db, session_id, track_id)

    def frames(self, session_id: int, start_frame: int = 0, end_frame: int | None = None) -> Iterator[FrameRecord]:
        """Analysed frames by number, from ``start_frame`` (included) to ``end_frame`` (excluded)."""
        while True:
            with self._reading() as db:
                part = queries.frames(db, session_id, start_frame, end_frame)
            if not part:
                return
            yield from part
            start_frame = part[-1].frame + 1

    def frame(self, session_id: int, frame: int) -> FrameRecord | None:
        """One analysed frame."""
        with self._reading() as db:
            return queries.frame(db, session_id, frame)

    def frame_numbers(self, session_id: int) -> NDArray[np.int64]:
        """Numbers of all analysed frames, int64 (N,), ascending."""
        with self._reading() as db:
            return queries.frame_numbers(db, session_id)

    def search(self, text: str, session_id: int | None = None, limit: int = 20) -> list[SearchHit]:
        """Events whose label, text, zone or line has these words; the last word may be a beginning."""
        with self._reading() as db:
            return queries.search(db, text, session_id, limit)

    def similar(
        self, embedding: NDArray[np.float32], session_id: int | None = None, limit: int = 20
    ) -> list[SearchHit]:
        """Tracks that look most like an embedding, float32 (D,), by the cosine of the angle between them."""
        with self._reading() as db:
            return self._similar.search(db, embedding, session_id, limit)

    def without_embedding(self, session_id: int | None, length: int, limit: int) -> list[tuple[int, int]]:
        """(session, track) of tracks that have a picture but no embedding of this length, the newest first."""
        with self._reading() as db:
            return without_embedding(db, session_id, length, limit)
