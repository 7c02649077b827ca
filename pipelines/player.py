"""Player: moves through a film: plays it at any rate either way, steps, jumps, and goes round in a loop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from scenescope.models import SourceError
from scenescope.pipelines.events import SourcePhase
from scenescope.pipelines.frame import Frame
from scenescope.pipelines.pace import Loop, Pace, checked_rate
from scenescope.pipelines.source import Source
from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = ["Player"]

# Spare time shorter than this is not worth using.
SPARE_S = 0.004
LAST = 2**62


@dataclass(frozen=True)
class _Jump:
    """Where to go: a picture's number, or a time."""

    index: int | None = None
    pts_s: float = 0.0


class Player:
    """The commands may come from any thread and return at once; :meth:`play` belongs to one thread.

    Times are seconds of media time. A newer jump or step replaces an older one, also one that is being decoded. Until
    a film is indexed it plays on, and jumps, steps back and playing backwards wait.

    Args:
        source: open, not live.
        paced: play at the film's own rate; else as fast as it goes.
        holds_at_end: wait at the end for a jump back.
        deliver: takes each frame; may wait.
        on_phase: told when it plays, is paused, or has ended (with what is wrong with the rest of the file).
        on_jump: called before the first frame after a jump.

    Attributes:
        captured: frames delivered.
        skipped: pictures passed over because the machine cannot keep up with the rate.
        indexing: True while the source's index is being built.
    """

    def __init__(
        self,
        source: Source,
        *,
        paced: bool,
        holds_at_end: bool,
        deliver: Callable[[Frame], None],
        on_phase: Callable[[SourcePhase, str, str], None],
        on_jump: Callable[[], None],
    ) -> None:
        self.captured = 0
        self.skipped = 0
        self.indexing = False
        self._source = source
        self._paced = paced
        self._holds_at_end = holds_at_end
        self._deliver = deliver
        self._on_phase = on_phase
        self._on_jump = on_jump
        self._changed = threading.Condition()
        self._paused = False
        self._stopped = False
        self._ended = False
        self._steps = 0
        self._jump: _Jump | None = None
        self._heading: _Jump | None = None
        self._loop: Loop | None = None
        # A jump or a step led out of the loop; it is played again once one comes back into it.
        self._outside = False
        self._pace = Pace()
        self._last: Frame | None = None
        self._ahead: Frame | None = None
        # What the source's next read gives; None where that is not known.
        self._source_next: int | None = None
        self._read_s = 0.005
        self._rate_hz = 0.0

    # Commands ----------------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """True while the picture is held."""
        return self._paused

    @property
    def rate(self) -> float:
        """Seconds of media time a second; negative backwards."""
        return self._pace.rate

    @property
    def loop(self) -> tuple[float, float] | None:
        """Start and end of the part that is played round and round."""
        return None if self._loop is None else (self._loop.start_s, self._loop.end_s)

    def pause(self, on: bool) -> None:
        """Hold the picture, or go on: from the start when it is at its end, from the end when it played backwards."""
        with self._changed:
            if not on and self._at_edge() and self._jump is None:
                self._jump = _Jump(pts_s=0.0) if self.rate > 0 else _Jump(index=LAST)
            if on != self._paused:
                self._paused = on
                self._pace.rest()
            self._changed.notify_all()

    def step(self, frames: int) -> None:
        """Go ``frames`` on from the picture shown, or from where a jump leads; back when negative."""
        with self._changed:
            goal = self._jump or self._heading
            if frames == 1 and goal is None:
                self._steps += self._paused and not self._ended
            elif frames:
                self._jump = self._beside(goal, frames)
            self._changed.notify_all()

    def seek(self, pts_s: float) -> None:
        """Go to the first picture at or after a time, or the last one; while paused it is shown."""
        self._go(_Jump(pts_s=max(pts_s, 0.0)))

    def seek_frame(self, index: int) -> None:
        """Go to picture ``index``, or the last one; while paused it is shown."""
        self._go(_Jump(index=max(index, 0)))

    def set_rate(self, rate: float) -> None:
        """Play 0.1 to 16 times as fast, backwards when negative; backwards only what has or will have an index.

        Raises:
            ValueError: it is 0 or not a number.
        """
        rate = checked_rate(rate)
        with self._changed:
            if rate < 0 and not (self.indexing or self._source.frame_index is not None):
                return
            self._pace.change(rate, time.monotonic())
            self._changed.notify_all()

    def set_loop(self, start_s: float | None, end_s: float | None) -> None:
        """Play from the first picture at or after ``start_s`` to the last at or before ``end_s``, and again."""
        with self._changed:
            self._loop = None if start_s is None and end_s is None else Loop.between(start_s, end_s)
            self._outside = False
            self._changed.notify_all()

    def stop(self) -> None:
        """Make :meth:`play` return soon."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def index_is_over(self) -> None:
        """The source has been indexed, or never will be."""
        with self._changed:
            self.indexing = False
            if self._source.frame_index is None and self.rate < 0:
                self._pace.change(1.0, time.monotonic())
            self._changed.notify_all()

    def _go(self, jump: _Jump) -> None:
        with self._changed:
            self._jump = jump
            self._changed.notify_all()

    def _beside(self, goal: _Jump | None, frames: int) -> _Jump | None:
        """The jump that leads ``frames`` on from a goal, or from the picture shown when there is none."""
        index = self._source.frame_index
        last = self._last
        if goal is not None and goal.index is None and index is not None:
            goal = _Jump(index=min(index.index_at(goal.pts_s), len(index) - 1))
        if goal is not None and goal.index is not None:
            return _Jump(index=max(goal.index + frames, 0))
        if goal is not None or last is None:
            return goal
        if index is not None or self.indexing:
            return _Jump(index=max(last.index + frames, 0))
        if frames > 0:
            self._steps += frames if self._paused else 0
            return None
        # Without numbers to ask for, the pictures are taken to be equally far apart.
        return _Jump(pts_s=max(last.pts_s + (frames - 0.5) / self._rate_hz, 0.0)) if self._rate_hz else None

    # Playing -----------------------------------------------------------------------------------------------------

    def play(self, rate_hz: float) -> SourcePhase:
        """Deliver frames until the end, unless it is waited there, or until it is stopped.

        Args:
            rate_hz: of the source, as far as it is known.

        Raises:
            SourceError: the source cannot be read on.
        """
        self._rate_hz = rate_hz
        self._tell()
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._stopped:
                    return SourcePhase.STOPPED
                jump = self._heading = self._take_jump()
                stepping = jump is None and self._paused
                self._steps = 0 if not self._paused else self._steps - stepping
            if jump is not None:
                self._leap(jump)
            elif not self._advance(stepping):
                return SourcePhase.ENDED

    def _has_work(self) -> bool:
        if self._is_stale():
            return True
        if self._ended:
            return self.rate < 0 and not self._paused and not self.indexing
        if self._paused:
            return self._steps > 0
        return self.rate > 0 or not self.indexing

    def _take_jump(self) -> _Jump | None:
        if self.indexing:
            return None
        jump, self._jump = self._jump, None
        return jump

    def _advance(self, stepping: bool) -> bool:
        """Deliver the next picture, or get ready to; False when it is over."""
        backwards = self.rate < 0 and not stepping
        if self._ended:
            self._ended = False
            self._tell()
        loop = self._loop
        try:
            frame = self._previous() if backwards else self._following(stepping)
        except SourceError as error:
            if not self._holds_at_end or self._last is None:
                raise
            return self._hold(error.user_message, error.hint)
        if self._stopped:
            return True
        if frame is None:
            return self._turn_back(backwards) or self._hold()
        if stepping or self._wait_until_due(frame, backwards, loop):
            self._pass_on(frame, moved=stepping)
        else:
            self._ahead = frame
        return True

    def _leap(self, jump: _Jump) -> None:
        """Deliver the picture that a jump leads to, unless another jump comes first."""
        frame = self._frame_at(jump)
        with self._changed:
            if self._is_stale() or (frame is None and self._source.frame_index is not None):
                self._heading = None
                return
            self._ahead = None
            self._pace.rest()
            was_ended, self._ended = self._ended, False
        self._on_jump()
        if frame is None:
            self._hold()
        else:
            if was_ended:
                self._tell()
            self._pass_on(frame, moved=True)
        with self._changed:
            self._heading = None

    def _frame_at(self, jump: _Jump) -> Frame | None:
        index = self._source.frame_index
        if index is not None and len(index):
            wanted = min(index.index_at(jump.pts_s) if jump.index is None else jump.index, len(index) - 1)
            back = self._last is not None and wanted < self._last.index
            return self._near(wanted, -1 if back else 1) or self._near(wanted, 1 if back else -1)
        if not self._source.seekable:
            return None
        pts_s = jump.pts_s if jump.index is None else (jump.index - 0.5) / (self._rate_hz or 1.0)
        self._source.seek(max(pts_s, 0.0))
        return self._read()

    def _pass_on(self, frame: Frame, moved: bool) -> None:
        self._last = frame
        self._ahead = None
        if self._loop is not None:
            inside = self._loop.holds(frame.pts_s)
            self._outside = not inside if moved else self._outside and not inside
        self.captured += 1
        # A picture that was held back until it was due is as old as a camera's when it comes.
        self._deliver(replace(frame, captured_s=time.monotonic()) if self._paced else frame)

    # Which picture -----------------------------------------------------------------------------------------------

    def _following(self, stepping: bool) -> Frame | None:
        """The next picture forwards; None at the end."""
        ahead, self._ahead = self._ahead, None
        index = self._source.frame_index
        at = -1 if self._last is None else self._last.index
        looping = self._loop is not None and not stepping and not self._outside
        if index is None:
            frame = ahead or self._read()
            return self._round(frame) if looping else frame
        first, last = self._loop_ends(index)
        if looping and at >= last:
            return self._round_to(index, first, last)
        if ahead is not None and ahead.index > at and not (stepping and ahead.index > at + 1):
            return ahead
        wanted = at + 1 if stepping else self._due_now(index, at + 1)
        if wanted >= len(index) or (self._source_next in (None, wanted) and wanted == at + 1):
            return self._read()
        return self._near(wanted, 1)

    def _previous(self) -> Frame | None:
        """The next picture backwards; None at the beginning."""
        ahead, self._ahead = self._ahead, None
        index = self._source.frame_index
        if index is None:
            return None
        at = 0 if self._last is None else self._last.index
        first, last = self._loop_ends(index)
        if self._loop is not None and not self._outside and at <= first:
            return self._round_to(index, last, first)
        if ahead is not None and ahead.index < at:
            return ahead
        wanted = self._due_now(index, at - 1)
        return self._near(wanted, -1) if wanted >= 0 else None

    def _due_now(self, index: FrameIndex, wanted: int) -> int:
        """``wanted``, or the picture that the clock asks for instead when that one is too late and may be skipped."""
        if not self._paced or not 0 <= wanted < len(index):
            return wanted
        with self._changed:
            due = self._pace.due_number(index, wanted, self._loop_ends(index), self._read_s, time.monotonic())
        self.skipped += abs(due - wanted)
        return due

    def _loop_ends(self, index: FrameIndex) -> tuple[int, int]:
        """Numbers of the first and last picture of the loop, or of the film without one."""
        return (0, len(index) - 1) if self._loop is None else self._loop.ends(index)

    def _round_to(self, index: FrameIndex, begin: int, end: int) -> Frame | None:
        """From the last picture of the loop to the first, which is due when the last one has been shown."""
        beside = min(end + 1, len(index) - 1) if begin <= end else max(end - 1, 0)
        shown_s = abs(index.pts_s(beside) - index.pts_s(end)) or (1 / self._rate_hz if self._rate_hz else 0.0)
        with self._changed:
            self._pace.follow_on(index.pts_s(begin), shown_s)
        return self._near(begin, 1 if begin <= end else -1)

    def _round(self, frame: Frame | None) -> Frame | None:
        """The same for a source without numbers to ask for."""
        assert self._loop is not None
        beyond = frame is None or frame.pts_s > self._loop.end_s
        if not beyond or self._last is None or not self._source.seekable:
            return frame
        self._source.seek(self._loop.start_s)
        self._pace.rest()
        return self._read()

    def _near(self, index: int, step: int) -> Frame | None:
        """Picture ``index``, or the next one in a direction that can be decoded; None past the ends or when stale."""
        known = self._source.frame_index
        assert known is not None
        while 0 <= index < len(known) and not self._is_stale():
            try:
                frame = self._source.read_at(index, self._is_stale)
            except SourceError:
                index += step
                continue
            self._source_next = None if frame is None else frame.index + 1
            return frame
        return None

    def _read(self) -> Frame | None:
        started_s = time.monotonic()
        frame = self._source.read()
        self._source_next = None if frame is None else frame.index + 1
        self._read_s += 0.1 * (time.monotonic() - started_s - self._read_s)
        return frame

    # Waiting -----------------------------------------------------------------------------------------------------

    def _is_stale(self) -> bool:
        return self._stopped or (self._jump is not None and not self.indexing)

    def _turn_back(self, backwards: bool) -> bool:
        """Whether there is a reason not to end here: something else is wanted, or it played back to the beginning."""
        if self._is_stale():
            return True
        if backwards:
            with self._changed:
                self._paused = True
                self._pace.rest()
            self._tell()
        return backwards

    def _hold(self, message: str = "", hint: str = "") -> bool:
        """At the end: whether to wait there."""
        if self._holds_at_end:
            self._ended = True
            self._pace.rest()
            self._on_phase(SourcePhase.ENDED, message, hint)
        return self._holds_at_end

    def _at_edge(self) -> bool:
        """At the end, or paused at the beginning of a film that plays backwards."""
        at_beginning = self._last is not None and self._last.index == 0
        return self._ended if self.rate > 0 else self._paused and at_beginning

    def _wait_until_due(self, frame: Frame, backwards: bool, loop: Loop | None) -> bool:
        """False when something else is wanted before it is due."""
        while True:
            with self._changed:
                if self._is_stale() or self._paused or (self.rate < 0) != backwards or self._loop is not loop:
                    return False
                wait_s = self._pace.wait_s(frame.pts_s, time.monotonic()) if self._paced else 0.0
                if wait_s <= 0:
                    return True
                if not backwards or wait_s < SPARE_S:
                    self._changed.wait(wait_s)
                    continue
            enough_s = time.monotonic() + wait_s - SPARE_S / 2
            self._source.prepare_before(frame.index, self._busy_from(enough_s))
            with self._changed:
                self._changed.wait(max(enough_s - time.monotonic(), SPARE_S / 4))

    def _busy_from(self, time_s: float) -> Callable[[], bool]:
        """True once spare time is over."""
        return lambda: time.monotonic() >= time_s or self._is_stale()

    def _tell(self) -> None:
        self._on_phase(SourcePhase.PAUSED if self._paused else SourcePhase.PLAYING, "", "")
