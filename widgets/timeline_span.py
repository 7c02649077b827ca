"""Which part of time is on the screen, and where its ticks are. No Qt."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenescope.widgets.timeline_words import stamp

__all__ = ["Span", "Tick", "ticks"]

LEAST_S = 0.005
# Steps between labels that people count in: seconds, then parts of minutes, hours and days.
_STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30)
_LONG_STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True)
class Span:
    """``width_px`` pixels that show the time from ``start_s`` to ``end_s``."""

    start_s: float
    end_s: float
    width_px: int

    @property
    def length_s(self) -> float:
        """How much time is shown."""
        return self.end_s - self.start_s

    @property
    def px_per_s(self) -> float:
        """Pixels of a second."""
        return self.width_px / self.length_s

    def x(self, t_s: float) -> float:
        """Pixel of a time, from the left edge; may be outside."""
        return (t_s - self.start_s) * self.px_per_s

    def t(self, x_px: float) -> float:
        """Time at a pixel."""
        return self.start_s + x_px / self.px_per_s

    @cached_property
    def edges_s(self) -> NDArray[np.float64]:
        """Times of the left edges of all pixels, and of the right edge of the last: float64 (width_px + 1,)."""
        return self.start_s + np.arange(self.width_px + 1) / self.px_per_s

    def zoomed(self, factor: float, at_px: float, most_s: float) -> Span:
        """``factor`` times as much of it, the time at ``at_px`` staying where it is."""
        length = min(max(self.length_s / factor, LEAST_S), max(most_s, LEAST_S))
        start = self.t(at_px) - length * at_px / self.width_px
        return replace(self, start_s=start, end_s=start + length)

    def moved(self, seconds: float) -> Span:
        """The same length elsewhere."""
        return replace(self, start_s=self.start_s + seconds, end_s=self.end_s + seconds)

    def within(self, begin_s: float, end_s: float) -> Span:
        """Moved so that the middle shows something between the two."""
        middle = (self.start_s + self.end_s) / 2
        return self.moved(min(max(middle, begin_s), end_s) - middle)


@dataclass(frozen=True)
class Tick:
    """A mark of the ruler; the label is empty for a small one."""

    t_s: float
    label: str = ""


def ticks(span: Span, label_px: float) -> list[Tick]:
    """Marks for a span, so far apart that labels of ``label_px`` pixels do not touch."""
    least = label_px / span.px_per_s
    step = next((s for s in (*_STEPS_S, *_LONG_STEPS_S) if s >= least), 0.0)
    if not step:
        days = 10 ** math.floor(math.log10(least / 86400))
        step = next(days * f * 86400 for f in (1, 2, 5, 10, 20) if days * f * 86400 >= least)
    digits = max(0, -math.floor(math.log10(step))) if step < 1 else 0
    parts = 4 if step in (60, 120, 7200, 86400) else 5 if str(step).strip("0.")[0] in "15" else 2
    small = step / parts
    first, last = math.ceil(span.start_s / small), math.floor(span.end_s / small)
    marks = []
    for number in range(first, last + 1):
        t_s = number * small
        marks.append(Tick(t_s, stamp(t_s, digits) if number % parts == 0 else ""))
    return marks
