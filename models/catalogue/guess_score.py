"""How much sense results make: sure, the same for a mirrored picture, and not the same for every picture.

A network that is given colours or values other than those it was trained on still answers, and may even be sure; but
what it finds then does not follow the picture. A network with random weights says the same of every picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.models.results import Detections, Keypoints, Labels, Masks, ResultBatch

__all__ = ["mirrored", "photos", "sense"]

Image = NDArray[np.uint8]

LONGER_SIDE_PX = 512
_MOST_BELIEVABLE = 60
_LEAST_SHARE, _MOST_SHARE = 0.001, 0.85
_SAMPLES = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")


@cache
def photos() -> tuple[Image, ...]:
    """The sample photos, uint8 (H, W, 3) BGR, made small: an astronaut, a cup, a cat, a rocket."""
    found = []
    for name in _SAMPLES:
        data = files("scenescope.resources").joinpath("samples", name).read_bytes()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        scale = LONGER_SIDE_PX / max(image.shape[:2])
        found.append(np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8))
    return tuple(found)


def mirrored(image: Image) -> Image:
    """Left and right exchanged."""
    return np.ascontiguousarray(image[:, ::-1])


def sense(found: Sequence[ResultBatch], turned: Sequence[ResultBatch], sizes_wh: Sequence[tuple[int, int]]) -> float:
    """From 0, no sense at all, to 1.

    Args:
        found: for each photo.
        turned: for each photo mirrored; fewer, or none, when there was no time.
        sizes_wh: of the photos, in pixels.
    """
    each = []
    for at, one in enumerate(found):
        other = turned[at] if at < len(turned) else None
        each.append(_one(one, other, sizes_wh[at]))
    score = float(np.mean(each)) if each else 0.0
    return score * _variety(found)


def _variety(found: Sequence[ResultBatch]) -> float:
    """From 0.1 for the same answer to every photo to 1 for one of its own to each."""
    if isinstance(found[0], Labels):
        first = {int(one.class_id[0]) for one in found if isinstance(one, Labels) and len(one)}
        return (len(first) - 1) / max(len(found) - 1, 1)
    if not isinstance(found[0], Detections):
        return 1.0
    best = [(one, one[[int(one.confidence.argmax())]]) for one in found if isinstance(one, Detections) and len(one)]
    # A box at the same place in another photo, of the same class.
    again = [
        any(other is not one and _overlaps(top, other).max(initial=0) > 0.7 for other, _ in best) for one, top in best
    ]
    return max(1.0 - sum(again) / max(len(again), 1), 0.1)


def _overlaps(one: Detections, others: Detections) -> NDArray[np.float64]:
    """IoU of one box with all of its class."""
    box, same = one.xyxy[0].astype(np.float64), others.xyxy[others.class_id == one.class_id[0]].astype(np.float64)
    inner = np.clip(np.minimum(box[2:], same[:, 2:]) - np.maximum(box[:2], same[:, :2]), 0, None).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (same[:, 2:] - same[:, :2]).prod(axis=1) - inner
    return np.asarray(inner / np.maximum(union, 1e-6), np.float64)


def _one(found: ResultBatch, turned: ResultBatch | None, size_wh: tuple[int, int]) -> float:
    if not len(found):
        return 0.0
    if isinstance(found, Detections):
        if len(found) > _MOST_BELIEVABLE:
            return 0.0
        # The surest few count: a second best guess is no fault.
        best = found[np.argsort(-found.confidence)[:3]]
        kept = np.ones(len(best)) if turned is None else _found_again(best, turned, size_wh[0])
        # A box round everything is the same in any mirror, and one round nothing is none.
        shares = (best.xyxy[:, 2:] - best.xyxy[:, :2]).prod(axis=1) / (size_wh[0] * size_wh[1])
        kept = np.where((shares > _MOST_SHARE) | (shares < _LEAST_SHARE), 0.1, kept)
        return float((best.confidence * kept).max())
    if isinstance(found, Labels):
        same = turned is None or (
            isinstance(turned, Labels) and len(turned) > 0 and turned.class_id[0] == found.class_id[0]
        )
        return float(found.confidence[0]) * (1.0 if same else 0.3)
    if isinstance(found, Keypoints):
        return _points(found, turned, size_wh[0])
    if isinstance(found, Masks):
        return _areas(found, turned)
    return 0.0


def _found_again(best: Detections, turned: ResultBatch, width: int) -> NDArray[np.float64]:
    """For each box, how well the mirrored picture repeats it: the overlap with a box of its class there."""
    if not isinstance(turned, Detections) or not len(turned):
        return np.full(len(best), 0.2)
    boxes = turned.xyxy[:, [2, 1, 0, 3]] * (-1, 1, -1, 1) + (width, 0, width, 0)
    back = Detections(xyxy=boxes, confidence=turned.confidence, class_id=turned.class_id)
    return np.array([_overlaps(best[[row]], back).max(initial=0.2) for row in range(len(best))])


def _points(found: Keypoints, turned: ResultBatch | None, width: int) -> float:
    """Sure, and where the mirrored picture has them, too; left and right change places there."""
    score = float(found.confidence.mean())
    if turned is None:
        return score
    if not isinstance(turned, Keypoints) or not len(turned):
        return 0.2 * score
    count = found.xy.shape[1]
    # Of COCO's points all but the first come in pairs.
    swapped = [0, *(i + 1 if i % 2 else i - 1 for i in range(1, count))] if count == 17 else list(range(count))
    again = turned.xy[0][swapped] * (-1, 1) + (width, 0)
    away = float(np.median(np.linalg.norm(again - found.xy[0], axis=1)))
    return score * max(0.2, float(np.exp(-away / (0.1 * width))))


def _areas(found: Masks, turned: ResultBatch | None) -> float:
    """Sure, neither nothing nor everything, and the same in the mirrored picture."""
    score = 0.0
    for row in range(len(found)):
        area = _full(found, row)
        share = float(area.mean())
        if not 0.01 < share < 0.97:
            continue
        overlap = 1.0
        if isinstance(turned, Masks):
            same = [_full(turned, r)[:, ::-1] for r in np.flatnonzero(turned.class_id == found.class_id[row]).tolist()]
            overlap = max((float((area & other).sum() / max((area | other).sum(), 1)) for other in same), default=0.0)
        score += float(found.confidence[row]) * overlap * share
    return min(score * 2, 1.0)


def _full(found: Masks, row: int) -> NDArray[np.bool_]:
    """The area of one object as a picture."""
    full = np.zeros(found.size_wh[::-1], bool)
    alpha, (x, y) = found.alpha[row], found.top_left_xy[row]
    full[y : y + alpha.shape[0], x : x + alpha.shape[1]] = alpha > 127
    return full
