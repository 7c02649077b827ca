"""The clock of a recording: which time in the new files a picture of the source has."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Any

from scenescope.pipelines.frame import Frame, Stamp
from scenescope.pipelines.sink import Sink
from scenescope.pipelines.sinks._movie import Moment
from scenescope.pipelines.source import SourceInfo

__all__ = ["JUMP_S", "FileTimes", "RecordingClock"]

JUMP_S = 2.0
"""A film that goes forward by more has been moved in; what plays fast skips less."""
KEPT = 8192
WAIT_S = 2.0


class FileTimes:
    """Gives pictures, in the order in which they come, times that begin at 0 and never go back.

    Live sources keep every gap: when a camera was unplugged for a minute, the file has a minute without pictures. A
    film keeps its own times whatever the speed it is played at, and a pause adds nothing; where it is moved in, or
    played backwards, the next picture follows the one before after its usual time. So a recording holds what was
    played, without holes.
    """

    def __init__(self, live: bool, rate_hz: float) -> None:
        self._live = live
        self._usual_s = 1 / (rate_hz or 30.0)
        self._span = 0
        self._shift_s: float | None = None
        self._index = 0
        self._pts_s = 0.0

    def at(self, index: int, pts_s: float) -> Moment:
        """Where the next picture stands: number ``index`` of the source, at ``pts_s`` of it."""
        step_s = pts_s - self._pts_s
        if self._shift_s is None:
            self._shift_s = -pts_s
        elif step_s <= 0 or (not self._live and index != self._index + 1 and step_s > JUMP_S):
            self._shift_s += self._usual_s - step_s
            self._span += 1
        elif index == self._index + 1:
            self._usual_s = step_s if not self._live else self._usual_s
        self._index, self._pts_s = index, pts_s
        return Moment(max(pts_s + self._shift_s, 0.0), pts_s, self._span)


class RecordingClock(Sink):
    """Sees every captured picture first, and tells all files of a recording the same time for it.

    Pictures that were captured before it was opened belong to no recording.
    """

    captured = True

    def __init__(self) -> None:
        self.pictures = 0
        self.seconds = 0.0
        self.info: SourceInfo | None = None
        self._times: FileTimes | None = None
        self._since_s = 0.0
        self._known: OrderedDict[Stamp, tuple[Moment, int]] = OrderedDict()
        self._newest_s = 0.0
        self._changed = threading.Condition()
        self._over = False

    def open(self, info: SourceInfo) -> None:
        """Begin; with the next source nothing goes on."""
        with self._changed:
            if self._times is None:
                self._times, self.info = FileTimes(info.live, info.rate_hz), info
                self._since_s = time.monotonic()

    def write(self, prepared: Any) -> None:
        """Note when a picture was captured."""
        frame: Frame = prepared
        with self._changed:
            if self._over or self._times is None or frame.captured_s < self._since_s:
                return
            moment = self._times.at(frame.index, frame.pts_s)
            self._known[frame.stamp] = moment, self.pictures
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
            self.pictures += 1
            self.seconds = moment.t_s
            self._newest_s = frame.captured_s
            self._changed.notify_all()

    def close(self) -> None:
        """The source is over, or the recording."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def place_of(self, stamp: Stamp) -> tuple[Moment, int] | None:
        """Where a picture stands, and its number in the recording; None when it does not belong to it.

        A picture that has overtaken the clock is waited for.
        """

        def settled() -> bool:
            too_old = stamp.captured_s < self._since_s or stamp.captured_s < self._newest_s
            return stamp in self._known or self._over or (self._times is not None and too_old)

        with self._changed:
            self._changed.wait_for(settled, timeout=WAIT_S)
            return self._known.get(stamp)
