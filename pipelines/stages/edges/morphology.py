"""Growing and shrinking what is bright."""

from __future__ import annotations

from typing import Literal

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Morphology"]

_OPERATIONS = {
    "erode": cv2.MORPH_ERODE,
    "dilate": cv2.MORPH_DILATE,
    "open": cv2.MORPH_OPEN,
    "close": cv2.MORPH_CLOSE,
    "gradient": cv2.MORPH_GRADIENT,
    "top hat": cv2.MORPH_TOPHAT,
    "black hat": cv2.MORPH_BLACKHAT,
}
_SHAPES = {"ellipse": cv2.MORPH_ELLIPSE, "rectangle": cv2.MORPH_RECT, "cross": cv2.MORPH_CROSS}


class Morphology(Stage, title="Morphology", group="Edges and shapes"):
    """Grow, shrink and clean what is bright.

    "Open" removes bright specks, "close" fills dark gaps, "gradient" shows outlines, "top hat" what is brighter and
    "black hat" what is darker than its surroundings.
    """

    class Params(StageParams):
        operation: Literal["erode", "dilate", "open", "close", "gradient", "top hat", "black hat"] = Field(
            "open", description="What is done."
        )
        shape: Literal["ellipse", "rectangle", "cross"] = Field("ellipse", description="Form of the brush.")
        size_px: int = Field(
            5, ge=1, le=51, description="Width of the brush; a large ellipse is slow, a rectangle is fast in any size."
        )
        iterations: int = Field(1, ge=1, le=20, description="How often.")

    def process(self, frame: Frame) -> Frame:
        p = self.params
        brush = cv2.getStructuringElement(_SHAPES[p.shape], (p.size_px, p.size_px))
        return frame.with_image(cv2.morphologyEx(frame.image, _OPERATIONS[p.operation], brush, iterations=p.iterations))
