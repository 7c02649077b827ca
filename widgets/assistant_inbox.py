"""Inbox: messages of any thread wait in it for the window."""

from __future__ import annotations

import threading
from contextlib import suppress

from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal, Slot

from scenescope.models.language import Message

__all__ = ["MAX_MESSAGES", "UPDATE_INTERVAL_MS", "Inbox"]

MAX_MESSAGES = 500
UPDATE_INTERVAL_MS = 67


class Inbox(QObject):
    """Holds the newest state of each message, and wakes the window for all of them at most fifteen times a second.

    Signals:
        due: there is something to take, or there was.
    """

    due = Signal()
    _woken = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._waiting: dict[int, Message] = {}
        self._wake_up_sent = False
        self._since_taken = QElapsedTimer()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.due)
        self._woken.connect(self._wake, Qt.ConnectionType.QueuedConnection)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Take a message, on the thread that made it."""
        with self._lock:
            self._waiting[message.message_id] = message
            if len(self._waiting) > MAX_MESSAGES:
                del self._waiting[next(iter(self._waiting))]
            if self._wake_up_sent:
                return
            self._wake_up_sent = True
        with suppress(RuntimeError):  # The panel is being destroyed.
            self._woken.emit()

    def take(self) -> list[Message]:
        """What waits, in the order of numbers."""
        with self._lock:
            self._wake_up_sent = False
            waiting, self._waiting = self._waiting, {}
        self._since_taken.start()
        return [waiting[number] for number in sorted(waiting)]

    def clear(self) -> None:
        """Forget what waits."""
        with self._lock:
            self._waiting.clear()

    @Slot()
    def _wake(self) -> None:
        elapsed = self._since_taken.elapsed() if self._since_taken.isValid() else UPDATE_INTERVAL_MS
        if elapsed >= UPDATE_INTERVAL_MS:
            self.due.emit()
        elif not self._later.isActive():
            self._later.start(UPDATE_INTERVAL_MS - elapsed)
