"""Changes: what one transaction of the event log writes."""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from scenescope.models import LogEvent
from scenescope.pipelines.log.records import FrameRecord, NewSession, SessionKind, TrackRecord
from scenescope.pipelines.log.schema import COARSE_S, FINE_S

__all__ = ["Changes", "Row", "event_row", "frame_row", "track_row", "with_wall_clock"]

MOST_KNOWN_SUBJECTS = 100_000
DAY_S = 86_400.0

Row = tuple[Any, ...]
Subject = tuple[str, str, str, str, str, str]

_NO_BOX = (None, None, None, None)
_EVENT_COLUMNS = "session_id, subject_id, t_s, frame, track_id, value, x1, y1, x2, y2, end_s, wall_s"
_EVENT_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_EVENT = f"INSERT INTO events({_EVENT_COLUMNS}) VALUES {_EVENT_VALUES}"
# Every statement lets other threads run, and has to wait until it may go on: fewer of them are faster.
EVENTS_A_STATEMENT = 200
_ADD_EVENTS = _ADD_EVENT + f", {_EVENT_VALUES}" * (EVENTS_A_STATEMENT - 1)
_PUT_EVENT = f"INSERT OR IGNORE INTO events(id, {_EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_TRACK = "INSERT OR REPLACE INTO tracks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_FRAME = "INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?)"
_COUNT = """INSERT INTO tally VALUES (?, ?, ?, ?, ?)
            ON CONFLICT(session_id, slot_s, slot, subject_id) DO UPDATE SET events = events + excluded.events"""
