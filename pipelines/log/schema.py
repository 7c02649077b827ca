"""The file of the event log: its tables, how older files become newer ones, and what is done with a damaged one."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

from scenescope.models import SinkError

__all__ = ["COARSE_S", "FINE_S", "MIGRATIONS", "explained", "is_damage", "make_folder", "open_file", "open_for_reading"]

APPLICATION_ID = 0x5363_656E  # "Scen"
BUSY_S = 5.0
CHECK_AT_MOST_S = 1.0

# Widths of the time slots that events are counted in; powers of two, so that their borders are exact.
FINE_S, COARSE_S = 64, 4096

# A subject is what events have in common; there are few of them, so that words are stored, searched and counted once.
# ``tally`` has the number of events by subject for a whole session (slot_s = 0) and for slots of FINE_S and COARSE_S.
MIGRATIONS = (
    """
    CREATE TABLE sessions(
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, source TEXT NOT NULL, fingerprint TEXT NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, rate_hz REAL NOT NULL, pipeline TEXT NOT NULL,
        start_s REAL, end_s REAL, began_wall_s REAL NOT NULL, title TEXT NOT NULL,
        ended_wall_s REAL, complete INTEGER NOT NULL DEFAULT 0,
        frames INTEGER NOT NULL DEFAULT 0, last_s REAL NOT NULL DEFAULT 0);
    CREATE TABLE subjects(
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL, zone TEXT NOT NULL, line TEXT NOT NULL,
        direction TEXT NOT NULL, text TEXT NOT NULL, UNIQUE(kind, label, zone, line, direction, text));
    CREATE VIRTUAL TABLE words USING fts5(
        label, text, zone, line, content='subjects', content_rowid='id', tokenize='unicode61 remove_diacritics 2');
    CREATE TRIGGER subjects_added AFTER INSERT ON subjects BEGIN
        INSERT INTO words(rowid, label, text, zone, line) VALUES (new.id, new.label, new.text, new.zone, new.line);
    END;
    CREATE TRIGGER subjects_removed AFTER DELETE ON subjects BEGIN
        INSERT INTO words(words, rowid, label, text, zone, line)
        VALUES ('delete', old.id, old.label, old.text, old.zone, old.line);
    END;
    CREATE TABLE events(
        id INTEGER PRIMARY KEY AUTOINCREMENT, session_id INTEGER NOT NULL, subject_id INTEGER NOT NULL,
        t_s REAL NOT NULL, frame INTEGER NOT NULL, track_id INTEGER, value REAL,
        x1 REAL, y1 REAL, x2 REAL, y2 REAL, end_s REAL, wall_s REAL);
    CREATE INDEX events_by_time ON events(session_id, t_s, subject_id, track_id);
    CREATE INDEX events_by_subject ON events(subject_id, session_id, t_s, track_id);
    CREATE INDEX events_by_track ON events(session_id, track_id, t_s) WHERE track_id IS NOT NULL;
    CREATE INDEX events_by_clock ON events(session_id, wall_s, subject_id, track_id) WHERE wall_s IS NOT NULL;
    CREATE TABLE tally(
        session_id INTEGER NOT NULL, slot_s INTEGER NOT NULL, slot INTEGER NOT NULL, subject_id INTEGER NOT NULL,
        events INTEGER NOT NULL, PRIMARY KEY(session_id, slot_s, slot, subject_id)) WITHOUT ROWID;
    CREATE TABLE tracks(
        session_id INTEGER NOT NULL, track_id INTEGER NOT NULL, label TEXT NOT NULL,
        first_s REAL NOT NULL, first_frame INTEGER NOT NULL, last_s REAL NOT NULL, last_frame INTEGER NOT NULL,
        confidence REAL NOT NULL, best_frame INTEGER NOT NULL, best_s REAL NOT NULL,
        x1 REAL NOT NULL, y1 REAL NOT NULL, x2 REAL NOT NULL, y2 REAL NOT NULL,
        embedding BLOB, picture_jpeg BLOB NOT NULL, PRIMARY KEY(session_id, track_id));
    CREATE TABLE frames(
        session_id INTEGER NOT NULL, frame INTEGER NOT NULL, pts_s REAL NOT NULL, results BLOB NOT NULL,
        PRIMARY KEY(session_id, frame)) WITHOUT ROWID;
    CREATE VIEW readable_events AS
        SELECT e.id, e.session_id, s.kind, e.t_s, e.frame, s.label, e.track_id, s.zone, s.line, s.direction, s.text,
               e.value, e.x1, e.y1, e.x2, e.y2, e.end_s, e.wall_s
        FROM events e JOIN subjects s ON s.id = e.subject_id;
    """,
    # The assistant: what was said, what it did, what left this computer, and what the words of events mean.
    """
    CREATE TABLE conversations(
        id INTEGER PRIMARY KEY AUTOINCREMENT, began_wall_s REAL NOT NULL, source TEXT NOT NULL);
    CREATE TABLE messages(
        id INTEGER PRIMARY KEY AUTOINCREMENT, conversation_id INTEGER NOT NULL, number INTEGER NOT NULL,
        kind TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL, wall_s REAL NOT NULL, body TEXT NOT NULL,
        UNIQUE(conversation_id, number));
    CREATE VIRTUAL TABLE message_words USING fts5(
        text, content='messages', content_rowid='id', tokenize='unicode61 remove_diacritics 2');
    CREATE TRIGGER messages_added AFTER INSERT ON messages BEGIN
        INSERT INTO message_words(rowid, text) VALUES (new.id, new.text);
    END;
    CREATE TRIGGER messages_changed AFTER UPDATE OF text ON messages BEGIN
        INSERT INTO message_words(message_words, rowid, text) VALUES ('delete', old.id, old.text);
        INSERT INTO message_words(rowid, text) VALUES (new.id, new.text);
    END;
    CREATE TRIGGER messages_removed AFTER DELETE ON messages BEGIN
        INSERT INTO message_words(message_words, rowid, text) VALUES ('delete', old.id, old.text);
    END;
    CREATE TABLE actions(
        id INTEGER PRIMARY KEY AUTOINCREMENT, wall_s REAL NOT NULL, tool TEXT NOT NULL, args TEXT NOT NULL,
        risk TEXT NOT NULL, outcome TEXT NOT NULL, why TEXT NOT NULL);
    CREATE TABLE egress(
        id INTEGER PRIMARY KEY AUTOINCREMENT, wall_s REAL NOT NULL, host TEXT NOT NULL, reach TEXT NOT NULL,
        pictures INTEGER NOT NULL, bytes INTEGER NOT NULL, purpose TEXT NOT NULL, sha256 TEXT NOT NULL);
    CREATE TABLE meanings(
        subject_id INTEGER NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL,
        PRIMARY KEY(subject_id, model)) WITHOUT ROWID;
    CREATE TRIGGER meanings_removed AFTER DELETE ON subjects BEGIN
        DELETE FROM meanings WHERE subject_id = old.id;
    END;
    """,
    # Colours of objects, beside the tracks: a slow detector's objects have no track. '' was looked for and not found.
    # Vectors are numbered in the order in which they come.
    """
    CREATE TABLE colours(
        session_id INTEGER NOT NULL, track_id INTEGER NOT NULL, colour TEXT NOT NULL,
        PRIMARY KEY(session_id, track_id)) WITHOUT ROWID;
    CREATE INDEX colours_by_name ON colours(session_id, colour, track_id);
    CREATE TABLE vectors(
        id INTEGER PRIMARY KEY AUTOINCREMENT, subject_id INTEGER NOT NULL, model TEXT NOT NULL, vector BLOB NOT NULL,
        UNIQUE(subject_id, model));
    INSERT INTO vectors(subject_id, model, vector) SELECT subject_id, model, vector FROM meanings;
    DROP TRIGGER meanings_removed;
    DROP TABLE meanings;
    CREATE TRIGGER vectors_removed AFTER DELETE ON subjects BEGIN
        DELETE FROM vectors WHERE subject_id = old.id;
    END;
    """,
)

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_KEPT = "What happens meanwhile is kept in memory and written then."
_SENTENCES = {
    sqlite3.SQLITE_FULL: ("There is no room on the disk for the event log {path}.", f"Make room. {_KEPT}"),
    sqlite3.SQLITE_READONLY: ("The event log {path} cannot be written.", "Allow writing to the file and its folder."),
    sqlite3.SQLITE_PERM: ("The event log {path} cannot be written.", "Allow writing to the file and its folder."),
    sqlite3.SQLITE_CANTOPEN: ("The event log {path} cannot be opened.", "See that its folder is there, with rights."),
    sqlite3.SQLITE_IOERR: ("The disk does not take the event log {path}.", f"See that it is connected. {_KEPT}"),
    sqlite3.SQLITE_BUSY: ("Another program holds the event log {path}.", f"Close the other program. {_KEPT}"),
    sqlite3.SQLITE_CORRUPT: ("The event log {path} is damaged.", "Start again: it is then set aside."),
    sqlite3.SQLITE_NOTADB: ("The event log {path} is damaged.", "Start again: it is then set aside."),
}


def is_damage(error: BaseException) -> bool:
    """True when SQLite says that the file itself is broken."""
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def explained(error: Exception, path: Path) -> SinkError:
    """An error of SQLite or the system as a sentence with a cure."""
    if isinstance(error, SinkError):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    message, hint = _SENTENCES.get(code, (f"The event log {{path}} failed: {error}.", "Choose another file."))
    return SinkError(message.format(path=path), hint=hint, permanent=code in _DAMAGED)


def make_folder(path: Path) -> None:
    """Make the folder of a file.

    Raises:
        SinkError: it cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(
            f"The folder of the event log {path} cannot be made: {error.strerror}.", hint="Choose another folder."
        ) from error


