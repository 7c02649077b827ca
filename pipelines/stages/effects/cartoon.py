"""Drawn pictures."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Cartoon"]


class Cartoon(Stage, title="Cartoon", group="Effects and privacy"):
    """Draw the picture as a cartoon: flat colours with dark outlines.

    After Winnemöller, Olsen and Gooch, "Real-time video abstraction" (2006): an edge-preserving filter, few levels of
    lightness with soft steps between them, and lines where a difference of Gaussians is strong.
    """

    class Params(StageParams):
        quality: Literal["fast", "fine"] = Field(
            "fast", description="Fast smooths a picture a third the size; fine takes about nine times as long."
        )
        flatness: int = Field(2, ge=1, le=6, description="How often the picture is smoothed.")
        tones: int = Field(8, ge=2, le=32, description="Levels of lightness.")
        line_px: float = Field(1.2, ge=0.5, le=8, description="Width of the outlines.")
        lines_percent: float = Field(60, ge=0, le=100, description="How dark the outlines are; 0 draws none.")

    def process(self, frame: Frame) -> Frame:
        image = self._flat(frame.image)
        lab = cv2.cvtColor(image, cv2.COLOR_BGR2Lab)
        light = cv2.LUT(cv2.extractChannel(lab, 0), self._steps())
        if self.params.lines_percent:
            light = cv2.multiply(light, self._lines(frame.image), scale=1 / 255)
        cv2.insertChannel(light, lab, 0)
        return frame.with_image(cv2.cvtColor(lab, cv2.COLOR_Lab2BGR, dst=lab))

    def _flat(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """Smooth within surfaces."""
        height, width = image.shape[:2]
        fast = self.params.quality == "fast"
        size_wh = (max(width // 3, 1), max(height // 3, 1)) if fast else (width, height)
        flat = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA) if fast else image
        for _ in range(self.params.flatness):
            flat = cv2.bilateralFilter(flat, 7, 24, 3)
        return cv2.resize(flat, (width, height), interpolation=cv2.INTER_LINEAR) if fast else flat

    def _steps(self) -> NDArray[np.uint8]:
        """Lightness in few steps, each with a soft edge so that they do not flicker."""
        step = 255 / self.params.tones
        level = np.arange(256)
        nearest = (np.floor(level / step) + 0.5) * step
        soft = nearest + step / 2 * np.tanh((level - nearest) * 6 / step)
        return np.asarray(np.clip(np.rint(soft), 0, 255), np.uint8)

    def _lines(self, image: NDArray[np.uint8]) -> NDArray[Any]:
        """255 where nothing is drawn, darker along edges."""
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        near = cv2.GaussianBlur(grey, (0, 0), self.params.line_px)
        far = cv2.GaussianBlur(grey, (0, 0), 1.6 * self.params.line_px)
        # Darker than its surroundings: black from 8 levels on, nothing up to 2.
        dark = cv2.subtract(far, near)
        ink = np.clip((np.arange(256) - 2) * (255 / 6), 0, 255) * (self.params.lines_percent / 100)
        return cv2.LUT(dark, (255 - ink).astype(np.uint8))
