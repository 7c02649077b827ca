"""Corner points."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.models import Keypoints
from scenescope.pipelines import Frame, Stage, StageParams

__all__ = ["Corners"]


class Corners(Stage, title="Corners", group="Edges and shapes"):
    """Find points that can be found again in the next picture: corners of things and of patterns.

    "Shi-Tomasi" (1994) and "Harris" (1988) are placed to a fraction of a pixel; "FAST" (Rosten and Drummond, 2006) is
    the quickest. All corners are the points of one object.
    """

    class Params(StageParams):
        method: Literal["shi-tomasi", "harris", "fast"] = Field("shi-tomasi", description="How corners are told.")
        most: int = Field(200, ge=1, le=5000, description="At most so many, the strongest first.")
        quality: float = Field(
            0.02, ge=0.001, le=1, description="Shi-Tomasi and Harris: least strength, as a part of the strongest one's."
        )
        contrast: int = Field(30, ge=1, le=255, description="FAST: by how many levels a corner must stand out.")
        min_distance_px: float = Field(8, ge=0, le=500, description="Shi-Tomasi and Harris: least distance of two.")

    def process(self, frame: Frame) -> Frame:
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8)
        xy = self._fast(grey) if self.params.method == "fast" else self._good(grey)
        shape = (1, len(xy)) if len(xy) else (0, 0)
        found = Keypoints(xy=(xy + np.float32(0.5)).reshape(*shape, 2), confidence=np.ones(shape, np.float32))
        return frame.with_result(self.context.stage_id, found)

    def _good(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        p = self.params
        found: Any = cv2.goodFeaturesToTrack(
            grey, p.most, p.quality, p.min_distance_px, useHarrisDetector=p.method == "harris", k=0.04
        )
        if found is None or len(found) == 0:
            return np.empty((0, 2), np.float32)
        if min(grey.shape) > 15:
            criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.03)
            cv2.cornerSubPix(grey, found, (3, 3), (-1, -1), criteria)
        return np.asarray(found, np.float32).reshape(-1, 2)

    def _fast(self, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        points = cv2.FastFeatureDetector.create(self.params.contrast).detect(grey)
        if len(points) > self.params.most:
            strongest = np.argsort([-point.response for point in points], kind="stable")[: self.params.most]
            points = [points[i] for i in strongest.tolist()]
        return np.asarray(cv2.KeyPoint.convert(points), np.float32).reshape(-1, 2)
