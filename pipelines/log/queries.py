"""Questions to the event log, as SQL."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenescope.models import EventKind, LogEvent
from scenescope.pipelines.log.records import (
    EventColumns,
    EventQuery,
    FrameRecord,
    SearchHit,
    Session,
    SessionKind,
    TrackRecord,
)
from scenescope.pipelines.log.schema import COARSE_S, FINE_S

__all__ = [
    "columns",
    "count",
    "count_without_colour",
    "events",
    "frame",
    "frame_numbers",
    "frames",
    "newest_of",
    "search",
    "sessions",
    "track",
    "tracks",
]

FRAMES_AT_ONCE = 64
MOST_SUBJECTS = 1000
MANY = 20
MOST_QUERY_CHARS = 200
ALWAYS = 1 << 60

Row = tuple[Any, ...]
Part = tuple[str, list[Any]]

_EVENT = """SELECT e.id, e.session_id, s.kind, e.t_s, e.frame, s.label, e.track_id, s.zone, s.line, s.direction, s.text,
                   e.value, e.x1, e.y1, e.x2, e.y2, e.end_s, e.wall_s
            FROM events e {index} JOIN subjects s ON s.id = e.subject_id WHERE {where}
            ORDER BY e.session_id {way}, e.t_s {way}, e.id {way} LIMIT ?"""
_TRACK = """SELECT session_id, track_id, label, first_s, first_frame, last_s, last_frame, confidence,
                   best_frame, best_s, x1, y1, x2, y2"""
_CODED = ("kind", "label", "zone", "line")
_ROW_TYPE = np.dtype(
    [("id", "i8"), ("t_s", "f8"), ("end_s", "f8"), ("frame", "i8"), ("subject", "i8"), ("track_id", "i8")]
)


# Sessions --------------------------------------------------------------------------------------------------------


def sessions(
    db: sqlite3.Connection, source: str | None = None, fingerprint: str | None = None, session_id: int | None = None
) -> list[Session]:
    """Those that fit, the newest first."""
    wanted = {"source": source, "fingerprint": fingerprint, "id": session_id}
    given = {name: value for name, value in wanted.items() if value is not None}
    where = "".join(f" AND {name} = ?" for name in given)
    rows = db.execute(
        f"""SELECT kind, source, width, height, rate_hz, fingerprint, pipeline, start_s, end_s, began_wall_s, title,
                   id, ended_wall_s, complete, frames, last_s
            FROM sessions WHERE 1{where} ORDER BY began_wall_s DESC, id DESC""",
        list(given.values()),
    )
    return [_session(row) for row in rows]


def _session(row: Row) -> Session:
    kind, source, width, height, *rest = row
    (
        rate_hz,
        fingerprint,
        pipeline,
        start_s,
        end_s,
        began_wall_s,
        title,
        number,
        ended_wall_s,
        complete,
        done,
        last_s,
    ) = rest
    return Session(
        kind=SessionKind(kind),
        source=source,
        size_wh=(width, height),
        rate_hz=rate_hz,
        fingerprint=fingerprint,
        pipeline=pipeline,
        start_s=start_s,
        end_s=end_s,
        began_wall_s=began_wall_s,
        title=title,
        id=number,
        ended_wall_s=ended_wall_s,
        complete=bool(complete),
        frames=done,
        last_s=last_s,
    )


# Events ----------------------------------------------------------------------------------------------------------


def events(db: sqlite3.Connection, query: EventQuery) -> list[LogEvent]:
    """Those that fit, session by session, by time."""
    where, values = _conditions(db, query)
    way = "DESC" if query.newest_first else "ASC"
    limit = -1 if query.limit is None else query.limit
    # A few of many are found sooner along the time than by collecting all that fit.
    index = "INDEXED BY events_by_time" if 0 <= limit * MANY < count(db, query) else ""
    rows = db.execute(_EVENT.format(index=index, where=where, way=way), [*values, limit])
    return [_event(row) for row in rows]


def _event(row: Row) -> LogEvent:
    number, session_id, kind, t_s, index, label, track_id, zone, line, direction, text, value, *rest = row
    x1, y1, x2, y2, end_s, wall_s = rest
    return LogEvent(
        kind=EventKind(kind),
        t_s=t_s,
        frame=index,
        label=label,
        track_id=track_id,
        zone=zone,
        line=line,
        direction=direction,
        text=text,
        value=value,
        xyxy=None if x1 is None else (x1, y1, x2, y2),
        end_s=end_s,
        wall_s=wall_s,
        id=number,
        session_id=session_id,
    )


def count(db: sqlite3.Connection, query: EventQuery, distinct_tracks: bool = False) -> int:
    """How many fit, whatever ``limit`` says; or how many objects those are about that are about one."""
    by_clock = query.wall_start_s is not None or query.wall_end_s is not None
    if distinct_tracks:
        where, values = _conditions(db, query)
        objects = f"SELECT DISTINCT e.session_id, e.track_id FROM events e WHERE {where}"
        return int(db.execute(f"SELECT count(track_id) FROM ({objects})", values).fetchone()[0])
    if by_clock or query.track_ids:
        where, values = _conditions(db, query)
        return int(db.execute(f"SELECT count(*) FROM events e WHERE {where}", values).fetchone()[0])
    subject = _subject_condition(db, query)
    slots, rests = _cover(query.start_s, query.end_s)
    total = 0
    for width, first, last in slots:
        where, values = _joined([_session_condition(query), ("slot_s = ?", [width]), subject])
        total += db.execute(
            f"SELECT total(events) FROM tally e WHERE {where} AND slot >= ? AND slot < ?", [*values, first, last]
        ).fetchone()[0]
    for start_s, end_s in rests:
        where, values = _joined([_session_condition(query), ("e.t_s >= ? AND e.t_s < ?", [start_s, end_s]), subject])
        total += db.execute(f"SELECT count(*) FROM events e WHERE {where}", values).fetchone()[0]
    return int(total)


def count_without_colour(db: sqlite3.Connection, query: EventQuery, since_s: float) -> int:
    """How many objects of a session fit whose colour is not known, but for those not seen since ``since_s``.

    Events of objects without a number count each.
    """
    where, values = _conditions(db, query)
    objects = f"""SELECT e.track_id AS id, iif(e.track_id IS NULL, count(*), 1) AS number FROM events e
                  WHERE {where} GROUP BY e.track_id"""
    return int(
        db.execute(
            f"""SELECT total(number) FROM ({objects}) WHERE id IS NULL OR id NOT IN (
                    SELECT track_id FROM colours WHERE session_id = ? AND colour > ''
                    UNION ALL SELECT track_id FROM tracks WHERE session_id = ? AND last_s < ?)""",
            [*values, query.session_id, query.session_id, since_s],
        ).fetchone()[0]
    )


def _cover(start_s: float | None, end_s: float | None) -> tuple[list[tuple[int, int, int]], list[tuple[float, float]]]:
    """A range of time as whole slots (width, first, one after the last), and what is left over at its ends."""
    if start_s is None and end_s is None:
        return [(0, 0, 1)], []
    start_s = -math.inf if start_s is None else start_s
    end_s = math.inf if end_s is None else end_s
    first = -ALWAYS if start_s == -math.inf else math.ceil(start_s / FINE_S)
    last = ALWAYS if end_s == math.inf else math.floor(end_s / FINE_S)
    if first >= last:
        return [], [(start_s, end_s)]
    rests = [(start_s, float(first * FINE_S)), (float(last * FINE_S), end_s)]
    times = COARSE_S // FINE_S
    coarse_first, coarse_last = -(-first // times), last // times
    if coarse_first >= coarse_last:
        slots = [(FINE_S, first, last)]
    else:
        slots = [
            (FINE_S, first, coarse_first * times),
            (COARSE_S, coarse_first, coarse_last),
            (FINE_S, coarse_last * times, last),
        ]
    return [slot for slot in slots if slot[1] < slot[2]], [rest for rest in rests if rest[0] < rest[1]]


def columns(
    db: sqlite3.Connection, session_id: int, kinds: Sequence[EventKind] = (), after_id: int | None = None
) -> EventColumns:
    """All events of a session as arrays, by time; with ``after_id``, those that were added later than that one."""
    query = EventQuery(session_id, tuple(kinds))
    session = _session_condition(query)
    if after_id is not None:
        # The plus keeps SQLite from reading the whole session by its index: the newest rows are few.
        session = "+e.session_id = ? AND e.id > ?", [session_id, after_id]
    where, values = _joined([session, _subject_condition(db, query)])
    cursor = db.execute(
        f"""SELECT e.id, e.t_s, coalesce(e.end_s, e.t_s), e.frame, e.subject_id, coalesce(e.track_id, -1)
            FROM events e WHERE {where}""",
        values,
    )
    rows = np.fromiter(cursor, _ROW_TYPE)
    rows = rows[np.lexsort((rows["id"], rows["t_s"]))]
    used, subject = np.unique(rows["subject"], return_inverse=True)
    words = _subject_words(db, used)
    codes: dict[str, NDArray[np.int32]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for at, name in enumerate(_CODED):
        names[name] = tuple(dict.fromkeys(row[at] for row in words))
        number = {word: code for code, word in enumerate(names[name])}
        codes[name] = np.array([number[row[at]] for row in words], np.int32)[subject]
    return EventColumns(
        id=rows["id"].copy(),
        t_s=rows["t_s"].copy(),
        end_s=rows["end_s"].copy(),
        frame=rows["frame"].copy(),
        track_id=rows["track_id"].copy(),
        names=names,
        **codes,
    )


def _subject_words(db: sqlite3.Connection, subject_ids: NDArray[np.int64]) -> list[Row]:
    rows = db.execute(
        f"SELECT {', '.join(_CODED)} FROM subjects WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(subject_ids.tolist()),),
    )
    return rows.fetchall()


# Conditions ------------------------------------------------------------------------------------------------------


def _conditions(db: sqlite3.Connection, query: EventQuery) -> Part:
    parts = [_session_condition(query), _subject_condition(db, query)]
    bounds = {
        "e.t_s >= ?": query.start_s,
        "e.t_s < ?": query.end_s,
        "e.wall_s >= ?": query.wall_start_s,
        "e.wall_s < ?": query.wall_end_s,
    }
    parts += [(sql, [value]) for sql, value in bounds.items() if value is not None]
    if query.track_ids:
        parts.append(_one_of("e.track_id", query.track_ids))
    return _joined(parts)


def _session_condition(query: EventQuery) -> Part:
    if query.session_id is None:
        return "e.session_id IN (SELECT id FROM sessions)", []
    return "e.session_id = ?", [query.session_id]


def _subject_condition(db: sqlite3.Connection, query: EventQuery) -> Part:
    wanted: dict[str, Iterable[str]] = {
        "kind": query.kinds,
        "label": query.labels,
        "zone": query.zones,
        "line": query.lines,
        "direction": query.directions,
    }
    parts = [_one_of(name, words) for name, words in wanted.items() if words]
    if query.text.strip():
        parts.append(_one_of("id", [subject_id for subject_id, _ in matching_subjects(db, query.text)]))
    if not parts:
        return "", []
    where, values = _joined(parts)
    return f"e.subject_id IN (SELECT id FROM subjects WHERE {where})", values


def _one_of(name: str, values: Iterable[Any]) -> Part:
    # As one value, so that there may be any number of them.
    return f"{name} IN (SELECT value FROM json_each(?))", [json.dumps(list(values))]


def _joined(parts: Iterable[Part]) -> Part:
    kept = [part for part in parts if part[0]]
    return " AND ".join(sql for sql, _ in kept), [value for _, values in kept for value in values]


# Search ----------------------------------------------------------------------------------------------------------


def search(db: sqlite3.Connection, text: str, session_id: int | None = None, limit: int = 20) -> list[SearchHit]:
    """Events by their words, the best first, and of equal ones the newest."""
    hits: list[SearchHit] = []
    for subject_id, score in matching_subjects(db, text):
        if len(hits) >= limit:
            break
        hits += newest_of(db, subject_id, session_id, score, limit - len(hits))
    hits.sort(key=lambda hit: (-hit.score, -hit.session_id, -hit.t_s, -(hit.event_id or 0)))
    return hits


def newest_of(
    db: sqlite3.Connection, subject_id: int, session_id: int | None, score: float, limit: int
) -> list[SearchHit]:
    """The newest events of a subject."""
    if session_id is None:
        where, values = "session_id IN (SELECT id FROM sessions)", []
    else:
        where, values = "session_id = ?", [session_id]
    rows = db.execute(
        f"""SELECT e.session_id, e.t_s, e.frame, e.id, e.track_id, s.label, s.text
            FROM events e JOIN subjects s ON s.id = e.subject_id WHERE e.subject_id = ? AND {where}
            ORDER BY e.session_id DESC, e.t_s DESC, e.id DESC LIMIT ?""",
        [subject_id, *values, limit],
    )
    return [SearchHit(score, *row) for row in rows]


def matching_subjects(db: sqlite3.Connection, text: str) -> list[tuple[int, float]]:
    """Subjects with all words of ``text``, the last of which may be a beginning, and how well they fit, best first.

    Where there is none, those that hold ``text`` as it is: a part of a word, writing without spaces.
    """
    text = "".join(c for c in text[:MOST_QUERY_CHARS] if c.isprintable()).encode("utf-8", "replace").decode().strip()
    words = re.findall(r"[^\W_]+", text)
    if words:
        # Quoted, a word is a word and no operator; it holds no quotes itself.
        match = " ".join(f'"{word}"' for word in words) + "*"
        rows = db.execute(
            "SELECT rowid, -rank FROM words WHERE words MATCH ? ORDER BY rank, rowid LIMIT ?", (match, MOST_SUBJECTS)
        ).fetchall()
        if rows:
            return rows
    if not text:
        return []
    part = re.sub(r"([\\%_])", r"\\\1", text)
    return db.execute(
        r"""SELECT id, 0.0 FROM subjects WHERE text LIKE ?1 ESCAPE '\' OR label LIKE ?1 ESCAPE '\'
            OR zone LIKE ?1 ESCAPE '\' OR line LIKE ?1 ESCAPE '\' ORDER BY id DESC LIMIT ?2""",
        (f"%{part}%", MOST_SUBJECTS),
    ).fetchall()


