"""EventMarks: marks that the user sets, each change of which can be undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack
from typing_extensions import override

from scenescope.models import ScenescopeError, SinkError
from scenescope.models.log_events import EventKind, LogEvent
from scenescope.pipelines.log.store import EventLog
from scenescope.widgets.event_reader import EventReader

__all__ = ["EventMarks"]

MOST_LETTERS = 500
WRITTEN_WITHIN_S = 5.0


class EventMarks(QObject):
    """Adds, renames and deletes marks, on the reader's thread, in the order in which it was asked for.

    Args:
        reader: the thread.
        stack: where changes are remembered.
        parent: as for every QObject.
    """

    changed = Signal(int)
    """The events of this session are others now, and in the log."""
    begun = Signal()
    """A change was asked for: what is known of marks is old."""
    failed = Signal(str, str)
    """A change was not made: message and hint."""

    def __init__(self, reader: EventReader, stack: QUndoStack, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader = reader
        self._stack = stack

    def add(self, log: EventLog, session_id: int, t_s: float, frame: int, text: str = "") -> None:
        """Set a mark."""
        event = LogEvent(EventKind.MARK, t_s, frame, text=text[:MOST_LETTERS], session_id=session_id)
        self._stack.push(_Change(self, log, "Add mark", None, event))

    def rename(self, log: EventLog, mark: LogEvent, text: str) -> None:
        """Give a mark another text."""
        if text != mark.text:
            self._stack.push(_Change(self, log, "Change mark", mark, replace(mark, text=text[:MOST_LETTERS])))

    def remove(self, log: EventLog, mark: LogEvent) -> None:
        """Delete a mark."""
        self._stack.push(_Change(self, log, "Delete mark", mark, None))

    def run(self, work: Callable[[], int]) -> None:
        """Do a change on the reader's thread. For the undo stack."""
        self._reader.ask("", work, self.changed.emit, self._failed)
        self.begun.emit()

    def _failed(self, error: Exception) -> None:
        if isinstance(error, ScenescopeError):
            self.failed.emit(error.user_message, error.hint)
        else:
            self.failed.emit(f"The mark was not kept: {error}", "")


class _Change(QUndoCommand):
    """A mark before and after; None where it is not there."""

    def __init__(
        self, marks: EventMarks, log: EventLog, text: str, before: LogEvent | None, after: LogEvent | None
    ) -> None:
        super().__init__(text)
        self._marks, self._log = marks, log
        self._before, self._after = before, after
        mark = before or after
        assert mark is not None
        assert mark.session_id is not None
        self._session_id = mark.session_id
        self._id = mark.id

    @override
    def redo(self) -> None:
        self._marks.run(partial(self._put, self._after))

    @override
    def undo(self) -> None:
        self._marks.run(partial(self._put, self._before))

    def _put(self, mark: LogEvent | None) -> int:
        """On the reader's thread: make the log hold ``mark``, or no such mark; the session that it is in."""
        log = self._log
        if mark is not None and self._id is None:
            self._id = log.add_now(self._session_id, mark) or None
            if self._id is None:
                raise SinkError("The session of this mark is not in the event log any more.")
            return self._session_id
        if self._id is not None:
            log.remove_event(self._id)
            if mark is not None:
                log.restore(replace(mark, id=self._id))
        log.flush(WRITTEN_WITHIN_S)
        return self._session_id