_PUT_SESSION = """INSERT OR IGNORE INTO sessions(
    id, kind, source, fingerprint, width, height, rate_hz, pipeline, start_s, end_s, began_wall_s, title)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_TABLES = ("events", "tally", "tracks", "frames", "colours")


def event_row(event: LogEvent) -> Row:
    """What the file holds of an event: its subject, then time, frame, number and measures.

    Raises:
        ValueError: its time is not a number.
    """
    if not math.isfinite(event.t_s):
        raise ValueError(f"an event at {event.t_s} s has no place in time")
    subject = (event.kind.value, event.label, event.zone, event.line, event.direction, event.text)
    track_id = None if event.track_id is None else int(event.track_id)
    box = _NO_BOX if event.xyxy is None or not all(map(math.isfinite, event.xyxy)) else tuple(map(float, event.xyxy))
    times = (_number(event.end_s), _number(event.wall_s))
    return subject, float(event.t_s), int(event.frame), track_id, _number(event.value), *box, *times


def track_row(track: TrackRecord) -> Row:
    """What the file holds of a track.

    Raises:
        ValueError: one of its times is not a number.
    """
    times = (track.first_s, int(track.first_frame), track.last_s, int(track.last_frame))
    best = (float(track.confidence), int(track.best_frame), float(track.best_s), *map(float, track.best_xyxy))
    if not all(map(math.isfinite, (*times, *best))):
        raise ValueError(f"track {track.track_id} has no place in time")
    embedding = None if track.embedding is None else track.embedding.astype("<f4").tobytes()
    return int(track.track_id), _storable(track.label), *times, *best, embedding, track.picture_jpeg


def frame_row(frame: FrameRecord) -> Row:
    """What the file holds of a frame."""
    return int(frame.frame), float(frame.pts_s), frame.results


class Changes:
    """Writes through one connection; what is cached is forgotten when a transaction is undone.

    Attributes:
        touched: sessions that have changed since :meth:`begin`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.touched: set[int] = set()
        self._afterwards: list[Callable[[], object]] = []
        self._subjects: dict[Subject, int] = {}
        self._sessions: set[int] = set()
        self._rows: list[Row] = []
        self._counts: Counter[tuple[int, int, int]] = Counter()
        self._version = -1

    # The transaction ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin a transaction."""
        self.touched = set()
        self._afterwards = []
        self.connection.execute("BEGIN IMMEDIATE")
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version or len(self._subjects) > MOST_KNOWN_SUBJECTS:
            # Another program has written: what it removed is not there any more.
            self._version = version
            self._forget()

    def commit(self) -> None:
        """End it."""
        self._settle()
        self.connection.execute("COMMIT")
        # The transaction stands, whatever becomes of this.
        for action in self._afterwards:
            with contextlib.suppress(sqlite3.Error):
                action()

    def afterwards(self, action: Callable[[], object]) -> None:
        """Call this once the transaction stands; not when it is undone."""
        self._afterwards.append(action)

    def undo(self) -> None:
        """Leave the file as it was."""
        self._rows = []
        self._counts.clear()
        self._forget()
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def _forget(self) -> None:
        self._subjects.clear()
        self._sessions.clear()

    # Adding ------------------------------------------------------------------------------------------------------

    def put_session(self, new: NewSession, session_id: int | None = None) -> int:
        """A row for a session, under a number of its own or a given one."""
        width, height = new.size_wh
        named = (new.kind.value, _storable(new.source), new.fingerprint, int(width), int(height), float(new.rate_hz))
        rest = (_storable(new.pipeline), new.start_s, new.end_s, float(new.began_wall_s), _storable(new.title))
        row_id = self.connection.execute(_PUT_SESSION, (session_id, *named, *rest)).lastrowid
        found = session_id if session_id is not None else row_id
        assert found is not None
        self.touched.add(found)
        return found

    def add(self, session_id: int, events: Sequence[Row], tracks: Sequence[Row], frames: Sequence[Row]) -> None:
        """Rows of a session; of one that was deleted meanwhile they are let go."""
        if not self._is_there(session_id):
            return
        self.touched.add(session_id)
        for subject, t_s, *rest in events:
            subject_id = self._subject(subject)
            self._rows.append((session_id, subject_id, t_s, *rest))
            self._counts[session_id, int(t_s // FINE_S), subject_id] += 1
        if tracks:
            self.connection.executemany(_PUT_TRACK, [(session_id, *row) for row in tracks])
        if frames:
            self.connection.executemany(_PUT_FRAME, [(session_id, *row) for row in frames])

    def add_now(self, session_id: int, row: Row, event_id: int | None = None) -> int:
        """One event, under a number of its own or the one it had before; its number, or 0 without its session."""
        if not self._is_there(session_id):
            return 0
        self._settle()
        subject, t_s, *rest = row
        subject_id = self._subject(subject)
        cursor = self.connection.execute(_PUT_EVENT, (event_id, session_id, subject_id, t_s, *rest))
        if cursor.rowcount == 1:
            self._counts[session_id, int(t_s // FINE_S), subject_id] += 1
        self.touched.add(session_id)
        return event_id or int(cursor.lastrowid or 0)

    def progress(self, session_id: int, frames: int, last_s: float) -> None:
        """How far a session has come."""
        self.connection.execute("UPDATE sessions SET frames = ?, last_s = ? WHERE id = ?", (frames, last_s, session_id))
        self.touched.add(session_id)

    def end(self, session_id: int, complete: bool) -> None:
        """A session is over."""
        self.connection.execute(
            "UPDATE sessions SET ended_wall_s = ?, complete = ? WHERE id = ?", (time.time(), int(complete), session_id)
        )
        self.touched.add(session_id)

    def reopen(self, session_id: int) -> bool:
        """A session goes on; False when it is not there."""
        self.touched.add(session_id)
        row = self.connection.execute(
            "UPDATE sessions SET ended_wall_s = NULL, complete = 0 WHERE id = ?", (session_id,)
        )
        return row.rowcount == 1

    def keep_embedding(self, session_id: int, track_id: int, best_frame: int, embedding: bytes) -> None:
        """How a track looks, unless another picture of it has been kept meanwhile."""
        self.connection.execute(
            "UPDATE tracks SET embedding = ? WHERE (session_id, track_id, best_frame) = (?, ?, ?)",
            (embedding, session_id, track_id, best_frame),
        )
        self.touched.add(session_id)

    def _is_there(self, session_id: int) -> bool:
        if session_id not in self._sessions:
            if not self.connection.execute("SELECT 1 FROM sessions WHERE id = ?", (session_id,)).fetchone():
                return False
            self._sessions.add(session_id)
        return True

    def _subject(self, subject: Subject) -> int:
        known = self._subjects.get(subject)
        if known is not None:
            return known
        columns = tuple(map(_storable, subject))
        self.connection.execute(
            "INSERT OR IGNORE INTO subjects(kind, label, zone, line, direction, text) VALUES (?, ?, ?, ?, ?, ?)",
            columns,
        )
        found: int = self.connection.execute(
            "SELECT id FROM subjects WHERE (kind, label, zone, line, direction, text) = (?, ?, ?, ?, ?, ?)", columns
        ).fetchone()[0]
        self._subjects[subject] = found
        return found

    def _settle(self) -> None:
        """Write what is gathered: many rows at once are several times faster than each by itself."""
        if self._rows:
            rows, whole = self._rows, len(self._rows) // EVENTS_A_STATEMENT * EVENTS_A_STATEMENT
            parts = (rows[at : at + EVENTS_A_STATEMENT] for at in range(0, whole, EVENTS_A_STATEMENT))
            self.connection.executemany(_ADD_EVENTS, ([*chain.from_iterable(part)] for part in parts))
            self.connection.executemany(_ADD_EVENT, rows[whole:])
            self._rows = []
        if self._counts:
            slots: Counter[Row] = Counter()
            for (session_id, slot, subject_id), events in self._counts.items():
                for key in _slots(session_id, slot, subject_id):
                    slots[key] += events
            self._counts.clear()
            self.connection.executemany(_COUNT, [(*key, events) for key, events in slots.items()])

    # Removing ----------------------------------------------------------------------------------------------------

    def remove_events(self, event_ids: Iterable[int]) -> None:
        """Single events."""
        self._settle()
        for event_id in event_ids:
            row = self.connection.execute(
                "DELETE FROM events WHERE id = ? RETURNING session_id, subject_id, t_s", (event_id,)
            ).fetchall()
            for session_id, subject_id, t_s in row:
                self.touched.add(session_id)
                keys = _slots(session_id, int(t_s // FINE_S), subject_id)
                self.connection.executemany(_COUNT, [(*key, -1) for key in keys])
                self.connection.executemany(
                    "DELETE FROM tally WHERE events <= 0 AND (session_id, slot_s, slot, subject_id) = (?, ?, ?, ?)",
                    keys,
                )

    def retract(self, session_id: int, rows: Sequence[Row]) -> None:
        """Events that turned out to be none: one is removed for each row with its subject, frame and track."""
        self._settle()
        for subject, _, frame, track_id, *_ in rows:
            found = self.connection.execute(
                """SELECT id FROM events WHERE subject_id = ? AND session_id = ? AND frame = ? AND track_id IS ?
                   ORDER BY id DESC LIMIT 1""",
                (self._subject(subject), session_id, frame, track_id),
            ).fetchone()
            if found:
                self.remove_events(found)

    def delete_sessions(self, session_ids: Sequence[int]) -> None:
        """Sessions with all that they hold; the file gets smaller."""
        self._settle()
        for session_id in session_ids:
            for table in _TABLES:
                self.connection.execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))
            self.connection.execute("DELETE FROM sessions WHERE id = ?", (session_id,))
            self.touched.add(session_id)
        # What was read or written in them must not stay either.
        self.connection.execute(
            "DELETE FROM subjects WHERE NOT EXISTS (SELECT 1 FROM events WHERE subject_id = subjects.id)"
        )
        self.connection.execute("INSERT INTO words(words) VALUES ('optimize')")
        self._forget()
        if self._shrink not in self._afterwards:
            self.afterwards(self._shrink)

    def prune(
        self, max_age_days: float | None, max_bytes: int | None, kinds: Iterable[SessionKind], active: set[int]
    ) -> None:
        """Delete sessions that are older than so many days, then the oldest until the rest is small enough."""
        self._settle()
        rows = self.connection.execute(
            "SELECT id, began_wall_s, kind FROM sessions ORDER BY began_wall_s, id"
        ).fetchall()
        wanted = {kind.value for kind in kinds}
        rows = [(number, began_s) for number, began_s, kind in rows if kind in wanted and number not in active]
        if max_age_days is not None:
            oldest_s = time.time() - max_age_days * DAY_S
            self.delete_sessions([session_id for session_id, began_s in rows if began_s < oldest_s])
            rows = [(session_id, began_s) for session_id, began_s in rows if began_s >= oldest_s]
        while max_bytes is not None and rows and self._used_bytes() > max_bytes:
            self.delete_sessions([rows.pop(0)[0]])

    def _used_bytes(self) -> int:
        sizes = ("page_count", "freelist_count", "page_size")
        pages, free, page = (self.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in sizes)
        return int((pages - free) * page)

    def _shrink(self) -> None:
        # It frees a page each time that it is asked for a row, and has no columns to fetch.
        self.connection.executescript("PRAGMA incremental_vacuum")
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def with_wall_clock(new: NewSession) -> NewSession:
    """A session that says when it began."""
    return new if new.began_wall_s else replace(new, began_wall_s=time.time())


def _slots(session_id: int, slot: int, subject_id: int) -> list[Row]:
    """Keys of the tally that an event in a fine slot counts for."""
    coarse = slot // (COARSE_S // FINE_S)
    return [
        (session_id, 0, 0, subject_id),
        (session_id, FINE_S, slot, subject_id),
        (session_id, COARSE_S, coarse, subject_id),
    ]


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _storable(text: str) -> str:
    """Text that UTF-8 and SQLite can hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
