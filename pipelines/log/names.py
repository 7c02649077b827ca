"""Which words occur in the events of a session: classes, zones, lines and the directions in which lines are crossed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

__all__ = ["SessionNames", "session_names"]


@dataclass(frozen=True)
class SessionNames:
    """Each in the order of the alphabet, once."""

    labels: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    directions: tuple[str, ...] = ()


def session_names(db: sqlite3.Connection, session_id: int) -> SessionNames:
    """The names in a session; fast however long it is, since events are counted by what they are about."""
    rows = db.execute(
        """SELECT s.label, s.zone, s.line, s.direction FROM tally t JOIN subjects s ON s.id = t.subject_id
           WHERE t.session_id = ? AND t.slot_s = 0 AND t.events > 0""",
        (session_id,),
    ).fetchall()
    columns = zip(*rows, strict=True) if rows else [(), (), (), ()]
    return SessionNames(*(tuple(sorted({name for name in column if name})) for column in columns))
