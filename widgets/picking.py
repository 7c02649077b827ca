"""Which object is meant: under a point, next in order, or the same one in another picture."""

from __future__ import annotations

from collections.abc import Sequence

from scenescope.pipelines.display import ObjectRef

__all__ = ["best_match", "in_order", "object_at"]

LEAST_OVERLAP_IOU = 0.3


def object_at(objects: Sequence[ObjectRef], x: float, y: float) -> ObjectRef | None:
    """The smallest box that holds the point, in pixels of the composed picture; of equal ones the topmost.

    A tracker repeats the boxes it was given, so of two equal boxes the one with a number is the one that is drawn.
    """
    hits = [
        (_area(one), one.track_id is None, -order, one)
        for order, one in enumerate(objects)
        if one.xyxy[0] <= x <= one.xyxy[2] and one.xyxy[1] <= y <= one.xyxy[3]
    ]
    return min(hits, key=lambda hit: hit[:3])[3] if hits else None


def in_order(objects: Sequence[ObjectRef]) -> list[ObjectRef]:
    """The objects from left to right, then from top to bottom, each once: how the keyboard goes through them."""
    tracked = [one for one in objects if one.track_id is not None]
    rest = [one for one in objects if one.track_id is None and not any(_iou(one, other) > 0.98 for other in tracked)]
    return sorted([*tracked, *rest], key=lambda one: (one.xyxy[0], one.xyxy[1]))


def best_match(old: ObjectRef, objects: Sequence[ObjectRef]) -> ObjectRef | None:
    """The same object in another picture: by its number, else the box of its class that overlaps it most."""
    if old.track_id is not None:
        return next((one for one in objects if one.track_id == old.track_id and one.result == old.result), None)
    near = [(_iou(old, one), one) for one in objects if one.label == old.label and one.result == old.result]
    best = max(near, key=lambda pair: pair[0], default=None)
    return best[1] if best and best[0] >= LEAST_OVERLAP_IOU else None


def _area(one: ObjectRef) -> float:
    x1, y1, x2, y2 = one.xyxy
    return max(x2 - x1, 0.0) * max(y2 - y1, 0.0)


def _iou(one: ObjectRef, other: ObjectRef) -> float:
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = one.xyxy, other.xyxy
    shared = max(min(ax2, bx2) - max(ax1, bx1), 0.0) * max(min(ay2, by2) - max(ay1, by1), 0.0)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0
