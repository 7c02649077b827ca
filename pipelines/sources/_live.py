"""Blocking drivers on a thread of their own, so that the reader of a live source can always leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["LiveReader"]

T = TypeVar("T")

LEAVE_S = 0.5
"""How long ``stop`` waits for the thread before it leaves it to end by itself."""


class LiveReader(Generic[T]):
    """Runs ``produce`` on a thread and hands what it makes to a reader that never waits longer than it wants.

    A camera's grab or a network read cannot be broken off from outside. So the reader does not call it: it waits for
    the thread, with a time-out, and can be interrupted. A thread that hangs in its driver is left behind; it is told to
    stop, is a daemon, and releases the device itself when the driver returns (network reads have time-outs of their
    own).

    Args:
        name: of the thread.
        produce: given the reader itself; calls ``put`` for everything it makes, and returns when that gives False. It
            opens and releases its device itself. What it raises reaches the reader of ``take``.
        newest: True to replace an item that was not taken in time, False to wait until it is taken.
    """

    def __init__(self, name: str, produce: Callable[[LiveReader[T]], None], *, newest: bool) -> None:
        self._produce = produce
        self._newest = newest
        self._changed = threading.Condition()
        self._item: T | None = None
        self._ended = False
        self._error: Exception | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def stopping(self) -> bool:
        """True once nobody wants more."""
        return self._stopping

    def put(self, item: T) -> bool:
        """Hand over an item, on the thread; False when nobody wants more."""
        with self._changed:
            if not self._newest:
                self._changed.wait_for(lambda: self._stopping or self._item is None)
            self._item = None if self._stopping else item
            self._changed.notify_all()
            return not self._stopping

    def pause_until(self, due_s: float) -> bool:
        """Sleep until ``due_s`` on the monotonic clock, on the thread; False when nobody wants more."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, max(due_s - time.monotonic(), 0.0))
            return not self._stopping

    def take(self, timeout_s: float) -> T | None:
        """The next item; None when the producer has ended or ``interrupt`` was called.

        Raises:
            TimeoutError: nothing came for ``timeout_s``.
            Exception: what the producer raised.
        """
        with self._changed:
            come = self._changed.wait_for(lambda: self._stopping or self._ended or self._item is not None, timeout_s)
            item, self._item = self._item, None
            self._changed.notify_all()
            if item is not None or self._stopping:
                return None if self._stopping else item
            if self._error is not None:
                raise self._error
            if not come:
                raise TimeoutError
            return None

    def interrupt(self) -> None:
        """Wake and dismiss the reader, and tell the thread to end. Any thread, any time."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def stop(self) -> None:
        """End the thread; one that hangs in its driver is left behind."""
        self.interrupt()
        self._thread.join(LEAVE_S)

    def _run(self) -> None:
        try:
            self._produce(self)
        except Exception as error:  # reaches the reader, which names the device
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()
