"""What moves before a background that stays."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Detections, Masks
from scenescope.pipelines import Frame, Stage, StageContext, StageParams
from scenescope.pipelines.stages._continuity import Continuity

__all__ = ["Motion"]

_NAMES = ("motion",)
_MOST_BOXES = 100
# A subtractor that must not learn at all from a picture misbehaves; this is next to nothing.
_LEAST_RATE = 1e-5
_SHADOW = 127
# The memory of the background is so many times longer than what comes to rest takes to become a part of it. MOG2
# takes it in when its weight is 1 - 0.9, which is after -ln(0.9) = 0.105 of the memory; the other was measured.
_MEMORY = {"mog2": 9.5, "knn": 5.0}


class Motion(Stage, title="Motion", group="Motion", stateful=True):
    """Find what moves before a background that stays: a box around every moving thing.

    The background is learned pixel by pixel, as a mixture of Gaussians (MOG2: Zivkovic 2004) or by its nearest
    neighbours (KNN: Zivkovic and van der Heijden 2006). The camera must stand still; put *Stabilise* before it where
    it does not. After a cut, a jump back or another size it learns anew.
    """

    class Params(StageParams):
        method: Literal["mog2", "knn"] = Field("mog2", description="How the background is learned.")
        history_s: float = Field(
            5.0, ge=0.5, le=3600, description="Seconds after which what came to rest belongs to the background."
        )
        warm_up_s: float = Field(1.0, ge=0, le=60, description="Seconds of learning before anything is reported.")
        threshold_sigma: float = Field(
            4.0, ge=1, le=20, description="MOG2: how many standard deviations from the background count as motion."
        )
        threshold_levels: float = Field(
            20.0, ge=2, le=200, description="KNN: how many grey levels from the background count as motion."
        )
        shadows: bool = Field(True, description="Leave out shadows; costs some time.")
        min_area_percent: float = Field(
            0.1, ge=0, le=100, description="Smaller things are left out, in % of the picture."
        )
        join_percent: float = Field(
            1.0, ge=0, le=20, description="Parts that are nearer to each other than this share of the width are one."
        )
        areas: bool = Field(False, description="Show the moving area itself, too.")
        side_px: int = Field(640, ge=64, le=1920, description="Longer side of the picture that is looked at.")

    def needs_reopen(self, params: StageParams) -> bool:
        return any(getattr(params, name) != getattr(self.params, name) for name in ("method", "side_px"))

    def open(self, context: StageContext) -> None:
        self._continuity = Continuity()
        self._start()

    def _start(self) -> None:
        maker = (
            cv2.createBackgroundSubtractorMOG2 if self.params.method == "mog2" else cv2.createBackgroundSubtractorKNN
        )
        self._subtractor: Any = maker()
        self._seen_frames = 0
        self._learned_s = 0.0

    def process(self, frame: Frame) -> Frame:
        small = _small(frame, self.params.side_px)
        if self._continuity.broken(frame, np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)):
            self._start()
        moving = self._moving(small, self._continuity.step_s)
        if self._learned_s < self.params.warm_up_s or self._seen_frames < 2:
            moving[:] = 0
        found, area = self._boxes(moving, frame.size_wh)
        if self.params.areas:
            frame = frame.with_result(f"{self.context.stage_id}.area", _mask(area, frame.size_wh))
        return frame.with_result(self.context.stage_id, found)

    def _moving(self, small: NDArray[np.uint8], step_s: float) -> NDArray[np.uint8]:
        """Where the picture differs from its background, uint8 (h, w), 0 or 255; learns from the picture."""
        params = self.params
        self._subtractor.setDetectShadows(params.shadows)
        if params.method == "mog2":
            self._subtractor.setVarThreshold(params.threshold_sigma**2)
        else:
            self._subtractor.setDist2Threshold(params.threshold_levels**2)
        rate = max(1 - np.exp(-step_s / (_MEMORY[params.method] * params.history_s)), _LEAST_RATE)
        if self._seen_frames == 0 or step_s > 0:
            self._seen_frames += 1
            self._learned_s += step_s
            if self._learned_s <= params.warm_up_s:
                # The first pictures weigh as much as in a plain mean, so that not the very first one decides.
                rate = max(rate, 1 / (2 * self._seen_frames))
        mask = np.asarray(self._subtractor.apply(small, learningRate=float(rate)), np.uint8)
        # Single pixels are noise.
        return np.asarray(cv2.medianBlur(np.where(mask > _SHADOW, np.uint8(255), np.uint8(0)), 5), np.uint8)

    def _boxes(self, moving: NDArray[np.uint8], size_wh: tuple[int, int]) -> tuple[Detections, NDArray[np.uint8]]:
        """The moving things, the largest first, and their areas without what is too small."""
        reach = round(moving.shape[1] * self.params.join_percent / 100) | 1
        joined = cv2.morphologyEx(moving, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8)) if reach > 1 else moving
        _, numbers, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
        # Row 0 is the background.
        area = stats[:, cv2.CC_STAT_AREA]
        large = np.flatnonzero(area >= max(self.params.min_area_percent / 100 * moving.size, 1))
        large = large[large > 0]
        large = large[np.argsort(-area[large], kind="stable")][:_MOST_BOXES]
        left, top, width, height = stats[large, :4].T.astype(np.float64)
        scale = np.tile(np.array(size_wh) / (moving.shape[1], moving.shape[0]), 2)
        found = Detections(
            xyxy=np.stack([left, top, left + width, top + height], axis=1) * scale,
            # How much of its box a thing fills.
            confidence=area[large] / (width * height),
            class_id=np.zeros(len(large), np.int64),
            class_names=_NAMES,
        )
        shown = np.zeros(len(stats), np.uint8)
        shown[large] = 255
        return found, shown[numbers]


def _small(frame: Frame, side_px: int) -> NDArray[np.uint8]:
    width, height = frame.size_wh
    scale = min(side_px / max(width, height), 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _mask(area: NDArray[np.uint8], size_wh: tuple[int, int]) -> Masks:
    if not area.any():
        return Masks(size_wh=size_wh, class_names=_NAMES)
    full = np.asarray(cv2.resize(area, size_wh, interpolation=cv2.INTER_NEAREST), np.uint8)
    return Masks.from_full(full[None], confidence=np.ones(1), class_id=np.zeros(1), class_names=_NAMES)
