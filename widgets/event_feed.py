"""EventFeed: keeps what is known of one session of the log up to date, without ever waiting for the disk."""

from __future__ import annotations

import time
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from scenescope.pipelines.log.records import EventColumns, Session
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.event_data import Loaded, load
from scenescope.widgets.event_reader import CommitBell, EventReader

__all__ = ["EventFeed"]

REFRESH_EVERY_S = 0.2
UNSEEN_EVERY_S = 2.0
READ_SHARE = 4.0
"""So many times as long as a reading took is waited until the next: huge sessions must not fill the machine."""


class EventFeed(QObject):
    """Reads the list of sessions, and of one of them what is new, at most five times a second.

    Args:
        parent: as for every QObject.

    Attributes:
        log: the log; None when there is none.
        reader: the thread that reads it, for whoever else wants to.
        wanted_id: the session that is read; None for none.
        sessions: all there are, the newest first.
        every_s: so often at most the session is read again.
    """

    listed = Signal(list)
    """There are other sessions."""
    loaded = Signal(object)
    """:class:`Loaded`, of ``wanted_id``."""
    failed = Signal(object)
    """The log cannot be read: the exception."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.log: EventLog | None = None
        self.reader = EventReader("timeline", self)
        self.wanted_id: int | None = None
        self.sessions: list[Session] = []
        self.every_s = REFRESH_EVERY_S
        self._known: EventColumns | None = None
        self._bell: CommitBell | None = None
        self._read_at_s, self._read_took_s = 0.0, 0.0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self.refresh)

    def set_log(self, log: EventLog | None) -> None:
        """Read this log."""
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        self.want(None)
        self.reader.cancel("sessions")
        self.log, self.sessions = log, []
        if log is not None:
            self._bell = CommitBell(log.subscribe, self)
            self._bell.rung.connect(self._written)
            self.list_sessions()

    def close(self) -> None:
        """End what runs."""
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        self._again.stop()
        self.reader.close()
        self.log = None

    def set_seen(self, on: bool) -> None:
        """Somebody looks, or nobody does and a reading now and then will do."""
        self.every_s = REFRESH_EVERY_S if on else UNSEEN_EVERY_S
        if on and self._again.isActive():
            self.refresh()

    def list_sessions(self) -> None:
        """Read which sessions there are."""
        if self.log is not None:
            self.reader.ask("sessions", self.log.sessions, self._show_list, self.failed.emit)

    def want(self, session_id: int | None) -> None:
        """Read this session from now on."""
        self.reader.cancel("data")
        self._again.stop()
        self._known = None
        self._read_took_s = 0.0
        self.wanted_id = session_id
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Read what is new in the session."""
        if self.log is not None and self.wanted_id is not None:
            self._again.stop()
            self._read_at_s = time.monotonic()
            work = partial(load, self.log, self.wanted_id, self._known)
            self.reader.ask("data", work, self._show_loaded, self.failed.emit)

    def delete(self, session_id: int) -> None:
        """Delete a session."""
        log = self.log
        if log is None:
            return

        def work() -> list[Session]:
            log.delete_session(session_id)
            log.flush()
            return log.sessions()

        if session_id == self.wanted_id:
            self.want(None)
        self.reader.ask("", work, self._show_list, self.failed.emit)

    def _show_list(self, sessions: list[Session]) -> None:
        self.sessions = sessions
        self.listed.emit(sessions)

    def _show_loaded(self, loaded: Loaded) -> None:
        self._read_took_s = time.monotonic() - self._read_at_s
        self._known = loaded.data.columns
        if loaded.session is None:
            self.want(None)
            self.list_sessions()
        self.loaded.emit(loaded)

    @Slot(object)
    def _written(self, session_ids: frozenset[int]) -> None:
        log, known = self.log, {session.id: session for session in self.sessions}
        ends = [
            one for one in session_ids if one in known and log is not None and known[one].active != log.goes_on(one)
        ]
        if ends or session_ids - set(known):
            self.list_sessions()
        if self.wanted_id in session_ids and not self._again.isActive():
            pause_s = max(self.every_s, READ_SHARE * self._read_took_s)
            self._again.start(max(round((self._read_at_s + pause_s - time.monotonic()) * 1000), 0))
