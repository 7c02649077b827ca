"""Limits: how long a server may take, how much it may say, and when it is left alone for a while."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

from scenescope.models.language.server.failures import ServerFailure, Trouble

__all__ = ["Breaker", "Limits", "paced", "retry_after_s", "waiting_for_user"]

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How long is waited for a server, and how much of it is read.

    Attributes:
        connect_s: for the connection, and for the name of the host before it.
        first_token_s: from the request to the first word.
        between_tokens_s: from one word to the next.
        total_s: for everything.
        retry_s: before the one retry, where the server does not say how long.
        max_retry_s: the longest wait that a server can ask for; a longer one is told to the user instead.
        max_reply_bytes: of one reply on the wire.
        max_answer_chars: of an answer that is shown.
        max_failures: in a row, after which the server is left alone.
        rest_s: for how long.
    """

    connect_s: float = 3.0
    first_token_s: float = 30.0
    between_tokens_s: float = 15.0
    total_s: float = 90.0
    retry_s: float = 1.0
    max_retry_s: float = 5.0
    max_reply_bytes: int = 2 * 1024 * 1024
    max_answer_chars: int = 8000
    max_failures: int = 3
    rest_s: float = 30.0


def retry_after_s(header: str | None, wall_clock: Callable[[], float] = time.time) -> float | None:
    """The wait that a ``Retry-After`` header asks for (RFC 9110, 10.2.3); None where it says nothing sensible."""
    if not header or len(header) > 100:
        return None
    text = header.strip()
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - wall_clock(), 0.0)
    except (ValueError, OverflowError):
        return None


class _Deadline:
    """Until when the next event must have come; it stands still while the user is waited for. In the event loop.

    Attributes:
        end_s: of everything; ``at_s`` of the next event.
        timer: while an event is waited for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, end_s: float, at_s: float) -> None:
        self.loop = loop
        self.end_s, self.at_s = end_s, min(end_s, at_s)
        self.timer: asyncio.Timeout | None = None
        self._standing = 0

    @property
    def when_s(self) -> float | None:
        """When the timer is to end the waiting; None while it must not."""
        return None if self._standing else self.at_s

    def stand(self) -> None:
        """Stop the clock."""
        self._standing += 1
        self._set()

    def go_on(self, waited_s: float) -> None:
        """Let the clock run again; the time that it stood still does not count."""
        self._standing -= 1
        self.end_s += waited_s
        self.at_s += waited_s
        self._set()

    def _set(self) -> None:
        if self.timer is not None and not self.timer.expired():
            self.timer.reschedule(self.when_s)


_TURN: ContextVar[_Deadline | None] = ContextVar("turn", default=None)


@contextmanager
def waiting_for_user() -> Iterator[None]:
    """What a tool waits for in this block is the user, and does not count as time of the turn that called it.

    On the thread that the tool was called on; elsewhere it does nothing.
    """
    deadline = _TURN.get()
    if deadline is None:
        yield
        return
    loop = deadline.loop
    began_s = loop.time()
    # The loop has closed where the turn is over.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(deadline.stand)
    try:
        yield
    finally:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(deadline.go_on, loop.time() - began_s)


async def paced(
    events: AsyncIterator[T], limits: Limits, is_token: Callable[[T], bool] | None = None
) -> AsyncGenerator[T]:
    """Pass events on as long as they keep to the limits.

    Args:
        events: of one reply, or of a whole turn.
        limits: of which this looks at the times.
        is_token: tells what is a word from what only keeps the connection open; None for a whole turn, where only the
            total counts, and not while the user is waited for (:func:`waiting_for_user`).

    Raises:
        ServerFailure: it took too long.
    """
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    started = False
    first_s = limits.total_s if is_token is None else limits.first_token_s
    deadline = _Deadline(loop, began_s + limits.total_s, began_s + first_s)
    if is_token is None:
        # A tool is called on a thread that gets the variables of this task with it.
        _TURN.set(deadline)
    try:
        while True:
            try:
                async with asyncio.timeout_at(deadline.when_s) as timer:
                    deadline.timer = timer
                    event = await anext(events)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                if not timer.expired():
                    raise
                raise too_slow(limits, started=started, total=deadline.at_s >= deadline.end_s) from error
            finally:
                deadline.timer = None
            if is_token is not None and is_token(event):
                started = True
                deadline.at_s = min(deadline.end_s, loop.time() + limits.between_tokens_s)
            given_s = loop.time()
            yield event
            # How long the event was looked at is not the server's doing.
            deadline.at_s = min(deadline.end_s, deadline.at_s + loop.time() - given_s)
    finally:
        if (aclose := getattr(events, "aclose", None)) is not None:
            await aclose()


def too_slow(limits: Limits, *, started: bool, total: bool) -> ServerFailure:
    """The sentence about a server that took too long: for its first word, between two, or for all."""
    if total:
        return ServerFailure(
            Trouble.SLOW,
            f"The answer was not finished after {limits.total_s:g} s.",
            hint="Ask for something shorter, or use a smaller or faster model.",
        )
    if started:
        return ServerFailure(
            Trouble.SLOW,
            f"The server fell silent in the middle of its answer, for {limits.between_tokens_s:g} s.",
            hint="Ask again; if it happens again, look at the server's own log.",
        )
    return ServerFailure(
        Trouble.SLOW,
        f"The server did not begin to answer within {limits.first_token_s:g} s.",
        hint="It may be busy or still loading: try again in a moment, or use a smaller model.",
    )


class Breaker:
    """Leaves a server alone that has failed several times in a row, and then lets one request through to see.

    Nygard, "Release It!", 2007: closed, open, half open. Any thread.

    Args:
        limits: of which this looks at ``max_failures`` and ``rest_s``.
        clock: seconds, steadily increasing.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = 0.0

    @property
    def failures(self) -> int:
        """In a row."""
        return self._failures

    @property
    def rests_s(self) -> float:
        """For how long the server is still left alone; 0 when it may be asked."""
        with self._lock:
            return max(self._open_until - self._clock(), 0.0)

    def succeeded(self) -> None:
        """The server has answered."""
        with self._lock:
            self._failures, self._open_until = 0, 0.0

    def failed(self) -> None:
        """The server has failed; the one request after a rest counts as the last of the series."""
        with self._lock:
            self._failures += 1
            if self._failures >= self._limits.max_failures:
                self._open_until = self._clock() + self._limits.rest_s
