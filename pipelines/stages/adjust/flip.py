"""Mirroring."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Flip"]

_CODES = {"horizontal": 1, "vertical": 0, "both": -1}


class Flip(Stage, title="Flip", group="Adjust"):
    """Mirror the picture: left and right as a looking glass does, or upside down."""

    class Params(StageParams):
        direction: Literal["horizontal", "vertical", "both"] = Field(
            "horizontal", description="Swap left and right, top and bottom, or both."
        )

    def process(self, frame: Frame) -> Frame:
        direction = self.params.direction
        width, height = frame.size_wh
        to_previous = np.eye(3)
        if direction != "vertical":
            to_previous[0] = -1.0, 0.0, width
        if direction != "horizontal":
            to_previous[1] = 0.0, -1.0, height
        return frame.with_image(cv2.flip(frame.image, _CODES[direction]), to_previous)
