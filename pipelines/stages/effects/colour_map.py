"""False colours."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["ColourMap"]

MapName = Literal[
    "viridis",
    "cividis",
    "magma",
    "inferno",
    "plasma",
    "turbo",
    "twilight",
    "bone",
    "hot",
    "ocean",
    "parula",
    "jet",
]


class ColourMap(Stage, title="Colour map", group="Effects and privacy"):
    """Show brightness as colours, as thermal and depth pictures are shown.

    The first five grow evenly in lightness and are told apart also by people who see red and green alike; turbo and
    jet show more steps and are not.
    """

    class Params(StageParams):
        colours: MapName = Field("viridis", description="Which colours stand for dark to bright.")
        stretch_percent: float = Field(
            0,
            ge=0,
            le=49,
            description="So much of the darkest and of the brightest is cut off, the rest stretched.",
        )
        invert: bool = Field(False, description="Bright becomes dark before it is coloured.")

    def process(self, frame: Frame) -> Frame:
        p = self.params
        grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        levels = np.arange(256.0)
        if p.stretch_percent:
            counts = np.cumsum(cv2.calcHist([grey], [0], None, [256], [0, 256]))
            low, high = np.searchsorted(
                counts, counts[-1] * np.array([p.stretch_percent, 100 - p.stretch_percent]) / 100
            )
            levels = np.clip((levels - low) * (255 / max(high - low, 1)), 0, 255)
        if p.invert:
            levels = 255 - levels
        column = np.rint(levels).astype(np.uint8).reshape(256, 1)
        table = cv2.applyColorMap(column, getattr(cv2, f"COLORMAP_{p.colours.upper()}"))
        return frame.with_image(cv2.applyColorMap(grey, table))
