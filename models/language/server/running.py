"""An asynchronous answer as a plain iterator: its event loop has a thread of its own, and any thread can end it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

from scenescope.models.errors import ScenescopeError
from scenescope.models.language.base import Done, Failed, StreamEvent

__all__ = ["STOPPED", "AsyncRun", "explained", "run_async"]

STOPPED = Failed("Stopped.", cancelled=True)

# How long the thread of an answer that has ended may take to close its connection before it is left to itself.
JOIN_S = 1.0

Make = Callable[[], AsyncIterator[StreamEvent]]
Explain = Callable[[Exception], Failed]


def explained(error: Exception) -> Failed:
    """What is told about an exception that nobody has explained better."""
    if isinstance(error, ScenescopeError):
        return Failed(error.user_message, error.hint)
    return Failed(
        f"The answer broke off: {type(error).__name__}, which Scenescope did not expect.",
        "Ask again; if it happens again, please report it.",
    )


class AsyncRun(Iterator[StreamEvent]):
    """The events of an asynchronous generator, which runs in a thread that lives as long as it does.

    The last event is a :class:`Done` or a :class:`Failed`, whatever the generator does: what it raises is explained,
    and one that ends without saying so has failed. The thread starts with the first ``next``.

    Args:
        make: called once, in the loop; gives the generator.
        explain: turns what it raises into a sentence and a cure.
    """

    def __init__(self, make: Make, explain: Explain = explained) -> None:
        self._make = make
        self._explain = explain
        self._events: queue.SimpleQueue[StreamEvent] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled: Failed | None = None
        self._ended = False

    def __next__(self) -> StreamEvent:
        if self._ended:
            self._join()
            raise StopIteration
        self._start()
        event = self._events.get()
        if self._cancelled is not None:
            event = self._cancelled
        self._ended = isinstance(event, (Done, Failed))
        return event

    def cancel(self, said: Failed = STOPPED) -> None:
        """End it: the iterator gives ``said`` at once, and the connection closes. Any thread."""
        with self._lock:
            self._cancelled = self._cancelled or said
            # Whoever waits is woken now, even if the generator should be slow to let go.
            self._events.put(said)
            if self._loop is not None and self._task is not None:
                with suppress(RuntimeError):  # the loop has just closed
                    self._loop.call_soon_threadsafe(self._task.cancel)

    def close(self) -> None:
        """Cancel, and wait until the connection is closed; not longer than a second. Safe to call twice."""
        self.cancel()
        self._ended = True
        self._join()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and self._cancelled is None:
                self._thread = threading.Thread(target=self._run, name="answer", daemon=True)
                self._thread.start()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            with self._lock:
                self._loop = loop
                self._task = loop.create_task(self._pump())
                if self._cancelled is not None:
                    self._task.cancel()
            with suppress(asyncio.CancelledError):
                loop.run_until_complete(self._task)
            if left := asyncio.all_tasks(loop):
                for task in left:
                    task.cancel()
                loop.run_until_complete(asyncio.wait(left, timeout=JOIN_S))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            self._events.put(STOPPED)
            with self._lock:
                self._loop = self._task = None
            # The threads of the default executor are not waited for: one may sit in a call that does not come back.
            loop.close()

    async def _pump(self) -> None:
        last: StreamEvent | None = None
        try:
            events = self._make()
            try:
                async for event in events:
                    last = event
                    self._events.put(event)
                    if isinstance(event, (Done, Failed)):
                        return
            finally:
                if (aclose := getattr(events, "aclose", None)) is not None:
                    await aclose()
        except Exception as error:
            if not isinstance(last, (Done, Failed)):
                self._events.put(self._explain(error))
        else:
            self._events.put(Failed("The answer ended without a word.", "Ask again."))


def run_async(make: Make, explain: Explain = explained) -> AsyncRun:
    """Run an asynchronous answer for a caller that is not asynchronous.

    Args:
        make: gives the generator; called in the event loop, so that whatever it opens belongs to that loop.
        explain: turns what it raises into a sentence and a cure.
    """
    return AsyncRun(make, explain)
