"""Another size."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Resize"]

_METHODS = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}
# A slip of the hand shall not fill the memory: 64 megapixels are 200 MB.
_MOST_PX = 64e6
_LONGEST_PX = 32_000


class Resize(Stage, title="Resize", group="Adjust"):
    """Make the picture smaller, so that what follows is faster, or larger, so that small things are found.

    The proportions stay. The result never has more than 64 megapixels.
    """

    class Params(StageParams):
        by: Literal["longest side", "width", "height", "percent"] = Field(
            "longest side", description="What the size is given for."
        )
        size_px: int = Field(1280, ge=1, le=16384, description="The wished side, unless the size is a percentage.")
        scale_percent: float = Field(50, ge=1, le=800, description="The wished scale, when the size is a percentage.")
        enlarge: bool = Field(False, description="Also make smaller pictures larger; not asked for a percentage.")
        interpolation: Literal["automatic", "nearest", "linear", "cubic", "area", "lanczos"] = Field(
            "automatic", description="How pixels are made: automatic is area when smaller, cubic when larger."
        )

    def process(self, frame: Frame) -> Frame:
        width, height = frame.size_wh
        scale = self._scale(width, height)
        size_wh = (max(round(width * scale), 1), max(round(height * scale), 1))
        if size_wh == frame.size_wh:
            return frame
        name = self.params.interpolation
        method = _METHODS.get(name, cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
        to_previous = np.diag([width / size_wh[0], height / size_wh[1], 1.0])
        return frame.with_image(cv2.resize(frame.image, size_wh, interpolation=method), to_previous)

    def _scale(self, width: int, height: int) -> float:
        p = self.params
        if p.by == "percent":
            scale = p.scale_percent / 100
        else:
            side = {"longest side": max(width, height), "width": width, "height": height}[p.by]
            scale = p.size_px / side if p.enlarge else min(p.size_px / side, 1.0)
        return float(min(scale, max(1.0, (_MOST_PX / (width * height)) ** 0.5), _LONGEST_PX / max(width, height)))