def open_file(path: Path, anew: bool = False) -> tuple[sqlite3.Connection, str]:
    """A connection that writes, to a file with all tables; made or brought up to date where needed.

    A damaged file is renamed to ``<name>.damaged-<n>`` and a new one begun.

    Args:
        path: of the file, in a folder that is there.
        anew: True when the file is known to be damaged.

    Returns:
        The connection, which any one thread at a time may use, and a sentence about what was set aside, or "".

    Raises:
        SinkError: the file is newer than this program, is something else, or cannot be written.
    """
    if path.is_dir():
        raise SinkError(f"{path} is a folder, not an event log.", hint="Choose a file.")
    try:
        if not anew:
            return _connected(path), ""
    except sqlite3.Error as error:
        if not is_damage(error):
            raise explained(error, path) from error
    aside = _set_aside(path)
    try:
        return _connected(path), f"The event log was damaged. It was set aside as {aside.name}, and a new one begun."
    except sqlite3.Error as error:
        raise explained(error, path) from error


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot change the file; any one thread at a time may use it."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_S, check_same_thread=False, isolation_level=None
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
    try:
        _check(connection, path)
        # Takes effect in a file without tables only.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        # What is forgotten is overwritten in the file, also what was replaced or moved within it before.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA cache_size = -32000")
        _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    version, tables, application = (
        connection.execute(sql).fetchone()[0]
        for sql in ("PRAGMA user_version", "SELECT count(*) FROM sqlite_master", "PRAGMA application_id")
    )
    if tables and application != APPLICATION_ID:
        raise SinkError(f"{path} is a database of another program.", hint="Choose another file for the event log.")
    if version > len(MIGRATIONS):
        raise SinkError(
            f"The event log {path} was written by a newer version of this program.",
            hint="Update the program, or choose another file.",
        )
    # A large file takes long to read through; what this does not reach is told when it is met.
    deadline_s = time.monotonic() + CHECK_AT_MOST_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline_s, 10_000)
    try:
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        problem = "ok"
    finally:
        connection.set_progress_handler(None, 0)
    if problem != "ok":
        broken = sqlite3.DatabaseError(problem)
        broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise broken


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    # Fails here, and not in the middle of the work, where nothing may be written.
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _statements(script: str) -> list[str]:
    """Cut where SQLite itself says that a statement is whole: bodies of triggers have semicolons inside."""
    found, begun = [], ""
    for part in script.split(";"):
        begun += part + ";"
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return [statement for statement in found if statement.strip(" \n;")]


def _set_aside(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        path.rename(aside)
        for end in ("-wal", "-shm"):
            beside = path.with_name(path.name + end)
            if beside.exists():
                beside.rename(aside.with_name(aside.name + end))
    except OSError as error:
        raise SinkError(
            f"The event log {path} is damaged and cannot be set aside: {error.strerror}.",
            hint="Move the file away, or choose another one.",
        ) from error
    return aside
