"""Gestures of one hand, from the angles of its finger joints.

How a hand is turned, how large it is and which of the two it is makes no difference, except that thumbs up is up in the
picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["GESTURES", "LEAST_SCORE", "SteadyGesture", "gesture_scores"]

GESTURES = ("open palm", "fist", "point", "victory", "thumbs up", "thumbs down", "pinch")
LEAST_SCORE = 0.5

# Knuckle (MCP) of index, middle, ring and little finger in the 21 points; three joints follow each.
_KNUCKLES = np.array([5, 9, 13, 17])
_WRIST, _THUMB_MCP, _THUMB_IP, _THUMB_TIP, _INDEX_TIP = 0, 2, 3, 4, 8
# In order of GESTURES up to "thumbs": which of the four fingers are stretched; the others are folded.
_STRETCHED = {"open palm": (1, 1, 1, 1), "fist": (0, 0, 0, 0), "point": (1, 0, 0, 0), "victory": (1, 1, 0, 0)}


def gesture_scores(xyz: NDArray[Any]) -> NDArray[np.float32]:
    """How well a hand fits each of :data:`GESTURES`, 0..1; a score is that of the joint that fits least.

    Args:
        xyz: the 21 points (21, 3) in the order of MediaPipe Hands, in pixels, y down, z of the same scale.
    """
    xyz = np.asarray(xyz, np.float64)
    knuckle, middle, tip = xyz[_KNUCKLES], xyz[_KNUCKLES + 1], xyz[_KNUCKLES + 3]
    bend = _angle_deg(middle - knuckle, tip - middle)
    lean = _angle_deg(knuckle - xyz[_WRIST], tip - knuckle)
    folded = 1 - _fades(bend, 30, 90)
    # A finger that looks straight but far too short points at the camera, or is folded and was misread.
    reach = _lengths(tip - knuckle) / np.maximum(_lengths(knuckle - xyz[_WRIST]), 1e-6)
    stretched = np.minimum.reduce([1 - folded, _fades(lean, 60, 110), 1 - _fades(reach, 0.6, 0.85)])

    thumb = xyz[_THUMB_TIP] - xyz[_THUMB_MCP]
    # Away from the fingers, or across the palm: measured against the line of the knuckles.
    aside = float(_fades(_angle_deg(xyz[5] - xyz[17], thumb), 50, 90))
    unbent = float(_fades(_angle_deg(xyz[_THUMB_IP] - xyz[_THUMB_MCP], xyz[_THUMB_TIP] - xyz[_THUMB_IP]), 40, 80))
    thumb_only = min(aside, unbent, float(folded.min()))
    scores = {name: float(np.where(wanted, stretched, folded).min()) for name, wanted in _STRETCHED.items()}
    scores["fist"] = min(scores["fist"], 1 - min(aside, unbent))
    for name, upright in (("thumbs up", -1.0), ("thumbs down", 1.0)):
        turned = _angle_deg(np.array([0.0, upright, 0.0]), thumb)
        scores[name] = min(thumb_only, float(_fades(turned, 25, 65)))
    scores["pinch"] = _pinch(xyz)
    # A pinch bends the index finger; an open palm does not touch.
    scores["open palm"] = min(scores["open palm"], 1 - scores["pinch"])
    return np.array([scores[name] for name in GESTURES], np.float32)


def _pinch(xyz: NDArray[np.float64]) -> float:
    """Thumb and index finger touch at their tips, in front of the palm and not upon it as in a fist."""
    palm = np.maximum(_lengths(xyz[[9, 5]] - xyz[_WRIST]), 1e-6)
    gap = _lengths(xyz[_THUMB_TIP] - xyz[_INDEX_TIP]) / palm[0]
    reach = _lengths(xyz[_INDEX_TIP] - xyz[_WRIST]) / palm[1]
    return min(float(_fades(gap, 0.2, 0.5)), 1 - float(_fades(reach, 0.9, 1.1)))


def _angle_deg(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles between vectors (..., 3), in degrees."""
    cosine = (one * other).sum(axis=-1) / np.maximum(_lengths(one) * _lengths(other), 1e-9)
    angle: NDArray[np.float64] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return angle


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt((vectors * vectors).sum(axis=-1))
    return lengths


def _fades(value: Any, full: float, none: float) -> NDArray[np.float64]:
    """1 up to ``full``, 0 from ``none`` on, straight between."""
    faded: NDArray[np.float64] = np.clip((none - np.asarray(value)) / (none - full), 0, 1)
    return faded


class SteadyGesture:
    """One hand's gesture over time, without flicker: a new one must win by a margin, and for a while.

    Args:
        steady_s: how long another gesture must win before it is believed.
        margin: by how much the present gesture is preferred.
    """

    def __init__(self, steady_s: float, margin: float = 0.15) -> None:
        self.steady_s = steady_s
        self.margin = margin
        self.current = -1
        self._next = -1
        self._since_s = -np.inf

    def update(self, scores: NDArray[np.float32], pts_s: float) -> tuple[int, float]:
        """Index into :data:`GESTURES` of the gesture to tell, -1 for none, and its score in this picture."""
        favoured = scores.copy()
        if self.current >= 0:
            favoured[self.current] += self.margin
        best = int(favoured.argmax())
        best = best if favoured[best] >= LEAST_SCORE else -1
        if best != self._next:
            self._next, self._since_s = best, pts_s
        if best == self.current or pts_s - self._since_s >= self.steady_s:
            self.current = best
        return self.current, float(scores[self.current]) if self.current >= 0 else 0.0
