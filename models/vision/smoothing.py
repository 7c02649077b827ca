"""Points that tremble less: the One Euro filter, per point, for people who are told apart by where they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import Keypoints

__all__ = ["KeypointSmoother"]

K = TypeVar("K", bound=Keypoints)
Float = NDArray[np.float64]

# Speeds are measured in sizes of the object a second, so the same settings suit people near and far.
REST_HZ = 1.5
PER_SPEED = 4.0
SPEED_HZ = 1.0
# Longer gaps, and jumps back in time, start anew.
FORGET_S = 0.5
# Between two pictures an object's centre moves less than this part of its size.
SAME_OBJECT = 0.5


@dataclass
class _Memory:
    xy: Float
    speed: Float
    centre: Float
    size: float


class KeypointSmoother:
    """The One Euro filter (Casiez, Roussel and Vogel, CHI 2012): strong on points at rest, weak on quick ones.

    The cut-off frequency of its low pass is ``REST_HZ + PER_SPEED * speed``. Called once per picture, in order.
    """

    def __init__(self) -> None:
        self._known: list[_Memory] = []
        self._then_s: float | None = None

    def smoothed(self, found: K, now_s: float) -> K:
        """The same objects with steadier points.

        Args:
            found: all objects of a picture; points of confidence 0 are left alone.
            now_s: time of the picture in seconds.
        """
        step_s = now_s - self._then_s if self._then_s is not None else -1.0
        if step_s == 0.0:
            return found
        known = self._known if 0 < step_s <= FORGET_S else []
        self._then_s, self._known = now_s, []
        rows = []
        for xy, sure in zip(found.xy.astype(np.float64), found.confidence, strict=True):
            seen = xy[sure > 0.2] if (sure > 0.2).any() else xy
            size = max(float(np.ptp(seen, axis=0).max()), 1.0)
            before = _nearest(seen.mean(axis=0), size, known)
            if before is None:
                speed = np.zeros_like(xy)
            else:
                known = [memory for memory in known if memory is not before]
                speed = before.speed + _share(SPEED_HZ, step_s) * ((xy - before.xy) / (size * step_s) - before.speed)
                cutoff_hz = REST_HZ + PER_SPEED * np.linalg.norm(speed, axis=1, keepdims=True)
                xy = before.xy + _share(cutoff_hz, step_s) * (xy - before.xy)
            self._known.append(_Memory(xy, speed, seen.mean(axis=0), size))
            rows.append(xy)
        return replace(found, xy=np.array(rows, np.float32)) if rows else found


def _share(cutoff_hz: float | Float, step_s: float) -> float | Float:
    """Weight of the new value in a low pass of first order."""
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff_hz * step_s))


def _nearest(centre: Float, size: float, known: list[_Memory]) -> _Memory | None:
    near = [(float(np.linalg.norm(memory.centre - centre)), memory) for memory in known]
    distance, memory = min(near, key=lambda pair: pair[0], default=(np.inf, None))
    return memory if memory is not None and distance < SAME_OBJECT * max(size, memory.size) else None
