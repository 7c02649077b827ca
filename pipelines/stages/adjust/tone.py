"""Brightness and what belongs to it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Tone"]

# Luma of BGR by ITU-R BT.601, as OpenCV's grey.
_LUMA = np.array([0.114, 0.587, 0.299])


class Tone(Stage, title="Brightness and colour", group="Adjust"):
    """Change brightness, contrast, gamma and saturation.

    Contrast turns about mid-grey and brightness is added to it, then gamma bends the curve: one table for all pixels.
    Saturation moves every pixel away from the grey of its own luma, so that luma stays.
    """

    class Params(StageParams):
        brightness_percent: float = Field(0, ge=-100, le=100, description="Added to every pixel, of full white.")
        contrast_percent: float = Field(100, ge=0, le=400, description="Distance from mid-grey; 100 leaves it.")
        gamma: float = Field(1.0, ge=0.1, le=5, description="Above 1 lightens the shadows, below 1 darkens them.")
        saturation_percent: float = Field(100, ge=0, le=400, description="0 is grey, 100 leaves the colours.")

    def process(self, frame: Frame) -> Frame:
        table = self.table()
        strength = self.params.saturation_percent / 100
        changes = not np.array_equal(table, np.arange(256))
        if not changes and strength == 1:
            return frame
        image = cv2.LUT(frame.image, table) if changes else frame.image
        if strength != 1:
            image = cv2.transform(image, strength * np.eye(3) + (1 - strength) * _LUMA)
        return frame.with_image(image)

    def table(self) -> NDArray[np.uint8]:
        """What each of the 256 levels becomes, uint8 (256,)."""
        p = self.params
        level = np.arange(256) / 255
        level = (level - 0.5) * p.contrast_percent / 100 + 0.5 + p.brightness_percent / 100
        return np.asarray(np.rint(255 * np.clip(level, 0, 1) ** (1 / p.gamma)), np.uint8)
