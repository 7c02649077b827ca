"""What stands between two threads, and what happens when it is full. Nothing here grows without a bound."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from scenescope.pipelines.frame import Frame

__all__ = ["Closed", "DropKind", "DropPolicy", "Intake", "Mailbox"]

T = TypeVar("T")

# What may wait between two threads, whichever is reached first: five pictures of 1080p, or 32 small ones.
MOST_WAITING = 32
MOST_WAITING_BYTES = 32 * 2**20
# Of a film that is played: more in line would only make what is shown late, and leaps of pictures at high rates long.
MOST_WAITING_PLAYED = 4


class Closed(Exception):
    """The other side has closed this slot."""


class DropKind(StrEnum):
    """What gives way when pictures come faster than they are analysed."""

    EVERY_FRAME = "every"
    NEWEST = "newest"
    BOUNDED_AGE = "bounded-age"


@dataclass(frozen=True)
class DropPolicy:
    """The choice between completeness and freshness.

    ``EVERY_FRAME``: nothing is lost, the source waits (files). ``NEWEST``: a waiting picture is replaced by a newer one
    (live). ``bounded_age(max_s)``: pictures wait in line, but none older than ``max_s`` is analysed. ``PLAYED``: as
    ``EVERY_FRAME``, with a short line (films that somebody watches).
    """

    kind: DropKind
    max_age_s: float | None = None
    depth: int = MOST_WAITING

    EVERY_FRAME: ClassVar[DropPolicy]
    NEWEST: ClassVar[DropPolicy]
    PLAYED: ClassVar[DropPolicy]

    @classmethod
    def bounded_age(cls, max_s: float) -> DropPolicy:
        """Drop what has waited longer than ``max_s`` seconds."""
        if max_s <= 0:
            raise ValueError("max_s must be positive")
        return cls(DropKind.BOUNDED_AGE, max_age_s=max_s)


DropPolicy.EVERY_FRAME = DropPolicy(DropKind.EVERY_FRAME)
DropPolicy.NEWEST = DropPolicy(DropKind.NEWEST, depth=1)
DropPolicy.PLAYED = DropPolicy(DropKind.EVERY_FRAME, depth=MOST_WAITING_PLAYED)


class Intake:
    """Frames between capture and pipeline, under one drop policy.

    It shares the pipeline's lock, so that the pipeline can wait for a frame and for other things at once.
    """

    def __init__(self, policy: DropPolicy, lock: threading.RLock, on_put: Callable[[], None]) -> None:
        self.policy = policy
        self.superseded = 0
        self._lock = lock
        self._space = threading.Condition(lock)
        self._on_put = on_put
        self._waiting: deque[Frame] = deque()
        self._bytes = 0
        self._closed = False

    def put(self, frame: Frame) -> None:
        """Offer a frame; waits for space under ``EVERY_FRAME``, else the oldest waiting frame gives way.

        Raises:
            Closed: nobody will take it.
        """
        with self._lock:
            if self.policy.kind is DropKind.EVERY_FRAME and self._is_full(frame.image.nbytes):
                self._space.wait_for(lambda: self._closed or not self._is_full(frame.image.nbytes))
            if self._closed:
                raise Closed
            while self._is_full(frame.image.nbytes):
                self._pop()
                self.superseded += 1
            self._waiting.append(frame)
            self._bytes += frame.image.nbytes
            self._on_put()

    def take(self) -> Frame | None:
        """The next frame, or None; never waits."""
        with self._lock:
            while self._waiting:
                frame = self._pop()
                # Waking the source for every single frame costs more than it wins: half the line is filled at once.
                if 2 * len(self._waiting) <= self.policy.depth and 2 * self._bytes <= MOST_WAITING_BYTES:
                    self._space.notify()
                if self.policy.max_age_s is None or time.monotonic() - frame.captured_s <= self.policy.max_age_s:
                    return frame
                self.superseded += 1
            return None

    def clear(self) -> None:
        """Let what waits give way, after a seek."""
        with self._lock:
            self.superseded += len(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._space.notify()

    def _is_full(self, more_bytes: int) -> bool:
        """True when nothing more may wait; one picture may always, however large."""
        waiting = len(self._waiting)
        return waiting >= self.policy.depth or (waiting > 0 and self._bytes + more_bytes > MOST_WAITING_BYTES)

    def _pop(self) -> Frame:
        frame = self._waiting.popleft()
        self._bytes -= frame.image.nbytes
        return frame

    def close(self) -> None:
        """No more frames will be put; what waits can still be taken. Wakes a waiting ``put``."""
        with self._lock:
            self._closed = True
            self._space.notify_all()
            self._on_put()

    @property
    def exhausted(self) -> bool:
        """True when it is closed and empty."""
        with self._lock:
            return self._closed and not self._waiting

    def __len__(self) -> int:
        return len(self._waiting)


class Mailbox(Generic[T]):
    """One place; putting replaces what lies there."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """Leave ``item``; True when an older one was still there and is lost."""
        with self._ready:
            replaced = self._item is not None
            self._item = item
            self._ready.notify()
            return replaced

    def take(self) -> T | None:
        """What lies there, or None; never waits."""
        with self._ready:
            item, self._item = self._item, None
            return item

    def wait(self, timeout_s: float | None = None) -> T | None:
        """Wait for an item; None after ``timeout_s``.

        Raises:
            Closed: the mailbox was closed.
        """
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._item is not None, timeout_s)
            if self._closed:
                raise Closed
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Wake and dismiss every waiter."""
        with self._ready:
            self._closed = True
            self._item = None
            self._ready.notify_all()
