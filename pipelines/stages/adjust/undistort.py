"""Straight lines straight."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scenescope.pipelines import FilePath, Frame, Stage, StageContext, StageParams
from scenescope.pipelines.calibration import CameraCalibration

__all__ = ["Undistort"]

_HALF = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
Maps = tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]


class Undistort(Stage, title="Undistort", group="Adjust"):
    """Make lines straight that the lens has bent, by a calibration of the camera or by eye.

    Results found after this stage are measured in undistorted pixels. No matrix can bend lines, so what was found
    before is shifted and scaled as the middle of the picture is, and lies up to the lens's distortion beside its
    place near the picture's corners: put stages that measure after this one.
    """

    class Params(StageParams):
        calibration: FilePath = Field(
            "", description="File that the calibration assistant made; empty to set the bend by eye."
        )
        barrel_percent: float = Field(
            0, ge=-50, le=50, description="Without a file: above 0 straightens lines that bulge outwards."
        )
        keep_percent: float = Field(
            0, ge=0, le=100, description="0 shows no black border, 100 keeps every pixel of the camera."
        )

    def needs_reopen(self, params: StageParams) -> bool:
        return bool(self.params.calibration != params.model_dump()["calibration"])

    def open(self, context: StageContext) -> None:
        name = self.params.calibration.strip()
        self._calibration = CameraCalibration.load(Path(name).expanduser()) if name else None
        # Made once for each size and setting: they cost more than using them ten times.
        self._maps: Callable[[tuple[int, int], float, float], Maps] = lru_cache(maxsize=2)(self._made)

    def process(self, frame: Frame) -> Frame:
        p = self.params
        if self._calibration is None and p.barrel_percent == 0:
            return frame
        first, second, to_previous = self._maps(frame.size_wh, p.barrel_percent, p.keep_percent)
        return frame.with_image(cv2.remap(frame.image, first, second, cv2.INTER_LINEAR), to_previous)

    def _made(self, size_wh: tuple[int, int], barrel_percent: float, keep_percent: float) -> Maps:
        """OpenCV's two maps, and what takes pixels of the new picture to the old one in its middle."""
        camera = self._calibration or _by_eye(size_wh, barrel_percent)
        camera = camera.for_size(size_wh)
        new, _ = cv2.getOptimalNewCameraMatrix(camera.matrix, camera.distortion, size_wh, keep_percent / 100)
        if not (np.isfinite(new).all() and min(new[0, 0], new[1, 1]) > 0):
            # A picture one pixel wide, or a lens that folds it: nothing can be said about borders.
            new = camera.matrix
        first, second = cv2.initUndistortRectifyMap(
            camera.matrix, camera.distortion, np.eye(3), new, size_wh, cv2.CV_16SC2
        )
        return first, second, _HALF @ camera.matrix @ np.linalg.inv(new) @ np.linalg.inv(_HALF)


def _by_eye(size_wh: tuple[int, int], barrel_percent: float) -> CameraCalibration:
    """A camera that sees 60 degrees along its longest side, with one coefficient of distortion."""
    focal_px = max(size_wh) / (2 * np.tan(np.radians(30)))
    matrix = np.array([[focal_px, 0, (size_wh[0] - 1) / 2], [0, focal_px, (size_wh[1] - 1) / 2], [0, 0, 1]])
    return CameraCalibration(size_wh, matrix, np.array([-barrel_percent / 100, 0.0, 0.0, 0.0]))
