"""Cutting out a part."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from scenescope.pipelines import Frame, Region, Stage, StageParams

__all__ = ["Crop"]


class Crop(Stage, title="Crop", group="Adjust"):
    """Keep a part of the picture, so that what follows sees nothing else and is faster."""

    class Params(StageParams):
        region: Region = Field(Region(), description="The part to keep: the upright box around what is drawn.")
        left_percent: float = Field(0, ge=0, le=100, description="Cut away at the left when no region is drawn.")
        top_percent: float = Field(0, ge=0, le=100, description="Cut away at the top when no region is drawn.")
        right_percent: float = Field(0, ge=0, le=100, description="Cut away at the right when no region is drawn.")
        bottom_percent: float = Field(0, ge=0, le=100, description="Cut away at the bottom when no region is drawn.")

        @model_validator(mode="after")
        def _something_left(self) -> Self:
            if max(self.left_percent + self.right_percent, self.top_percent + self.bottom_percent) >= 100:
                raise ValueError("nothing of the picture would be left")
            return self

    def process(self, frame: Frame) -> Frame:
        x1, y1, x2, y2 = self.box_xyxy(frame.size_wh)
        if (x1, y1, x2, y2) == (0, 0, *frame.size_wh):
            return frame
        to_previous = np.array([[1.0, 0.0, x1], [0.0, 1.0, y1], [0.0, 0.0, 1.0]])
        return frame.with_image(np.ascontiguousarray(frame.image[y1:y2, x1:x2]), to_previous)

    def box_xyxy(self, size_wh: tuple[int, int]) -> tuple[int, int, int, int]:
        """What is kept of a picture of this size, in whole pixels; at least one."""
        p = self.params
        if p.region.points:
            points = np.array(p.region.points)
            low, high = points.min(axis=0), points.max(axis=0)
        else:
            low = np.array([p.left_percent, p.top_percent]) / 100
            high = 1 - np.array([p.right_percent, p.bottom_percent]) / 100
        x1, y1 = np.clip(np.rint(low * size_wh).astype(int), 0, np.array(size_wh) - 1).tolist()
        x2, y2 = np.rint(high * size_wh).astype(int).tolist()
        return x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)
