"""Jobs: what takes long is done one after another, on a thread that lives as long as there is something to do."""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable

__all__ = ["Jobs"]

Job = Callable[[], object]


class Jobs:
    """All methods may be called from any thread. A job that fails is printed, and the next one follows.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._working = False
        self._closed = False

    @property
    def busy(self) -> bool:
        """True while a job runs or waits."""
        return self._working

    @property
    def waiting(self) -> int:
        """How many wait for those before them."""
        return len(self._waiting)

    def add(self, job: Job) -> bool:
        """Do something soon; False when nothing is done any more."""
        with self._changed:
            if self._closed:
                return False
            self._waiting.append(job)
            if not self._working:
                self._working = True
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            return True

    def drop_waiting(self) -> None:
        """Forget what has not begun."""
        with self._changed:
            self._waiting.clear()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is left to do; False when that takes longer."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._working, timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Take nothing more, forget what has not begun, and wait for what has; False when that takes longer."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
        return self.wait(timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._working = False
                    self._changed.notify_all()
                    return
                job = self._waiting.popleft()
            try:
                job()
            except Exception as error:
                traceback.print_exception(error)
