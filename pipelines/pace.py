"""Pace: when each picture of a film is due, at any rate, forwards or backwards."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scenescope.pipelines.sources.frame_index import FrameIndex

__all__ = ["FASTEST", "SLOWEST", "Loop", "Pace", "checked_rate"]

SLOWEST, FASTEST = 0.1, 16.0
# Behind by more than this, playback stops trying to catch up.
SLACK_S = 0.25
# Up to this rate every picture is shown, however long that takes.
EVERY_PICTURE_UP_TO = 2.0
# Later than this, a film that may skip pictures does.
LATE_S = 0.1
# Decoding up to a picture may take this long then; else a key frame is shown instead.
PATIENCE_S = 0.15
# Times this close are the same.
SAME_S = 1e-4


def checked_rate(rate: float) -> float:
    """A rate of play within 0.1 to 16, negative for backwards.

    Raises:
        ValueError: it is 0 or not a number.
    """
    if not math.isfinite(rate) or rate == 0:
        raise ValueError(f"Cannot play at the rate {rate}: give a number from {SLOWEST} to {FASTEST}, or its negative.")
    return math.copysign(min(max(abs(rate), SLOWEST), FASTEST), rate)


@dataclass(frozen=True)
class Loop:
    """The part of a film between two times, both included, that is played again and again."""

    start_s: float
    end_s: float

    @classmethod
    def between(cls, start_s: float | None, end_s: float | None) -> Loop:
        """The loop between two times in any order; None stands for that end of the film."""
        ends = (max(start_s or 0.0, 0.0), math.inf if end_s is None else max(end_s, 0.0))
        return cls(min(ends), max(ends))

    def holds(self, pts_s: float) -> bool:
        """Whether a picture shown at this time belongs to it."""
        return self.start_s - SAME_S <= pts_s <= self.end_s + SAME_S

    def ends(self, index: FrameIndex) -> tuple[int, int]:
        """Numbers of its first and last picture; at least one picture."""
        most = len(index) - 1
        first = min(index.index_at(self.start_s), most)
        return first, max(most if self.end_s == math.inf else index.index_showing(self.end_s), first)


class Pace:
    """Maps media time to the clock. All times in seconds; ``now_s`` is ``time.monotonic()``. Used under a lock.

    Attributes:
        rate: seconds of media time a second; negative backwards.
    """

    def __init__(self) -> None:
        self.rate = 1.0
        self._anchor: tuple[float, float] | None = None
        self._last_due_s = 0.0

    def change(self, rate: float, now_s: float) -> None:
        """Go on at another rate from here."""
        turned = (rate < 0) != (self.rate < 0)
        self._anchor = None if self._anchor is None or turned else (now_s, self._media_s(now_s))
        self.rate = rate

    def rest(self) -> None:
        """Time stands still until the next picture."""
        self._anchor = None

    def follow_on(self, pts_s: float, after_s: float) -> None:
        """The next picture, at ``pts_s``, is due ``after_s`` seconds of media time after the one before."""
        if self._anchor is not None:
            self._anchor = (self._last_due_s + after_s / abs(self.rate), pts_s)

    def wait_s(self, pts_s: float, now_s: float) -> float:
        """How long until a picture is due; negative when it is late."""
        if self._anchor is None:
            self._anchor = (now_s, pts_s)
        due_s = self._due_s(pts_s)
        if now_s - due_s > SLACK_S and not self._may_skip:
            self._anchor = (now_s, pts_s)
            due_s = now_s
        self._last_due_s = due_s
        return due_s - now_s

    def due_number(self, index: FrameIndex, wanted: int, ends: tuple[int, int], read_s: float, now_s: float) -> int:
        """The picture to show next instead of ``wanted`` when that one is too late and may be skipped.

        Args:
            index: of the film.
            wanted: number of the next picture.
            ends: first and last number of the loop that is played.
            read_s: how long it takes to decode a picture.
            now_s: the time.
        """
        if not self._may_skip or self._anchor is None:
            return wanted
        media_s = self._media_s(now_s)
        if (media_s - index.pts_s(wanted)) / self.rate <= LATE_S:
            return wanted
        low, high = ends if ends[0] <= wanted <= ends[1] else (0, len(index) - 1)
        due = min(max(index.index_showing(max(media_s, 0.0)), low), high)
        backwards = self.rate < 0
        key = index.key_before(due)
        begin = key if backwards else max(key, wanted)
        if (due - begin + 1) * read_s > PATIENCE_S:
            later = index.key_after(due)
            due = max(key, low) if backwards or key > wanted else later if later <= high else due
        return min(due, wanted) if backwards else max(due, wanted)

    @property
    def _may_skip(self) -> bool:
        return abs(self.rate) > EVERY_PICTURE_UP_TO

    def _media_s(self, now_s: float) -> float:
        """The media time that is due now."""
        assert self._anchor is not None
        return self._anchor[1] + (now_s - self._anchor[0]) * self.rate

    def _due_s(self, pts_s: float) -> float:
        assert self._anchor is not None
        return self._anchor[0] + (pts_s - self._anchor[1]) / self.rate
