"""Areas of one colour."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Masks
from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["ColourRange"]


class ColourRange(Stage, title="Colour range", group="Edges and shapes"):
    """Find what has a colour: a range of hues, or all that is like a colour you name.

    Hues are degrees on the colour circle: red 0, yellow 60, green 120, cyan 180, blue 240, magenta 300; a range from
    340 to 20 goes over red. A named colour is compared in CIE Lab, where equal distances look alike.
    """

    class Params(StageParams):
        colour: str = Field(
            "", pattern=r"^(#[0-9A-Fa-f]{6})?$", description="As #rrggbb; empty to use the ranges below."
        )
        tolerance_percent: float = Field(12, ge=0, le=100, description="How unlike the named colour it may be.")
        hue_from_deg: float = Field(340, ge=0, le=360, description="The range of hues begins here, and goes clockwise.")
        hue_to_deg: float = Field(20, ge=0, le=360, description="The range of hues ends here.")
        min_saturation_percent: float = Field(40, ge=0, le=100, description="Paler colours are left out.")
        max_saturation_percent: float = Field(100, ge=0, le=100, description="More vivid colours are left out.")
        min_value_percent: float = Field(20, ge=0, le=100, description="Darker colours are left out.")
        max_value_percent: float = Field(100, ge=0, le=100, description="Lighter colours are left out.")
        clean_px: int = Field(3, ge=0, le=50, description="Specks and gaps up to this width are cleaned; 0 keeps all.")
        show: Literal["picture", "only the colour", "mask", "grey out the rest"] = Field(
            "picture", description="What becomes of the picture; the area is always a result."
        )

    def process(self, frame: Frame) -> Frame:
        mask = self.mask(frame.image)
        count = 1 if mask.any() else 0
        area = Masks.from_full(
            mask[None][:count],
            confidence=np.ones(count, np.float32),
            class_id=np.zeros(count, np.int64),
            class_names=("colour",),
        )
        return self._shown(frame, mask).with_result(self.context.stage_id, area)

    def _shown(self, frame: Frame, mask: NDArray[np.uint8]) -> Frame:
        show = self.params.show
        if show == "picture":
            return frame
        if show == "mask":
            return frame.with_image(mask)
        rest = np.zeros_like(frame.image)
        if show == "grey out the rest":
            cv2.cvtColor(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR, dst=rest)
        return frame.with_image(cv2.copyTo(frame.image, mask, rest))

    def mask(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Where the colour is, uint8 (H, W), 0 or 255."""
        p = self.params
        found = self._like(image) if p.colour else self._in_range(image)
        if p.clean_px:
            brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (p.clean_px, p.clean_px))
            opened = cv2.morphologyEx(found, cv2.MORPH_OPEN, brush)
            return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, brush), np.uint8)
        return found

    def _like(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        wanted = np.array([[[int(self.params.colour[at : at + 2], 16) for at in (5, 3, 1)]]], np.uint8)
        lab = cv2.cvtColor(wanted, cv2.COLOR_BGR2Lab)[0, 0].astype(float)
        # Shadow and light change lightness more than hue, so it may differ as much again.
        reach = self.params.tolerance_percent / 100 * np.array([255, 128, 128])
        found = cv2.inRange(cv2.cvtColor(image, cv2.COLOR_BGR2Lab), lab - reach, lab + reach)
        return np.asarray(found, np.uint8)

    def _in_range(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        p = self.params
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        # OpenCV's 8-bit hue is in steps of two degrees, 0 to 179.
        start, end = p.hue_from_deg / 2, p.hue_to_deg / 2
        low = np.array([p.min_saturation_percent, p.min_value_percent]) * 2.55
        high = np.array([p.max_saturation_percent, p.max_value_percent]) * 2.55
        if start <= end:
            return np.asarray(cv2.inRange(hsv, (start, *low), (end, *high)), np.uint8)
        over = cv2.inRange(hsv, (start, *low), (180, *high))
        return np.asarray(cv2.bitwise_or(over, cv2.inRange(hsv, (0, *low), (end, *high)), dst=over), np.uint8)
