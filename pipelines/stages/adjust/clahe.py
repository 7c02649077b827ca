"""Local contrast."""

from __future__ import annotations

import cv2
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Clahe"]


class Clahe(Stage, title="Local contrast (CLAHE)", group="Adjust"):
    """Bring out detail in shadows and in haze: every part of the picture gets its own contrast.

    Contrast-limited adaptive histogram equalisation (Zuiderveld, 1994) of the lightness of CIE Lab; colours stay.
    """

    class Params(StageParams):
        clip_limit: float = Field(2.0, ge=1, le=40, description="How much contrast may grow; high values show noise.")
        tiles: int = Field(8, ge=1, le=32, description="Parts along each side that get a contrast of their own.")

    def process(self, frame: Frame) -> Frame:
        lab = cv2.cvtColor(frame.image, cv2.COLOR_BGR2Lab)
        # A tile of fewer than 16 pixels a side has no histogram to speak of.
        tiles = [min(self.params.tiles, max(side // 16, 1)) for side in frame.size_wh]
        # Made anew each time, as it is not safe for several threads; it costs nothing.
        equaliser = cv2.createCLAHE(self.params.clip_limit, (tiles[0], tiles[1]))
        cv2.insertChannel(equaliser.apply(cv2.extractChannel(lab, 0)), lab, 0)
        return frame.with_image(cv2.cvtColor(lab, cv2.COLOR_Lab2BGR, dst=lab))
