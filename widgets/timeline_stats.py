"""How long the stages took and how many frames were dropped, over the time of the film. No Qt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.events import Stats

__all__ = ["HOLDS_S", "StageHistory"]

MOST = 16_384
HOLDS_S = 1.0
"""Statistics come four times a second; after this time without any, nothing is known."""


class StageHistory:
    """The statistics of this run, by media time. When there is no more room, every other sample goes.

    Attributes:
        most_ms: the longest time so far.
        dropped: frames dropped so far.
    """

    def __init__(self) -> None:
        self._t_s = np.zeros(MOST)
        self._total_ms = np.zeros(MOST)
        self._dropped = np.zeros(MOST, np.int64)
        self._slowest: list[tuple[str, float]] = []
        self._count = 0
        self._counted = -1
        self._sorted: tuple[NDArray[np.float64], ...] | None = None
        self.most_ms = 0.0
        self.dropped = 0

    def __len__(self) -> int:
        return self._count

    def add(self, t_s: float, stats: Stats) -> None:
        """Statistics that were told while the film was at ``t_s``."""
        timed = [(stage.p50_ms, stage.stage_id) for stage in stats.stages if stage.calls and stage.age_ms is None]
        so_far, before = stats.counts.dropped, self._counted
        self._counted = so_far
        # Counted anew from each opening of a source; the first of them tells nothing of a difference.
        fresh = so_far - before if 0 <= before <= so_far else 0
        if not timed and not fresh:
            return
        if self._count == MOST:
            self._thin()
        at = self._count
        slowest = max(timed, default=(0.0, ""))
        self._t_s[at], self._total_ms[at], self._dropped[at] = t_s, sum(ms for ms, _ in timed), fresh
        self._slowest.append((slowest[1], slowest[0]))
        self._count += 1
        self._sorted = None
        self.most_ms = max(self.most_ms, float(self._total_ms[at]))
        self.dropped += fresh

    def _thin(self) -> None:
        half = MOST // 2
        sums = self._dropped.reshape(half, 2).sum(axis=1)
        for array in (self._t_s, self._total_ms):
            array[:half] = array[::2]
        self._dropped[:half] = sums
        self._slowest = self._slowest[::2]
        self._count = half

    @property
    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Ascending times in seconds, the time of all stages then in milliseconds, and frames dropped: each (N,)."""
        if self._sorted is None:
            order = np.argsort(self._t_s[: self._count], kind="stable")
            self._sorted = (self._t_s[order], self._total_ms[order], self._dropped[order].astype(np.float64))
        t_s, total_ms, dropped = self._sorted
        return t_s, total_ms, dropped

    def words(self, t_s: float) -> str:
        """What was so at a time, in words; empty when nothing is known of it."""
        if not self._count:
            return ""
        times = self._t_s[: self._count]
        at = int(np.argmin(np.abs(times - t_s)))
        if abs(times[at] - t_s) > HOLDS_S:
            return ""
        name, slowest_ms = self._slowest[at]
        dropped = f"; {int(self._dropped[at])} frames dropped" if self._dropped[at] else ""
        return f"Stages {self._total_ms[at]:.1f} ms, the slowest {name} {slowest_ms:.1f} ms{dropped}"
