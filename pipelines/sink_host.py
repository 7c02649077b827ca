"""SinkHost: runs one sink on a thread of its own behind a bounded queue."""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from scenescope.models import ScenescopeError
from scenescope.pipelines.events import SinkFailed
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.source import SourceInfo

__all__ = ["SinkHost"]

LOSSLESS_DEPTH = 8
LIVE_DEPTH = 64
PATIENCE_S = 60.0

_END = object()


class SinkHost:
    """One sink at work.

    Args:
        sink: what takes the frames.
        info: the open source.
        may_wait: True when the pipeline may be slowed down (files); a live one counts what the sink misses instead.
        on_failure: told once when the sink fails; after that it takes nothing.
    """

    def __init__(self, sink: Sink, info: SourceInfo, may_wait: bool, on_failure: Callable[[SinkFailed], None]) -> None:
        self.sink = sink
        self.name = type(sink).__name__
        self.lagged = 0
        self.prepares = type(sink).prepare is not Sink.prepare and not sink.captured
        self._may_wait = may_wait and sink.lossless
        depth = 1 if not sink.lossless else LOSSLESS_DEPTH if may_wait else LIVE_DEPTH
        self._queue: queue.Queue[Any] = queue.Queue(depth)
        self._on_failure = on_failure
        self._failed = False
        self._ending = False
        self._thread = threading.Thread(target=self._run, args=(info,), name=f"sink-{self.name}", daemon=True)
        self._thread.start()

    def prepare(self, frame: Frame) -> Any:
        """The sink's own preparation; on any pipeline thread. None when it failed."""
        if self._failed:
            return None
        try:
            return self.sink.prepare(frame)
        except Exception as error:
            self._fail(error)
            return None

    def offer(self, prepared: Any) -> None:
        """Hand over the next frame, in order."""
        if self._failed or prepared is None:
            return
        if self._may_wait:
            self._put_patiently(prepared)
            return
        while True:
            try:
                self._queue.put_nowait(prepared)
                return
            except queue.Full:
                self.lagged += 1
                if self.sink.lossless:
                    return
                # A lossy sink gets the newest: what waits gives way.
                try:
                    self._queue.get_nowait()
                except queue.Empty:
                    continue

    def _put_patiently(self, prepared: Any) -> None:
        give_up_s = time.monotonic() + PATIENCE_S
        while not (self._failed or self._ending):
            try:
                self._queue.put(prepared, timeout=0.2)
                return
            except queue.Full:
                if time.monotonic() > give_up_s:
                    self._fail(TimeoutError(f"nothing was written for {PATIENCE_S:g} s"))

    def finish(self, deadline_s: float) -> bool:
        """Write what waits, close the sink; True when that was done by ``deadline_s`` on the monotonic clock."""
        self._ending = True
        while self._thread.is_alive() and time.monotonic() < deadline_s:
            try:
                self._queue.put(_END, timeout=0.05)
                break
            except queue.Full:
                continue
        self._thread.join(max(deadline_s - time.monotonic(), 0.01))
        return not self._thread.is_alive()

    def _run(self, info: SourceInfo) -> None:
        try:
            self.sink.open(info)
            while (prepared := self._queue.get()) is not _END:
                if not self._failed:
                    self.sink.write(self.sink.prepare(prepared) if self.sink.captured else prepared)
        except Exception as error:
            self._fail(error)
        finally:
            try:
                self.sink.close()
            except Exception as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._failed:
            return
        self._failed = True
        known = isinstance(error, ScenescopeError)
        message = error.user_message if known else f"{self.name} failed: {type(error).__name__}: {error}"  # type: ignore[attr-defined]
        hint = error.hint if known else ""  # type: ignore[attr-defined]
        if not known:
            traceback.print_exception(error)
        self._on_failure(SinkFailed(self.name, message, hint))
