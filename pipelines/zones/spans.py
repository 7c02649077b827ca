"""Which media time was looked at already, so that what happens in it is told once."""

from __future__ import annotations

__all__ = ["JUMP_S", "SeenTime"]

JUMP_S = 2.0
"""Time that passes between two frames that do not follow each other is a jump of the player from here on."""
_SAME_S = 1e-6


class SeenTime:
    """Spans of media time that were played. Used by one thread.

    Playing on extends a span. A jump, which is a step back in time or a long one ahead over frames that were left out,
    begins another one. A jump to where the first span began, or before it, begins all anew.
    """

    def __init__(self) -> None:
        self._earlier: list[tuple[float, float]] = []
        self._first_s = self._from_s = self._to_s = 0.0
        self._index = -1
        self._begun = False

    def step(self, t_s: float, index: int) -> str:
        """Take the next frame; "start" for a first one or all anew, "jump", "again" for the same frame, or "on"."""
        if self._begun and t_s == self._to_s and index == self._index:
            return "again"
        back = t_s < self._to_s
        ahead = t_s - self._to_s > JUMP_S and index != self._index + 1
        anew = not self._begun or (back and t_s <= self._first_s + _SAME_S)
        if anew:
            self._earlier.clear()
            self._from_s = self._first_s = t_s
        elif back or ahead:
            # In a single frame nothing happens; played backwards, every frame is one.
            if self._to_s > self._from_s:
                self._earlier = _joined([*self._earlier, (self._from_s, self._to_s)])
            self._from_s = t_s
        self._to_s, self._index, self._begun = t_s, index, True
        return "start" if anew else "jump" if back or ahead else "on"

    def was_seen(self, t_s: float) -> bool:
        """Whether that moment was played before the latest jump."""
        return any(begin - _SAME_S <= t_s <= end + _SAME_S for begin, end in self._earlier)


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The same spans, in order, with those that overlap made one."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1] + _SAME_S:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
