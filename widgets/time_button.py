"""Where in the film we are, as text that a click writes another way."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QToolButton, QWidget

from scenescope.pipelines.sources.frame_index import FrameIndex
from scenescope.widgets.transport_time import clock, exact_clock, timecode

__all__ = ["TimeButton", "TimeFormat", "frame_words"]


class TimeFormat(StrEnum):
    """How a time is written."""

    CLOCK = "clock"
    EXACT = "exact"
    TIMECODE = "timecode"


_TIPS = {
    TimeFormat.CLOCK: "Time and length. Click for milliseconds",
    TimeFormat.EXACT: "Time to the millisecond. Click for a timecode",
    TimeFormat.TIMECODE: "Timecode: hours, minutes, seconds, pictures. Click for time and length",
}
_WIDEST = {
    TimeFormat.CLOCK: "0:00:00.0 / 0:00:00.0",
    TimeFormat.EXACT: "0:00:00.000",
    TimeFormat.TIMECODE: "00:00:00:00",
}


class TimeButton(QToolButton):
    """Shows a time; a click, or Space on it, goes on to the next way of writing it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Time")
        self.setAutoRaise(True)
        self.format = TimeFormat.CLOCK
        self._pts_s = 0.0
        self._frame: int | None = None
        self._duration_s: float | None = None
        self._rate_hz = 0.0
        self._even = True
        self.clicked.connect(self._next_format)
        self.set_format(self.format)

    def set_format(self, wished: TimeFormat) -> None:
        """Write times this way."""
        self.format = wished
        self.setToolTip(_TIPS[wished])
        # Room for the longest, so that what stands beside it keeps its place.
        metrics = self.fontMetrics()
        longest = _WIDEST[wished] if (self._duration_s or 0.0) >= 3600 else _WIDEST[wished].replace("0:00:", "00:")
        self.setMinimumWidth(metrics.horizontalAdvance(longest) + 16)
        self._write()

    def set_film(self, duration_s: float | None, rate_hz: float, even: bool) -> None:
        """What a film is like: its length, its rate, and whether pictures can be counted by the clock."""
        if (duration_s, rate_hz, even) != (self._duration_s, self._rate_hz, self._even):
            self._duration_s, self._rate_hz, self._even = duration_s, rate_hz, even
            self.set_format(self.format)

    def show_time(self, pts_s: float, frame: int | None = None) -> None:
        """Show the time of a picture, and its number if that is known."""
        self._pts_s, self._frame = pts_s, frame
        self._write()

    def clear(self) -> None:
        """Show nothing."""
        self._pts_s, self._frame = 0.0, None
        self.setText("")

    @Slot()
    def _next_format(self) -> None:
        ways = list(TimeFormat)
        self.set_format(ways[(ways.index(self.format) + 1) % len(ways)])

    def _write(self) -> None:
        pts_s = self._pts_s
        if self.format is TimeFormat.TIMECODE and self._rate_hz > 0:
            whole = int(pts_s)
            # Pictures that do not come evenly are counted within their second.
            counted = whole * round(self._rate_hz) + int((pts_s - whole) * round(self._rate_hz) + 1e-6)
            if self._frame is not None and self._even:
                text = timecode(self._frame, self._rate_hz)
            else:
                text = timecode(counted, max(round(self._rate_hz), 1))
        elif self.format is TimeFormat.CLOCK:
            text = f"{clock(pts_s)} / {clock(self._duration_s)}" if self._duration_s else clock(pts_s)
        else:
            text = exact_clock(pts_s)
        self.setText(text)


def frame_words(frame: int | None, index: FrameIndex | None, indexed: float | None) -> str:
    """A picture's number, and of how many: "#96 / 300" or, while they are counted, "#96, indexing 40 %"."""
    if frame is None:
        return ""
    if index is not None:
        return f"#{frame} / {len(index)}"
    return f"#{frame}" if indexed is None else f"#{frame}, indexing {int(indexed * 100)} %"
