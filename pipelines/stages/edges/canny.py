"""Edges by Canny's method."""

from __future__ import annotations

from typing import Literal

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Canny"]

# How much stronger a step of brightness looks to Sobel's operator of 5 and 7 pixels than to that of 3.
_GAIN = {3: 1, 5: 12, 7: 160}


class Canny(Stage, title="Canny edges", group="Edges and shapes"):
    """Trace edges with Canny's hysteresis thresholding."""

    class Params(StageParams):
        low: int = Field(50, ge=0, le=255, description="Weaker edges are dropped.")
        high: int = Field(150, ge=0, le=255, description="Stronger edges are always kept.")
        automatic: bool = Field(
            False, description="Take both from the picture instead: Otsu's threshold of its brightness, and half of it."
        )
        aperture_px: Literal[3, 5, 7] = Field(3, description="Size of the edge operator; larger ones see less noise.")

    def process(self, frame: Frame) -> Frame:
        low, high = self.params.low, self.params.high
        if self.params.automatic:
            # Fang, Yue and Yu, "The study on an application of Otsu method in Canny operator" (2009).
            otsu, _ = cv2.threshold(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), 0, 255, cv2.THRESH_OTSU)
            low, high = round(otsu / 2), round(otsu)
        aperture = self.params.aperture_px
        gain = _GAIN[aperture]
        return frame.with_image(cv2.Canny(frame.image, low * gain, high * gain, apertureSize=aperture))
