"""SideLane: a slow stage of a live pipeline on a thread of its own, so that the fast ones need not wait for it."""

from __future__ import annotations

import threading
import time

from scenescope.pipelines.frame import Frame, Result
from scenescope.pipelines.host import StageHost
from scenescope.pipelines.slots import Closed, Mailbox

__all__ = ["SideLane"]


class SideLane:
    """Gives the newest frame to its stage whenever that is free, and its newest result to every frame that passes.

    A result carries the stamp of the frame that it was found in, so its age is always known. Pictures that the stage
    makes are not used: in a lane of its own it can only report.
    """

    def __init__(self, host: StageHost) -> None:
        self.host = host
        self._frames: Mailbox[Frame] = Mailbox()
        self._lock = threading.Lock()
        self._newest: dict[str, Result] = {}
        self._busy: tuple[Frame, float] | None = None
        self._ticket = 0
        self._age_s: float | None = None
        self._thread = self._new_thread()

    def pass_by(self, frame: Frame) -> Frame:
        """The frame with the newest result; the stage gets it when it is free."""
        self._frames.put(frame)
        with self._lock:
            newest = dict(self._newest) if self.host.active else {}
            stamps = [result.stamp.captured_s for result in newest.values()]
            self._age_s = frame.captured_s - min(stamps) if stamps else None
        return frame.with_results(newest) if newest else frame

    @property
    def age_ms(self) -> float | None:
        """How much older than the picture its result was, for the frame that passed last; None without a result."""
        with self._lock:
            return None if self._age_s is None else self._age_s * 1e3

    def check_overdue(self) -> None:
        """Set the stage aside when it does not come back; a new thread waits for its replacement."""
        now = time.monotonic()
        with self._lock:
            if self._busy is None or now - self._busy[1] <= self.host.info.patience_s:
                return
            frame, _ = self._busy
            self._busy = None
            self._ticket += 1
        self.host.gave_up(frame)
        self._thread = self._new_thread()

    def stop(self) -> None:
        """Let the thread end."""
        self._frames.close()

    def join(self, deadline_s: float) -> bool:
        """Wait until ``deadline_s`` on the monotonic clock; True when the thread has ended."""
        self._thread.join(max(deadline_s - time.monotonic(), 0.01))
        return not self._thread.is_alive()

    def _new_thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(self._ticket,), name=f"side-{self.host.spec.id}", daemon=True)
        thread.start()
        return thread

    def _run(self, ticket: int) -> None:
        self.host.budget.join_thread()
        while True:
            try:
                frame = self._frames.wait()
            except Closed:
                return
            if frame is None or not self.host.active:
                continue
            with self._lock:
                if ticket != self._ticket:
                    return
                self._busy = (frame, time.monotonic())
            out = self.host.run(frame)
            with self._lock:
                if ticket != self._ticket:
                    return
                self._busy = None
                self._newest = {name: out.results[name] for name in out.results if name not in frame.results}
