"""Stabilising: the picture without the shake of the hand."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.pipelines import Frame, Stage, StageContext, StageParams
from scenescope.pipelines.stages._continuity import Continuity, small_grey
from scenescope.pipelines.stages.motion._estimate import Similarity, similarity_between

__all__ = ["Stabilise"]

Matrix = NDArray[np.float64]

_HALF: Matrix = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
_BORDERS = {
    "crop": cv2.BORDER_REPLICATE,
    "edge": cv2.BORDER_REPLICATE,
    "mirror": cv2.BORDER_REFLECT,
    "black": cv2.BORDER_CONSTANT,
}


class Stabilise(Stage, title="Stabilise", group="Motion", stateful=True):
    """Take the shake out of the picture; slow pans stay.

    The motion between frames is measured as by *Camera motion*. The path of the camera is smoothed, without looking
    ahead, by a fading-memory filter that keeps up with a steady pan (Morrison, *Introduction to Sequential Smoothing
    and Prediction*, 1969), and each picture is moved by what lies between its path and the smooth one.
    """

    class Params(StageParams):
        smoothing_s: float = Field(
            1.5, ge=0.05, le=10, description="Memory of the smooth path: a longer one is steadier and lags more."
        )
        margin_percent: float = Field(
            10.0, ge=0, le=40, description="How much of width and height may be given up for moving the picture."
        )
        border: Literal["crop", "edge", "mirror", "black"] = Field(
            "crop", description="Zoom in so that no border shows, or fill it."
        )
        side_px: int = Field(640, ge=64, le=1920, description="Longer side of the picture that is looked at.")

    def open(self, context: StageContext) -> None:
        self._continuity = Continuity()
        self._before: NDArray[np.uint8] | None = None
        self._start()

    def _start(self) -> None:
        self._correction = Similarity()
        self._speed = np.zeros(4)
        self._age_s = 0.0

    def process(self, frame: Frame) -> Frame:
        grey = small_grey(frame, self.params.side_px)
        before, self._before = self._before, grey
        if self._continuity.broken(frame, grey):
            self._start()
        elif before is not None and before.shape == grey.shape and self._continuity.step_s > 0:
            self._follow(similarity_between(before, grey, frame.size_wh), frame.size_wh, self._continuity.step_s)
        to_previous = self._to_previous(self._correction, frame.size_wh)
        # warpAffine puts pixel centres at whole numbers.
        inverse = np.linalg.inv(_HALF) @ to_previous @ _HALF
        image = cv2.warpAffine(
            frame.image,
            inverse[:2],
            frame.size_wh,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=_BORDERS[self.params.border],
        )
        return frame.with_image(image, to_previous)

    def _follow(self, motion: Matrix | None, size_wh: tuple[int, int], step_s: float) -> None:
        """Take the motion since the last frame into account; where it is not known, the correction fades."""
        centre = (size_wh[0] / 2, size_wh[1] / 2)
        undone = np.eye(3) if motion is None else np.linalg.inv(motion)
        carried_on = Similarity(*(self._speed * step_s)).matrix(centre)
        apart = Similarity.of(carried_on @ self._correction.matrix(centre) @ undone, centre)
        # Both gains follow from one memory, so the filter never rings; at the start it is short, to learn the pan.
        self._age_s += step_s
        memory = float(np.exp(-step_s / min(self.params.smoothing_s, self._age_s / 2)))
        self._speed = self._speed - (1 - memory) ** 2 / step_s * np.array(apart.values())
        self._correction = self._within(apart.times(memory**2), size_wh)

    def _within(self, wished: Similarity, size_wh: tuple[int, int]) -> Similarity:
        """As much of a correction as the margin allows, found by halving."""
        if self._fits(wished, size_wh):
            return wished
        low, high = 0.0, 1.0
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (middle, high) if self._fits(wished.times(middle), size_wh) else (low, middle)
        return wished.times(low)

    def _fits(self, correction: Similarity, size_wh: tuple[int, int]) -> bool:
        """Whether the shown picture keeps to the given one, or goes beyond it by no more than the margin."""
        width, height = size_wh
        corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], np.float64)
        shown = (corners @ self._to_previous(correction, size_wh).T)[:, :2] / size_wh
        beyond = 0.0 if self.params.border == "crop" else self.params.margin_percent / 200
        return bool((shown >= -beyond - 1e-9).all() and (shown <= 1 + beyond + 1e-9).all())

    def _to_previous(self, correction: Similarity, size_wh: tuple[int, int]) -> Matrix:
        centre = (size_wh[0] / 2, size_wh[1] / 2)
        zoom = 1 - self.params.margin_percent / 100 if self.params.border == "crop" else 1.0
        return np.linalg.inv(correction.matrix(centre)) @ Similarity(log_zoom=float(np.log(zoom))).matrix(centre)
