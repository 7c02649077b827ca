"""Edges by Canny's method."""

from __future__ import annotations

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Canny"]


class Canny(Stage, title="Canny edges", group="Edges"):
    """Trace edges with Canny's hysteresis thresholding."""

    class Params(StageParams):
        low: int = Field(50, ge=0, le=255, description="Weaker edges are dropped.")
        high: int = Field(150, ge=0, le=255, description="Stronger edges are always kept.")

    def process(self, frame: Frame) -> Frame:
        return frame.with_image(cv2.Canny(frame.image, self.params.low, self.params.high))
