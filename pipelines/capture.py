"""Capture: the thread that reads a source, at its pace, and opens it again when it comes back."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

from scenescope.models import SourceError
from scenescope.pipelines.events import EngineFault, SourcePhase, SourceState
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.slots import Closed
from scenescope.pipelines.source import Source, SourceInfo

__all__ = ["Capture"]

BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)

# Behind by more than this, paced playback stops trying to catch up.
PACE_SLACK_S = 0.25


class Capture:
    """Reads one source until it ends, fails for good, or is stopped.

    Args:
        source: not open yet.
        paced: True to play a file at its own rate; a live source has its own.
        holds_at_end: True to wait at the end of a file for a jump back.
        deliver: takes each frame; may wait; raises ``Closed`` to end the capture.
        on_open: called with the source's description before its first frame.
        on_state: told of every change.
        on_fault: told of exceptions that a source should not let through.
        on_seek: called after a seek, before the first frame from there.
    """

    def __init__(
        self,
        source: Source,
        *,
        paced: bool,
        holds_at_end: bool,
        deliver: Callable[[Frame], None],
        on_open: Callable[[SourceInfo], None],
        on_state: Callable[[SourceState], None],
        on_fault: Callable[[EngineFault], None],
        on_seek: Callable[[], None],
        wait_for: Callable[[], None] | None = None,
    ) -> None:
        self.source = source
        self.captured = 0
        self.info: SourceInfo | None = None
        self._paced = paced and not source.live
        self.holds_at_end = holds_at_end and not source.live
        self._deliver = deliver
        self._on_open = on_open
        self._on_state = on_state
        self._on_fault = on_fault
        self._on_seek = on_seek
        self._wait_for = wait_for
        self._changed = threading.Condition()
        self._paused = False
        self._steps = 0
        self._seek_to_s: float | None = None
        self._stop = threading.Event()
        self._epoch: tuple[float, float] | None = None
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    # Outside -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    def pause(self, on: bool) -> None:
        """Hold or go on. A stream is read on, so that it does not go stale, but its pictures are let go."""
        with self._changed:
            if on == self._paused:
                return
            self._paused = on
            self._epoch = None
            self._changed.notify_all()
        if self.info is not None:
            self._tell_playing()

    def step(self) -> None:
        """Let one frame through while paused."""
        with self._changed:
            self._steps += 1
            self._changed.notify_all()

    def seek(self, pts_s: float) -> None:
        """Go on from the first picture at or after ``pts_s``; while paused that picture is let through."""
        with self._changed:
            self._seek_to_s = pts_s
            self._changed.notify_all()

    def stop(self) -> None:
        """Make the thread end soon."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        self.source.interrupt()

    def join(self, deadline_s: float) -> bool:
        """Wait until ``deadline_s`` on the monotonic clock; True when the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(max(deadline_s - time.monotonic(), 0.01))
        return not self._thread.is_alive()

    # Thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            if self._wait_for is not None:
                self._wait_for()
            phase = self._read_all()
            self._tell(phase)
        except Closed:
            self._tell(SourcePhase.STOPPED)
        except SourceError as error:
            self._tell(SourcePhase.FAILED, error.user_message, error.hint)
        except Exception as error:
            self._on_fault(EngineFault("capture", str(error), traceback.format_exc()))
            self._tell(SourcePhase.FAILED, f"The source failed: {type(error).__name__}: {error}")
        finally:
            try:
                self.source.close()
            except Exception as error:
                self._on_fault(EngineFault("closing the source", str(error), traceback.format_exc()))

    def _read_all(self) -> SourcePhase:
        failures = 0
        while not self._stop.is_set():
            try:
                self._tell(SourcePhase.OPENING)
                info = self.source.open()
                first = self.info is None
                self.info = info
                if first:
                    self._on_open(info)
                self._tell_playing()
                while not self._stop.is_set():
                    self._take_seek()
                    self._rest_while_paused()
                    frame = self.source.read()
                    if self._stop.is_set():
                        break
                    if frame is not None:
                        failures = 0
                        self._pass_on(frame)
                    elif not self.holds_at_end:
                        return SourcePhase.ENDED
                    elif self._wait_at_end():
                        self._tell_playing()
            except SourceError as error:
                # A camera that was never there is a mistake to report; one that worked before may come back.
                if not self.source.live or error.permanent or self.info is None:
                    raise
                self._back_off(error, BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                failures += 1
        return SourcePhase.STOPPED

    def _back_off(self, error: SourceError, delay_s: float) -> None:
        if self._stop.is_set():
            return
        self._tell(SourcePhase.RECONNECTING, error.user_message, error.hint, delay_s)
        self.source.close()
        self._stop.wait(delay_s)

    def _wait_at_end(self) -> bool:
        """At the end of a played file: wait for a jump back; False when it is time to stop."""
        self._tell(SourcePhase.ENDED)
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or self._seek_to_s is not None)
        return not self._stop.is_set()

    def _rest_while_paused(self) -> None:
        """A paused camera need not be read; a stream must be, or its pictures pile up on the way."""
        if self.source.live and not self.source.piles_up:
            with self._changed:
                self._changed.wait_for(lambda: self._stop.is_set() or not self._paused or self._steps)

    def _take_seek(self) -> None:
        if self._seek_to_s is None:
            return
        with self._changed:
            target_s, self._seek_to_s = self._seek_to_s, None
        if target_s is None or not self.source.seekable:
            return
        self.source.seek(max(target_s, 0.0))
        self._epoch = None
        self._on_seek()
        with self._changed:
            self._steps = max(self._steps, 1)

    def _pass_on(self, frame: Frame) -> None:
        if self._may_pass(frame):
            # A picture that was held back until it was due is as old as a camera's when it comes.
            self._deliver(replace(frame, captured_s=time.monotonic()) if self._paced else frame)

    def _may_pass(self, frame: Frame) -> bool:
        """Wait until the frame is due; False when it is not wanted any more. A frame that may pass is counted."""
        with self._changed:
            while not self._stop.is_set() and self._seek_to_s is None:
                if self._paused and self._steps:
                    self._steps -= 1
                    break
                if self._paused and self.source.live:
                    return False
                if self._paused:
                    self._changed.wait()
                    continue
                self._steps = 0
                wait_s = self._until_due_s(frame) if self._paced else 0.0
                if wait_s <= 0:
                    break
                self._changed.wait(wait_s)
            else:
                return False
            self.captured += 1
            return True

    def _until_due_s(self, frame: Frame) -> float:
        now = time.monotonic()
        if self._epoch is None or now - (self._epoch[0] + frame.pts_s - self._epoch[1]) > PACE_SLACK_S:
            self._epoch = (now, frame.pts_s)
        return self._epoch[0] + frame.pts_s - self._epoch[1] - now

    def _tell_playing(self) -> None:
        self._tell(SourcePhase.PAUSED if self._paused else SourcePhase.PLAYING)

    def _tell(self, phase: SourcePhase, message: str = "", hint: str = "", retry_in_s: float | None = None) -> None:
        self._on_state(SourceState(phase, self.info, message, hint, retry_in_s))
