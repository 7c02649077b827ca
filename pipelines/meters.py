"""Small running measures: durations with percentiles, and rates."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from scenescope.models.vision.copies import COPIES, CopyCount
from scenescope.pipelines.events import CopyRate

__all__ = ["CopyMeter", "Durations", "RateMeter"]


class Durations:
    """The latest durations of something, in milliseconds, with p50 and p95. Adding is safe from any thread."""

    def __init__(self, keep: int = 240) -> None:
        self._values: deque[float] = deque(maxlen=keep)
        self.count = 0

    def add(self, seconds: float) -> None:
        """Note one duration."""
        self._values.append(seconds * 1e3)
        self.count += 1

    def percentiles(self) -> tuple[float, float]:
        """p50 and p95 of the kept durations in milliseconds; zeros when there are none."""
        values = list(self._values)
        if not values:
            return 0.0, 0.0
        p50, p95 = np.percentile(values, (50, 95))
        return float(p50), float(p95)


class RateMeter:
    """Events per second over the last ``window_s`` seconds, from a counter that is looked at now and then."""

    def __init__(self, window_s: float = 2.0) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, count: int) -> float:
        """Note that ``count`` events have happened by now; the rate."""
        now = time.monotonic()
        self._seen.append((now, count))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window_s:
            self._seen.popleft()
        (then, before) = self._seen[0]
        return (count - before) / (now - then) if now > then else 0.0


class CopyMeter:
    """Copies between host and devices for every frame, over the latest statistics."""

    def __init__(self, keep: int = 8) -> None:
        self._seen: deque[tuple[int, CopyCount]] = deque([(0, COPIES.count)], maxlen=keep)

    def update(self, frames: int) -> CopyRate:
        """Note that ``frames`` have been analysed by now; copies a frame."""
        self._seen.append((frames, COPIES.count))
        before, copied = self._seen[0]
        made, count = self._seen[-1][1] - copied, max(frames - before, 1)
        n_bytes = made.uploaded_bytes + made.downloaded_bytes
        return CopyRate(made.uploads / count, made.downloads / count, n_bytes / 1e6 / count)
