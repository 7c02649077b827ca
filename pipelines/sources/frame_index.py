"""FrameIndex: when each picture of a file is shown; what numbers, times and percents are turned into each other by."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameIndex"]

# What a time loses as a float, in ticks.
SLACK_TICKS = Fraction(1, 100)
# Two distances of pictures that differ by less are rounding of the container's clock.
ROUNDING_TICKS = 1


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Presentation times of all pictures of a file.

    Attributes:
        pts: int64 (N,), ticks since the first picture, ascending.
        time_base: seconds per tick.
        is_key: bool (N,), True where decoding can begin.
        timed: False when the file has no times, so that a picture is found by counting only.
    """

    pts: NDArray[np.int64]
    time_base: Fraction
    is_key: NDArray[np.bool_]
    timed: bool = True

    def __len__(self) -> int:
        return len(self.pts)

    def pts_s(self, index: int) -> float:
        """When picture ``index`` is shown, in seconds since the first; equals ``Frame.pts_s`` of that picture."""
        return float(int(self.pts[index]) * self.time_base)

    def index_at(self, pts_s: float) -> int:
        """Number of the first picture at or after a time; ``len`` when there is none."""
        ticks = ceil(Fraction(pts_s) / self.time_base - SLACK_TICKS)
        return int(np.searchsorted(self.pts, ticks, side="left"))

    def index_showing(self, pts_s: float) -> int:
        """Number of the picture that is on the screen at a time: the last one at or before it, 0 before the first."""
        ticks = int(Fraction(pts_s) / self.time_base + SLACK_TICKS)
        return max(int(np.searchsorted(self.pts, ticks, side="right")) - 1, 0)

    @cached_property
    def key_numbers(self) -> NDArray[np.int64]:
        """Numbers of the pictures with which decoding can begin, int64, ascending."""
        return np.flatnonzero(self.is_key)

    def key_before(self, index: int) -> int:
        """Number of the last key frame at or before a picture; 0 when there is none."""
        at = int(np.searchsorted(self.key_numbers, index, side="right"))
        return int(self.key_numbers[at - 1]) if at else 0

    def key_after(self, index: int) -> int:
        """Number of the first key frame after a picture; ``len`` when there is none."""
        at = int(np.searchsorted(self.key_numbers, index, side="right"))
        return int(self.key_numbers[at]) if at < len(self.key_numbers) else len(self)

    @property
    def duration_s(self) -> float:
        """Time from the first picture to the end of the last, which is taken to be shown as long as the one before."""
        if len(self.pts) < 2:
            return self.pts_s(0) if len(self.pts) else 0.0
        last = int(self.pts[-1] - self.pts[-2])
        return float((int(self.pts[-1]) + last) * self.time_base)

    @property
    def constant_rate(self) -> bool:
        """True when all pictures are equally long apart, within the rounding of the clock."""
        steps = np.diff(self.pts)
        return bool(len(steps) == 0 or steps.max() - steps.min() <= ROUNDING_TICKS)
