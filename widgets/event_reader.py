"""EventReader: asks the event log on a thread of its own, so that the GUI thread never waits for the disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

__all__ = ["CommitBell", "EventReader"]

JOIN_WITHIN_S = 2.0


@dataclass(frozen=True, eq=False)
class _Job:
    topic: str
    work: Callable[[], Any]
    then: Callable[[Any], object]
    failed: Callable[[Exception], object]
    told: Callable[[Any], object] | None


class EventReader(QObject):
    """One thread that does one thing after the other; outcomes come back in the GUI thread.

    Of questions with the same topic only the newest counts: one that still waits is replaced, and the answer to one
    that was under way is dropped. What has no topic is always done, in order.

    Args:
        name: of the thread.
        parent: as for every QObject.
    """

    _woken = Signal()

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._condition = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._newest: dict[str, _Job] = {}
        self._done: deque[tuple[_Job, Any, Exception | None]] = deque()
        self._current: _Job | None = None
        self._news: tuple[_Job, Any] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._woken.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def ask(
        self,
        topic: str,
        work: Callable[[], Any],
        then: Callable[[Any], object],
        failed: Callable[[Exception], object],
        told: Callable[[Any], object] | None = None,
    ) -> None:
        """Do ``work`` on the thread; then ``then`` is called with its result, or ``failed`` with what it raised.

        ``told`` is called with the newest of what ``work`` reports in the meantime.
        """
        job = _Job(topic, work, then, failed, told)
        with self._condition:
            if self._closed:
                return
            if topic:
                self._jobs = deque(other for other in self._jobs if other.topic != topic)
                self._newest[topic] = job
            self._jobs.append(job)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def report(self, news: Any) -> bool:
        """Called by a ``work`` that takes long, to tell how far it is.

        Returns:
            False when nobody wants its answer any more.
        """
        with self._condition:
            job = self._current
            assert job is not None
            if self._closed or not self._is_wanted(job):
                return False
            waiting, self._news = self._news, (job, news)
            if waiting is None:
                self._woken.emit()
            return True

    def cancel(self, topic: str) -> None:
        """Whatever was asked about this is not wanted any more."""
        with self._condition:
            self._jobs = deque(other for other in self._jobs if other.topic != topic)
            self._newest.pop(topic, None)

    def close(self, wait_s: float = JOIN_WITHIN_S) -> None:
        """Do what has no topic, drop the rest, and end the thread. Nobody is told of anything any more.

        ``wait_s`` is how long to wait for that; without waiting it happens all the same.
        """
        with self._condition:
            self._closed = True
            self._jobs = deque(job for job in self._jobs if not job.topic)
            self._newest.clear()
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(wait_s)

    def _is_wanted(self, job: _Job) -> bool:
        return not job.topic or self._newest.get(job.topic) is job

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._jobs and not self._closed:
                    self._condition.wait()
                if not self._jobs:
                    return
                job = self._current = self._jobs.popleft()
            result, error = None, None
            try:
                result = job.work()
            except Exception as raised:
                error = raised
            with self._condition:
                if not self._closed:
                    self._done.append((job, result, error))
                    # Inside, so that close() cannot finish between the check and the emission.
                    self._woken.emit()

    @Slot()
    def _deliver(self) -> None:
        with self._condition:
            news, self._news = self._news, None
            wanted = not self._closed and news is not None and self._is_wanted(news[0])
        if wanted and news is not None and news[0].told is not None:
            news[0].told(news[1])
        while True:
            with self._condition:
                if self._closed or not self._done:
                    return
                job, result, error = self._done.popleft()
                if not self._is_wanted(job):
                    continue
            if error is None:
                job.then(result)
            else:
                job.failed(error)


class CommitBell(QObject):
    """Rings in the GUI thread when the log has written: at most one ring waits, however much is written.

    Args:
        subscribe: takes what is called with a session's id on the writing thread, and gives what ends that.
        parent: as for every QObject.
    """

    rung = Signal(object)
    """Ids of the sessions that were written since the last time: a frozenset of int."""
    _woken = Signal()

    def __init__(
        self, subscribe: Callable[[Callable[[int], None]], Callable[[], None]], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._lock = threading.Lock()
        self._touched: set[int] = set()
        self._closed = False
        self._woken.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._unsubscribe = subscribe(self._committed)

    def close(self) -> None:
        """Ring no more."""
        self._unsubscribe()
        with self._lock:
            self._closed = True
            self._touched.clear()

    def _committed(self, session_id: int) -> None:
        with self._lock:
            if self._closed:
                return
            waiting = bool(self._touched)
            self._touched.add(session_id)
            if not waiting:
                self._woken.emit()

    @Slot()
    def _deliver(self) -> None:
        with self._lock:
            touched, self._touched = frozenset(self._touched), set()
        if touched:
            self.rung.emit(touched)
