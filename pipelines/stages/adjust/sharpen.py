"""Sharpening."""

from __future__ import annotations

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Sharpen"]


class Sharpen(Stage, title="Sharpen", group="Adjust"):
    """Make edges crisper by an unsharp mask: what a blur would take away is added once more."""

    class Params(StageParams):
        amount_percent: float = Field(80, ge=0, le=500, description="How much of the detail is added.")
        sigma_px: float = Field(1.5, ge=0.3, le=30, description="Size of the detail that is made stronger.")
        threshold: int = Field(0, ge=0, le=100, description="Weaker detail, in levels of 255, is taken for noise.")

    def process(self, frame: Frame) -> Frame:
        p = self.params
        if p.amount_percent == 0:
            return frame
        soft = cv2.GaussianBlur(frame.image, (0, 0), p.sigma_px)
        amount = p.amount_percent / 100
        sharp = cv2.addWeighted(frame.image, 1 + amount, soft, -amount, 0)
        if p.threshold:
            detail = cv2.absdiff(frame.image, soft)
            _, weak = cv2.threshold(detail, p.threshold - 1, 255, cv2.THRESH_BINARY_INV)
            cv2.copyTo(frame.image, weak, sharp)
        return frame.with_image(sharp)