# Tracks and frames -----------------------------------------------------------------------------------------------


def tracks(db: sqlite3.Connection, session_id: int, labels: Sequence[str] = ()) -> list[TrackRecord]:
    """Tracks of a session by their beginning, without pictures and embeddings."""
    where, values = _one_of("label", labels) if labels else ("1", [])
    rows = db.execute(
        f"{_TRACK} FROM tracks WHERE session_id = ? AND {where} ORDER BY first_s, track_id", [session_id, *values]
    )
    return [_track(row) for row in rows]


def track(db: sqlite3.Connection, session_id: int, track_id: int) -> TrackRecord | None:
    """One track with everything."""
    row = db.execute(
        f"{_TRACK}, picture_jpeg, embedding FROM tracks WHERE session_id = ? AND track_id = ?", (session_id, track_id)
    ).fetchone()
    return None if row is None else _track(row)


def _track(row: Row) -> TrackRecord:
    session_id, track_id, label, first_s, first_frame, last_s, last_frame, confidence, best_frame, best_s, *rest = row
    x1, y1, x2, y2, picture, embedding = (*rest, b"", None)[:6]
    return TrackRecord(
        track_id=track_id,
        label=label,
        first_s=first_s,
        first_frame=first_frame,
        last_s=last_s,
        last_frame=last_frame,
        confidence=confidence,
        best_frame=best_frame,
        best_s=best_s,
        best_xyxy=(x1, y1, x2, y2),
        picture_jpeg=picture,
        embedding=None if embedding is None else np.frombuffer(embedding, "<f4"),
        session_id=session_id,
    )


def frames(db: sqlite3.Connection, session_id: int, start_frame: int, end_frame: int | None) -> list[FrameRecord]:
    """The next few analysed frames from ``start_frame`` on, before ``end_frame``."""
    rows = db.execute(
        """SELECT frame, pts_s, results FROM frames WHERE session_id = ? AND frame >= ? AND frame < ?
           ORDER BY frame LIMIT ?""",
        (session_id, start_frame, ALWAYS if end_frame is None else end_frame, FRAMES_AT_ONCE),
    )
    return [FrameRecord(*row) for row in rows]


def frame(db: sqlite3.Connection, session_id: int, index: int) -> FrameRecord | None:
    """One analysed frame."""
    row = db.execute(
        "SELECT frame, pts_s, results FROM frames WHERE session_id = ? AND frame = ?", (session_id, index)
    ).fetchone()
    return None if row is None else FrameRecord(*row)


def frame_numbers(db: sqlite3.Connection, session_id: int) -> NDArray[np.int64]:
    """Numbers of all analysed frames, ascending."""
    rows = db.execute("SELECT frame FROM frames WHERE session_id = ? ORDER BY frame", (session_id,))
    return np.fromiter((row[0] for row in rows), np.int64)
