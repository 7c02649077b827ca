"""Softening."""

from __future__ import annotations

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Blur"]


class Blur(Stage, title="Gaussian blur", group="Adjust"):
    """Soften the picture, so that edges and noise weigh less in what follows."""

    class Params(StageParams):
        sigma_px: float = Field(2.0, ge=0.1, le=50, description="Width of the blur in pixels.")

    def process(self, frame: Frame) -> Frame:
        return frame.with_image(cv2.GaussianBlur(frame.image, (0, 0), self.params.sigma_px))
