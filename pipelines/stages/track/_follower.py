"""Following one object by what it looks like: optical flow from picture to picture, and templates to find it again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines.stages._points import followed

__all__ = ["Appearance", "Follower", "median_flow"]

Grey = NDArray[np.uint8]
Box = NDArray[np.float64]

_PATCH_PX = 32
_MOST_TEMPLATES = 8
_GRID = 12
# Grey levels; an area that varies less holds nothing that could be recognised.
_LEAST_CONTRAST = 4.0
_NEAR_SCALES = (0.95, 1.0, 1.05)
_FAR_SCALES = (0.5, 0.6, 0.72, 0.85, 1.0, 1.18, 1.4, 1.7, 2.0)


class Appearance:
    """What an object looks like: its first view, and later ones that differ from those known.

    Args:
        grey: uint8 (h, w), the picture.
        box: float64 (4,), left, top, right, bottom in its pixels.

    Raises:
        ValueError: the box shows nothing that could be recognised.
    """

    def __init__(self, grey: Grey, box: Box) -> None:
        size = box[2:] - box[:2]
        self._patch_wh = np.maximum(np.rint(size * min(_PATCH_PX / size.max(), 1)), 4).astype(int)
        first = self._patch(grey, box)
        if min(size) < 6 or first.std() < _LEAST_CONTRAST:
            raise ValueError("nothing to recognise")
        self._templates = [first]

    def likeness(self, grey: Grey, box: Box) -> float:
        """How much the box looks like the object, 0..1: normalised correlation with the likest of the known views."""
        patch = self._patch(grey, box)
        if patch.std() < _LEAST_CONTRAST:
            return 0.0
        # Of two pictures of the same size there is one correlation.
        values = [cv2.matchTemplate(patch, known, cv2.TM_CCOEFF_NORMED)[0, 0] for known in self._templates]
        return float(np.clip(max(values), 0, 1))

    def learn(self, grey: Grey, box: Box) -> None:
        """Remember this view, too; the first one is never forgotten."""
        self._templates.append(self._patch(grey, box))
        if len(self._templates) > _MOST_TEMPLATES:
            del self._templates[1]

    def find(self, grey: Grey, box: Box, scales: Iterable[float], reach: float | None = None) -> tuple[Box, float]:
        """The likest place for a box of about this size, and its likeness.

        Args:
            grey: uint8 (h, w).
            box: where it was, which says how large it is.
            scales: sizes to try, as multiples of the box.
            reach: how many box sizes around the box to look; None for the whole picture.
        """
        best, best_likeness = box, 0.0
        for scale in scales:
            middle, size = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * scale
            shrink = self._patch_wh / size
            low, high = np.zeros(2), np.array(grey.shape[::-1], np.float64)
            if reach is not None:
                low, high = (
                    np.maximum(middle - size * (0.5 + reach), 0),
                    np.minimum(middle + size * (0.5 + reach), high),
                )
            shape = np.rint((high - low) * shrink).astype(int)
            if (shape < self._patch_wh).any() or (shape > 4000).any():
                continue
            part = _cut(grey, np.concatenate([low, high]), shape)
            place = self._likest(part)
            corner = low + place / shrink
            found = np.concatenate([corner, corner + size])
            likeness = self.likeness(grey, found)
            if likeness > best_likeness:
                best, best_likeness = found, likeness
        return best, best_likeness

    def _likest(self, part: Grey) -> NDArray[np.float64]:
        """Upper left corner of the place in ``part`` that looks most like one of the views."""
        width, height = self._patch_wh.tolist()
        known = [self._templates[0], *self._templates[-2:]] if len(self._templates) > 1 else self._templates
        match = np.max([cv2.matchTemplate(part, view, cv2.TM_CCOEFF_NORMED) for view in known], axis=0)
        # Where the picture is flat the correlation is rounding noise.
        mean, mean_square = (
            cv2.boxFilter(part, cv2.CV_32F, (width, height)),
            cv2.sqrBoxFilter(part, cv2.CV_32F, (width, height)),
        )
        deviation = np.sqrt(np.maximum(mean_square - mean * mean, 0))
        top, left = height // 2, width // 2
        flat = deviation[top : top + match.shape[0], left : left + match.shape[1]] < _LEAST_CONTRAST
        match = np.where(flat | ~np.isfinite(match), -1, match)
        return np.array(np.unravel_index(int(match.argmax()), match.shape)[::-1], np.float64)

    def _patch(self, grey: Grey, box: Box) -> Grey:
        return _cut(grey, box, self._patch_wh)


def _cut(grey: Grey, box: Box, size_wh: NDArray[Any]) -> Grey:
    """The picture in ``box``, brought to ``size_wh`` pixels; beyond the picture its rim is repeated."""
    width, height = (int(size) for size in size_wh)
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    if (low >= 0).all() and (high <= grey.shape[::-1]).all() and np.allclose(box, np.concatenate([low, high])):
        part = grey[low[1] : high[1], low[0] : high[0]]
        return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    scale = np.maximum((box[2:] - box[:2]) / (width, height), 1e-6)
    # Averaged where it shrinks, by sampling a grid that is finer than the patch.
    finer = int(np.clip(np.ceil(scale.max()), 1, 8))
    matrix = np.array([[scale[0] / finer, 0, box[0]], [0, scale[1] / finer, box[1]]])
    matrix[:, 2] += 0.5 * scale / finer - 0.5
    cut = cv2.warpAffine(
        grey,
        matrix,
        (width * finer, height * finer),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA) if finer > 1 else cut, np.uint8)


def median_flow(before: Grey, after: Grey, box: Box) -> tuple[Box, float] | None:
    """Where a box went, by Median Flow (Kalal, Mikolajczyk and Matas, ICPR 2010).

    A grid of points is followed forwards and backwards; the better half of them tells by medians how the box moved
    and grew.

    Returns:
        The box, and the median distance in pixels by which points missed their origin; None when they are all lost.
    """
    size = box[2:] - box[:2]
    steps = np.linspace(0.1, 0.9, _GRID)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2) * size + box[:2]
    moved, missed = followed(before, after, grid, window_px=15, levels=4)
    seen = np.isfinite(missed)
    if seen.sum() < 8:
        return None
    median_missed = float(np.median(missed[seen]))
    start, end = grid[missed <= median_missed], moved[missed <= median_missed]
    rows, columns = np.triu_indices(len(start), 1)
    apart, apart_after = (np.linalg.norm(p[rows] - p[columns], axis=1) for p in (start, end))
    scale = float(np.median(apart_after / np.maximum(apart, 1e-6))) if len(rows) else 1.0
    middle = (box[:2] + box[2:]) / 2
    # Points are not spread evenly any more: their own middle says what growing alone would have moved.
    shift = np.median(end - (middle + (start - middle) * scale), axis=0)
    half = size / 2 * scale
    return np.concatenate([middle + shift - half, middle + shift + half]), median_missed


@dataclass
class Follower:
    """Follows one object through grey pictures of the same size; used by one thread.

    Flow (or OpenCV's MIL tracker, Babenko et al. 2009) proposes where the object went; what it looks like decides
    whether that is so, corrects drift, and finds it again after it was hidden, as in TLD (Kalal et al. 2012).

    Attributes:
        appearance: what it looks like.
        box: where it is or was last, float64 (4,).
        method: who proposes.
        lost: True while it is not seen.
    """

    appearance: Appearance
    box: Box
    method: Literal["flow", "mil"] = "flow"
    lost: bool = False
    _before: Grey | None = None
    _mil: Any = None

    def seen(self, grey: Grey) -> None:
        """Say that ``box`` is where the object is in this picture."""
        self._before = grey

    def step(self, grey: Grey, keep_likeness: float, find_likeness: float) -> float:
        """Look at the next picture; the likeness of what is now in ``box``, 0 while it is lost.

        Args:
            grey: uint8 (h, w).
            keep_likeness: an object that looks less like itself is lost.
            find_likeness: a lost one must look so much like itself to be found again.
        """
        before, self._before = self._before, grey
        last, likeness = self.box, 0.0
        if not self.lost and before is not None and before.shape == grey.shape:
            likeness = self._follow(before, grey)
        self.lost = likeness < keep_likeness or not self._is_inside(grey)
        if self.lost:
            self._mil = None
            # What was followed last was not the object; it is expected as large as before that.
            self.box = last
            box, likeness = self.appearance.find(grey, last, _FAR_SCALES)
            if likeness >= find_likeness:
                # The grid of scales is coarse; the next one is fine.
                self.box, likeness = self.appearance.find(grey, box, (0.92, 0.96, 1.0, 1.04, 1.08), reach=0.1)
                self.lost = False
        return 0.0 if self.lost else likeness

    def _follow(self, before: Grey, grey: Grey) -> float:
        """Move the box to where the object went; its likeness there."""
        box, missed = self._proposed(before, grey)
        likeness = self.appearance.likeness(grey, box)
        if 0.6 < likeness < 0.85 and missed < 0.5:
            # The points are sure and the view is new: it turned, or the light changed.
            self.appearance.learn(grey, box)
        elif likeness < 0.95:
            near, better = self.appearance.find(grey, box, _NEAR_SCALES, reach=0.3)
            if better > likeness + 0.02:
                box, likeness = near, better
        self.box = box
        return likeness

    def _proposed(self, before: Grey, grey: Grey) -> tuple[Box, float]:
        """Where the object went, and how unsure that is in pixels."""
        if self.method == "flow":
            self._mil = None
            return median_flow(before, grey, self.box) or (self.box, np.inf)
        x, y, width, height = self._whole_pixels()
        if self._mil is None or np.abs(np.array([width, height]) - self._mil[1]).max() > 0.1 * max(width, height):
            self._mil = (cv2.TrackerMIL.create(), np.array([width, height]))
            self._mil[0].init(before, (x, y, width, height))
        _, (x, y, width, height) = self._mil[0].update(grey)
        return np.array([x, y, x + width, y + height], np.float64), np.inf

    def _whole_pixels(self) -> tuple[int, int, int, int]:
        """The box as OpenCV's trackers take it: x, y, width, height."""
        left, top, right, bottom = np.rint(self.box).astype(int).tolist()
        return left, top, max(right - left, 4), max(bottom - top, 4)

    def _is_inside(self, grey: Grey) -> bool:
        """True while the middle is in the picture and the size is sensible."""
        middle, size = (self.box[:2] + self.box[2:]) / 2, self.box[2:] - self.box[:2]
        shape = np.array(grey.shape[::-1])
        return bool((middle > 0).all() and (middle < shape).all() and (size >= 4).all() and (size <= 2 * shape).all())
