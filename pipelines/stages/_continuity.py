"""What stages that remember share: a small grey copy of the picture, and a watch for breaks in the sequence."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from scenescope.pipelines import Frame

__all__ = ["Continuity", "small_grey"]

Grey = NDArray[np.uint8]

_THUMB_WH = (32, 18)
# A cut changes the mean brightness of a cell by this much, and leaves little likeness between the two thumbnails.
_CUT_LEVELS = 15.0
_CUT_LIKENESS = 0.5


def small_grey(frame: Frame, side_px: int) -> Grey:
    """The picture in grey with its longer side at most ``side_px``, uint8 (h, w); made once for all who ask.

    Pixel (x, y) of it, with centres at whole numbers plus one half, is pixel (x W / w, y H / h) of the picture.
    """

    def make() -> Grey:
        width, height = frame.size_wh
        scale = min(side_px / max(width, height), 1.0)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA) if scale < 1 else frame.image
        return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)

    return frame.derived(("small_grey", side_px), make)


class Continuity:
    """Tells when what was remembered says nothing about the next picture. Used by one thread.

    Attributes:
        step_s: seconds between the last two frames; 0 after a break, and where the same frame came twice.
    """

    def __init__(self) -> None:
        self.step_s = 0.0
        self._pts_s = np.inf
        self._size_wh = (0, 0)
        self._thumb: Grey | None = None

    def broken(self, frame: Frame, grey: Grey | None = None) -> bool:
        """Whether ``frame`` is the first one, lies before the last one, or has another size.

        Args:
            frame: the next frame.
            grey: a grey copy of any size, uint8 (h, w); with it a cut to another scene counts, too.
        """
        thumb = (
            None if grey is None else np.asarray(cv2.resize(grey, _THUMB_WH, interpolation=cv2.INTER_AREA), np.uint8)
        )
        cut = thumb is not None and self._thumb is not None and _is_cut(self._thumb, thumb)
        # Before the first frame the last one lies at infinity.
        broken = frame.pts_s < self._pts_s or frame.size_wh != self._size_wh or cut
        self.step_s = 0.0 if broken else frame.pts_s - self._pts_s
        self._pts_s, self._size_wh, self._thumb = frame.pts_s, frame.size_wh, thumb
        return broken


def _is_cut(before: Grey, after: Grey) -> bool:
    """True when two thumbnails show different scenes, not one that moved or grew brighter."""
    a, b = before.astype(np.float32), after.astype(np.float32)
    if float(np.abs(a - b).mean()) < _CUT_LEVELS:
        return False
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return norm == 0 or float((a * b).sum()) / norm < _CUT_LIKENESS
