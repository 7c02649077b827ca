"""Turning."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Rotate"]

_CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
_HALF = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


class Rotate(Stage, title="Rotate", group="Adjust"):
    """Turn the picture clockwise, by quarter turns without loss and by any angle.

    The free angle is added to the quarter turns. A free angle resamples the picture (linear); its corners are black.
    """

    class Params(StageParams):
        turn_deg: Literal[0, 90, 180, 270] = Field(90, description="Quarter turns clockwise, which lose nothing.")
        angle_deg: float = Field(0, ge=-180, le=180, description="A further angle clockwise, to set things upright.")
        size: Literal["grow", "keep"] = Field(
            "grow", description="With a further angle: grow to show all, or keep the size and lose the corners."
        )

    def process(self, frame: Frame) -> Frame:
        p = self.params
        if p.turn_deg:
            width, height = frame.size_wh
            # Where the new picture's x and y lie in the old one.
            to_previous = {
                90: np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, height], [0.0, 0.0, 1.0]]),
                180: np.array([[-1.0, 0.0, width], [0.0, -1.0, height], [0.0, 0.0, 1.0]]),
                270: np.array([[0.0, -1.0, width], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
            }[p.turn_deg]
            frame = frame.with_image(cv2.rotate(frame.image, _CODES[p.turn_deg]), to_previous)
        if p.angle_deg:
            onward, size_wh = turned(frame.size_wh, p.angle_deg, grow=p.size == "grow")
            # OpenCV puts pixel centres at whole numbers, frames half a pixel further.
            matrix = (np.linalg.inv(_HALF) @ onward @ _HALF)[:2]
            frame = frame.with_image(cv2.warpAffine(frame.image, matrix, size_wh), np.asarray(np.linalg.inv(onward)))
        return frame


def turned(size_wh: tuple[int, int], angle_deg: float, grow: bool) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """What turns a picture clockwise about its middle, float64 (3, 3), and the size of what comes out."""
    width, height = size_wh
    cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    out_wh = (width, height)
    if grow:
        # A hair less, so that no rounding error of a right angle costs a pixel.
        out_wh = (
            max(int(np.ceil(abs(cos) * width + abs(sin) * height - 1e-6)), 1),
            max(int(np.ceil(abs(sin) * width + abs(cos) * height - 1e-6)), 1),
        )
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    turn[:2, 2] = np.array(out_wh) / 2 - turn[:2, :2] @ (np.array(size_wh) / 2)
    return turn, out_wh
