"""How fast objects move over the ground."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

__all__ = ["MPS_PER_KMH", "SPEED_UNITS", "Speedometer"]

MPS_PER_KMH = 1 / 3.6
SPEED_UNITS = {"km/h": 3.6, "mph": 3600 / 1609.344, "m/s": 1.0}
"""What a speed in metres a second is multiplied with."""

WINDOW_S = 0.8
_LEAST_S = 0.4
_LEAST_PLACES = 5
# A slow camera gives fewer places in the window; it is stretched to hold so many, up to so long.
_FEW = 6
_LONGEST_S = 2.5
# Between estimates for one object, so that a fast camera does not cost more.
_EVERY_S = 0.1


class Speedometer:
    """Speeds of objects from their places on the ground, by Tukey's resistant line (Exploratory Data Analysis, 1977).

    The places of the last 0.8 s are parted in three by time; the medians of the outer parts give the velocity, so a
    third of them may be wrong. Used by one thread.
    """

    def __init__(self) -> None:
        self._places: dict[int, deque[tuple[float, float, float]]] = {}
        self._speed: dict[int, tuple[float, float]] = {}

    def add(self, key: int, t_s: float, x_m: float, y_m: float) -> float:
        """Note a place; the speed in metres a second, NaN while it is not known.

        Args:
            key: of the object.
            t_s: media time.
            x_m: place on the ground; NaN where it is not known.
            y_m: the same.
        """
        if not math.isfinite(x_m) or not math.isfinite(y_m):
            self.forget(key)
            return math.nan
        places = self._places.setdefault(key, deque())
        if places and t_s - places[-1][0] > _LONGEST_S:
            self.forget(key)
            places = self._places.setdefault(key, deque())
        places.append((t_s, x_m, y_m))
        while t_s - places[0][0] > (WINDOW_S if len(places) > _FEW else _LONGEST_S):
            places.popleft()
        told_s, speed = self._speed.get(key, (-math.inf, math.nan))
        if t_s - told_s < _EVERY_S:
            return speed
        if len(places) < _LEAST_PLACES or t_s - places[0][0] < _LEAST_S:
            return math.nan
        speed = _resistant_speed(list(places))
        self._speed[key] = (t_s, speed)
        return speed

    def forget(self, key: int) -> None:
        """Know nothing about an object."""
        self._places.pop(key, None)
        self._speed.pop(key, None)

    def clear(self) -> None:
        """Know nothing about any."""
        self._places.clear()
        self._speed.clear()


def _resistant_speed(places: list[tuple[float, float, float]]) -> float:
    third = (len(places) + 1) // 3
    (t1, x1, y1), (t2, x2, y2) = (
        tuple(median(values) for values in zip(*part, strict=True)) for part in (places[:third], places[-third:])
    )
    return float(math.hypot(x2 - x1, y2 - y1) / (t2 - t1))
