"""Black and white."""

from __future__ import annotations

from typing import Literal

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Threshold"]


class Threshold(Stage, title="Threshold", group="Edges and shapes"):
    """Make the picture black and white: what is lighter than a threshold becomes white.

    The threshold is given, found for the whole picture (Otsu, 1979; triangle: Zack et al., 1977), or found anew
    around every pixel (adaptive), which copes with shadows.
    """

    class Params(StageParams):
        method: Literal["fixed", "otsu", "triangle", "adaptive mean", "adaptive gaussian"] = Field(
            "otsu", description="Where the threshold comes from."
        )
        level: int = Field(127, ge=0, le=255, description="Fixed: lighter pixels become white.")
        block_px: int = Field(
            31, ge=3, le=301, description="Adaptive: size of the surroundings; an even one grows by 1."
        )
        offset: float = Field(5, ge=-100, le=100, description="Adaptive: how far below its surroundings black begins.")
        invert: bool = Field(False, description="Swap black and white.")

    def process(self, frame: Frame) -> Frame:
        p = self.params
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        kind = cv2.THRESH_BINARY_INV if p.invert else cv2.THRESH_BINARY
        if p.method.startswith("adaptive"):
            mean = cv2.ADAPTIVE_THRESH_MEAN_C if p.method.endswith("mean") else cv2.ADAPTIVE_THRESH_GAUSSIAN_C
            return frame.with_image(cv2.adaptiveThreshold(grey, 255, mean, kind, p.block_px | 1, p.offset))
        found = {"otsu": cv2.THRESH_OTSU, "triangle": cv2.THRESH_TRIANGLE}.get(p.method, 0)
        return frame.with_image(cv2.threshold(grey, p.level, 255, kind | found)[1])
