"""Capture: the thread that reads a source, and opens it again when it comes back."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable

from scenescope.models import SourceError
from scenescope.models.budget import ThreadBudget
from scenescope.pipelines.events import EngineFault, IndexProgress, SourcePhase, SourceState
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.player import Player
from scenescope.pipelines.slots import Closed
from scenescope.pipelines.source import Source, SourceInfo

__all__ = ["Capture"]

BACK_OFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)


class Capture:
    """Reads one source until it ends, fails for good, or is stopped.

    A live source gives what it gives; through all else a :class:`~scenescope.pipelines.player.Player` moves.

    Args:
        source: not open yet.
        paced: True to play a file at its own rate; a live source has its own.
        holds_at_end: True to wait at the end of a file for a jump back.
        deliver: takes each frame; may wait; raises ``Closed`` to end the capture.
        on_open: called with the source's description before its first frame.
        on_state: told of every change.
        on_fault: told of exceptions that a source should not let through.
        on_seek: called after a seek, before the first frame from there.
        wait_for: called before the source is opened; may wait.
        on_index: told how far the index of the source's pictures is; None builds none.

    Attributes:
        player: moves through what is not live; None for a live source.
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
        on_index: Callable[[IndexProgress], None] | None = None,
    ) -> None:
        self.source = source
        self.info: SourceInfo | None = None
        self.holds_at_end = holds_at_end and not source.live
        self._deliver = deliver
        self._on_open = on_open
        self._on_state = on_state
        self._on_fault = on_fault
        self._wait_for = wait_for
        self._on_index = on_index
        self._changed = threading.Condition()
        self._paused = False
        self._steps = 0
        self._captured = 0
        self._failures = 0
        self._stop = threading.Event()
        self.player: Player | None = None
        if not source.live:
            self.player = Player(
                source,
                paced=paced,
                holds_at_end=holds_at_end,
                deliver=deliver,
                on_phase=self._tell,
                on_jump=on_seek,
            )
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._indexer = threading.Thread(target=self._index, name="index", daemon=True)

    # Outside -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start reading."""
        self._thread.start()

    @property
    def captured(self) -> int:
        """Frames delivered."""
        return self._captured if self.player is None else self.player.captured

    @property
    def skipped(self) -> int:
        """Pictures of a film that were passed over to keep up with its rate."""
        return 0 if self.player is None else self.player.skipped

    @property
    def paused(self) -> bool:
        """True while the picture is held."""
        return self._paused if self.player is None else self.player.paused

    def pause(self, on: bool) -> None:
        """Hold or go on. A stream is read on, so that it does not go stale, but its pictures are let go."""
        was = self.paused
        if self.player is not None:
            self.player.pause(on)
        with self._changed:
            self._paused = on
            self._changed.notify_all()
        if on != was and self.info is not None:
            self._tell(SourcePhase.PAUSED if on else SourcePhase.PLAYING)

    def step(self, frames: int = 1) -> None:
        """Let pictures through while paused; of a film any number, back when negative."""
        if self.player is not None:
            self.player.step(frames)
            return
        with self._changed:
            self._steps += max(frames, 0)
            self._changed.notify_all()

    def stop(self) -> None:
        """Make the threads end soon."""
        with self._changed:
            self._stop.set()
            self._changed.notify_all()
        if self.player is not None:
            self.player.stop()
        self.source.interrupt()

    def join(self, deadline_s: float) -> bool:
        """Wait until ``deadline_s`` on the monotonic clock; True when the threads have ended."""
        for thread in (self._thread, self._indexer):
            if thread.ident is not None:
                thread.join(max(deadline_s - time.monotonic(), 0.01))
        return not (self._thread.is_alive() or self._indexer.is_alive())

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
        while not self._stop.is_set():
            try:
                self._tell(SourcePhase.OPENING)
                info = self.source.open()
                first = self.info is None
                self.info = info
                if first:
                    self._on_open(info)
                if self.player is None:
                    return self._watch()
                self._start_index()
                return self.player.play(info.rate_hz)
            except SourceError as error:
                # A camera that was never there is a mistake to report; one that worked before may come back.
                if not self.source.live or error.permanent or self.info is None:
                    raise
                self._back_off(error, BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)])
                self._failures += 1
        return SourcePhase.STOPPED

    def _back_off(self, error: SourceError, delay_s: float) -> None:
        if self._stop.is_set():
            return
        self._tell(SourcePhase.RECONNECTING, error.user_message, error.hint, delay_s)
        self.source.close()
        self._stop.wait(delay_s)

    # Live --------------------------------------------------------------------------------------------------------

    def _watch(self) -> SourcePhase:
        """Deliver what a live source gives."""
        self._tell(SourcePhase.PAUSED if self._paused else SourcePhase.PLAYING)
        while not self._stop.is_set():
            self._rest_while_paused()
            frame = self.source.read()
            if self._stop.is_set():
                break
            if frame is None:
                return SourcePhase.ENDED
            self._failures = 0
            if self._may_pass():
                self._deliver(frame)
        return SourcePhase.STOPPED

    def _rest_while_paused(self) -> None:
        """A paused camera need not be read; a stream must be, or its pictures pile up on the way."""
        if not self.source.piles_up:
            with self._changed:
                self._changed.wait_for(lambda: self._stop.is_set() or not self._paused or self._steps)

    def _may_pass(self) -> bool:
        """Whether a frame is let through; then it is counted."""
        with self._changed:
            if self._paused and not self._steps:
                return False
            self._steps = self._steps - 1 if self._paused else 0
            self._captured += 1
            return True

    # Index -------------------------------------------------------------------------------------------------------

    def _start_index(self) -> None:
        """Learn the times of all pictures beside reading, where somebody may want to move in them."""
        if self._on_index is None or self.player is None or type(self.source).build_index is Source.build_index:
            return
        self.player.indexing = True
        self._indexer.start()

    def _index(self) -> None:
        assert self._on_index is not None
        assert self.player is not None
        tell = self._on_index
        ThreadBudget(gives_way=True).join_thread()
        try:
            self.source.build_index(lambda done: tell(IndexProgress(min(done, 0.99))), self._stop.is_set)
        except SourceError:
            pass  # reading it says what is wrong
        except Exception as error:
            self._on_fault(EngineFault("indexing the source", str(error), traceback.format_exc()))
        self.player.index_is_over()
        if not self._stop.is_set():
            tell(IndexProgress(1.0))

    def _tell(self, phase: SourcePhase, message: str = "", hint: str = "", retry_in_s: float | None = None) -> None:
        self._on_state(SourceState(phase, self.info, message, hint, retry_in_s))
